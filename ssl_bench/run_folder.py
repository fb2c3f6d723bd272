"""What a run folder holds, and who may write in it.

One process at a time writes in a folder (`hold`). A run goes on from the
newest whole checkpoint, which is found by looking (`newest_checkpoint`):
mmengine's file ``last_checkpoint`` is not read, since a kill can leave it
empty and a move makes its path wrong. Of names, only ``epoch_N.pth`` and
``iter_N.pth`` count. ``best_*.pth`` and every other name are results, not
places to go on from.
"""

import os
import re
import shutil
import socket
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from errno import EACCES, EAGAIN, ENOSYS
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ssl_bench.errors import UserError, one_line, printable
from ssl_bench.files import cannot_write

LOCK = '.lock'  # in the folder; what counts is the system's lock on it
NO_LOCK = 'SSL_BENCH_NO_LOCK'
POLL = 1.0  # seconds between two looks at a lock that another holds
NUMBERED = re.compile(r'(iter|epoch)_(\d+)\.pth')
# what `files.atomic_path` leaves when its process is killed
LEFTOVER = re.compile(r'\..+\.(?:[a-z0-9_]{8}|pth)\.part')

Value = TypeVar('Value')
_held: set[Path] = set()  # by this process
if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_held.clear)


@contextmanager
def hold(folder: str | Path, wait: bool = False) -> Iterator[None]:
    """Be the one writer of a folder.

    The lock is a POSIX lock of the file ``.lock`` in the folder. The system
    drops it when the process ends in any way, so the file may stay. It works
    on NFS and between machines, and forked processes (the workers of a
    loader) do not inherit it. Of several processes in one group, the first
    holds it, and all stop when it is refused. What killed writers left in
    the folder is removed.

    The lock is lost when this process closes ``.lock``, so nothing else may
    open that file.

    Args:
        folder (str | Path): Made if it is not there.
        wait (bool): Wait while another process holds it.

    Raises:
        UserError: Another process holds it; the folder cannot be written;
            its file system has no locks.
    """
    folder = Path(folder)
    waiting = False
    lock: list[int | None] = []

    def attempt() -> str | None:
        taken, holder = _take(folder)
        if holder is None:
            lock.append(taken)
        return holder

    while (holder := from_first(attempt)) is not None:
        if not wait:
            raise UserError(
                f'{folder} is in use by {holder}. Stop that one, wait for '
                'its end (--wait does), or name another folder.'
            )
        if not waiting:
            note(f'waiting for {folder}, which is in use by {holder}')
        waiting = True
        time.sleep(POLL)
    try:
        if lock:  # in the first of several processes
            remove_leftovers(folder)
        yield
    finally:
        if lock:
            _release(folder, lock[0])


@contextmanager
def workshop(place: str | Path) -> Iterator[Path]:
    """A new folder to build something in, which is moved out when it is done.

    Another process that builds the same waits. What a killed one left there
    is removed first, and all that is left at the end.

    Args:
        place (str | Path): The same for all who build the same thing.

    Yields:
        Path: An empty folder in ``place``.

    Raises:
        UserError: It cannot be written.
    """
    place = Path(place)
    with hold(place, wait=True):
        try:
            new = place / 'new'
            shutil.rmtree(new, ignore_errors=True)
            try:
                new.mkdir()
            except OSError as error:
                raise cannot_write(new, error) from error
            yield new
        finally:
            shutil.rmtree(place, ignore_errors=True)


def from_first(make: Callable[[], Value]) -> Value | None:
    """Compute in the first of several processes, for all of them.

    Args:
        make (Callable): Gives something small, which is pickled.

    Returns:
        Its value in every process. None in a later process that torchrun
        started and that has not joined the others.

    Raises:
        UserError: In every process, when ``make`` raised one.
    """
    if int(os.environ.get('WORLD_SIZE') or 1) == 1:
        return make()
    from mmengine import dist

    first = os.environ.get('RANK', '0') == '0'
    if not dist.is_distributed():
        return make() if first else None
    result: list = [None, None]
    if dist.is_main_process():
        try:
            result[0] = make()
        except UserError as error:
            result[1] = error
    dist.broadcast_object_list(result)
    if result[1] is not None:
        raise result[1]
    return result[0]


def _take(folder: Path) -> tuple[int | None, str | None]:
    """Try to lock a folder.

    Returns:
        The descriptor of the lock, None where the user does without; and
        who holds it, None for this process.
    """
    place = folder.resolve()
    if place in _held:
        return None, f'this process ({_me()})'
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    if os.environ.get(NO_LOCK):
        os.close(file)
        return None, None
    try:
        if fcntl is None:
            raise OSError(ENOSYS, os.strerror(ENOSYS))
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _read_holder(file)
        os.close(file)
        if error.errno in (EACCES, EAGAIN):
            return None, holder
        raise UserError(
            f'the file system of {folder} has no locks ({error.strerror}). '
            f'Choose a folder elsewhere, or set {NO_LOCK}=1 and see to it '
            'that one command at a time writes there.'
        ) from error
    if not path.exists() or not os.path.samestat(os.fstat(file), path.stat()):
        os.close(file)  # the folder was removed meanwhile
        return _take(folder)
    try:
        text = _me().encode()
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))
    except OSError as error:  # a full disk
        os.close(file)
        raise cannot_write(path, error) from error
    _held.add(place)
    return file, None


def _me() -> str:
    """This process, for others that want the folder."""
    job = os.environ.get('SLURM_JOB_ID')
    return (
        f'process {os.getpid()} on {socket.gethostname()}'
        + (f', Slurm job {job}' if job else '')
        + f', since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}'
    )


def _read_holder(file: int) -> str:
    """Who wrote its name into a lock that it holds."""
    for _ in range(5):  # it locks first, then writes
        text = os.pread(file, 1000, 0).decode(errors='replace').strip()
        if text:
            return printable(one_line(text))
        time.sleep(0.05)
    return 'another process'


def _release(folder: Path, file: int | None) -> None:
    _held.discard(folder.resolve())
    if file is None:
        return
    with suppress(OSError):  # its text is read only while it is locked
        os.ftruncate(file, 0)
    os.close(file)


def note(text: str) -> None:
    """Print a note to standard error, in the first of several processes."""
    if os.environ.get('RANK', '0') == '0':
        sys.stderr.write(f'note: {text}\n')


def remove_leftovers(folder: str | Path) -> None:
    """Remove the unfinished files that killed writers left in a folder."""
    for path in Path(folder).glob('.*.part'):
        if LEFTOVER.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def numbered_checkpoints(folder: str | Path) -> list[Path]:
    """Files named ``epoch_N.pth`` or ``iter_N.pth``, the highest N first."""
    found = [
        (int(match[2]), path.name, path)
        for path in Path(folder).glob('*_*.pth')
        if (match := NUMBERED.fullmatch(path.name)) and path.is_file()
    ]
    return [path for *_, path in sorted(found, reverse=True)]


def newest_checkpoint(folder: str | Path) -> Path | None:
    """The checkpoint that a run in a folder goes on from.

    It is the one after the most iterations of those that are whole. Each
    damaged file that is passed over is named in a note.

    Args:
        folder (str | Path): ``work_dir`` of the run; it may be missing.

    Returns:
        Path, optional: None where no whole checkpoint is left.
    """
    passed: list[tuple[Path, str]] = []
    best: tuple[int, int, Path] | None = None
    kinds: set[str] = set()
    for path in numbered_checkpoints(folder):
        kind = path.name.partition('_')[0]
        if kind in kinds:  # one with a higher number is whole
            continue
        looked = look_at(path)
        if looked.fault:
            passed.append((path, looked.fault))
            continue
        kinds.add(kind)
        found = looked.iterations, looked.epochs, path
        if best is None or found[:2] > best[:2]:
            best = found
    for path, fault in passed:
        note(
            f'{path} is passed over: {fault}. '
            + (
                f'Going on from {best[2].name}.'
                if best
                else 'There is no other checkpoint.'
            )
        )
    return best[2] if best else None


class Looked(NamedTuple):
    """What a look at a checkpoint gives.

    Attributes:
        fault (str): Why it is not whole; empty where it is.
        iterations, epochs (int): Done when it was written; -1 where it does
            not say that, as a file of weights alone.
        seed (int, optional): Of the run.
    """

    fault: str = ''
    iterations: int = -1
    epochs: int = -1
    seed: int | None = None


def look_at(path: str | Path) -> Looked:
    """Read a checkpoint once, and compare it with the check sums in it.

    Args:
        path (str | Path): The file.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        return Looked(error.strerror or str(error))
    return _look_at(str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)


def fault_of(path: str | Path) -> str:
    """Why a checkpoint is not whole; an empty text where it is."""
    return look_at(path).fault


@lru_cache(maxsize=64)
def _look_at(path: str, *state: int) -> Looked:
    """The same, once for each content.

    Args:
        path (str): The file.
        state (int): Numbers that change with its content.
    """
    from ssl_bench.checkpoints.reading import read_object

    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
        if damaged:
            return Looked(f'its part {damaged} is damaged')
    except zipfile.BadZipFile:
        return Looked('it is truncated or not a checkpoint')
    except Exception as error:  # damaged files raise anything at all
        return Looked(one_line(error))
    try:
        content = read_object(path)
    except UserError:  # whole, but refused: that is said when it is loaded
        content = None
    meta = content.get('meta') if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return Looked()
    done, epochs, seed = (
        value if isinstance(value := meta.get(name), int) else None
        for name in ('iter', 'epoch', 'seed')
    )
    return Looked(
        '',
        -1 if done is None else done,
        -1 if epochs is None else epochs,
        seed,
    )
