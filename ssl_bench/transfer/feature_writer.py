"""Write a split's features; a stopped extraction goes on where it was.

A split is filled under another name and renamed when it is whole. What a
signal stopped keeps a third name, and the next run takes it over.
"""

import contextlib
import json
import math
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dist
from torch import Tensor

from ssl_bench.engine.stopping import SIGNALS, Agreement, end_after_saving
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.transfer.features import INDEX, PRECISIONS, READ_ERRORS, Dealing
from ssl_bench.transfer.together import from_all, on_main_process

FLOAT32_MAX = float(np.finfo(np.float32).max)
STOPPED = 'stopped.json'  # in what a signal stopped: how far it was
AGAIN = 'The same command'


def write_features(
    folder: Path,
    batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
    dealing: Dealing,
    precision: str = 'float32',
) -> None:
    """Write a split's features, each process its own; all processes call it.

    Args:
        folder (Path): The result, the same for all processes; what an earlier
            run left unfinished is continued if a signal stopped it in order,
            else removed.
        batches (Callable): From the number of batches of this process that
            are left out to features (B, D), or maps (B, h, w, D), and labels
            (B, ...) of the others, in the order of ``dealing.batches_of``.
            Labels are stored as int64, if they are not uint8.
        dealing (Dealing): Which process has what.
        precision (str): float32, or float16 for half of the disk.

    Raises:
        UserError: In every process: features that are not finite, a disk that
            is full or not shared by all processes, or an unknown precision.
        Interrupted: In every process: one of them had a signal.
    """
    if precision not in PRECISIONS:
        raise unknown_name('probe.precision', precision, PRECISIONS)
    content: dict[str, Any] = dict(
        asdict(dealing), precision=precision, name=folder.name
    )
    part, done = on_main_process(lambda: _new_part(folder, content))
    shard = _Shard(Path(part), dealing, precision, done)
    try:
        ends = from_all(lambda: shard.write(batches))
        signal = ends[0][1]
        if signal:
            on_main_process(lambda: _keep(shard, folder, content))
            images = shard.done * dealing.batch * dealing.world
            saved = f'features of {images} of {dealing.size} images'
            end_after_saving(signal, saved, AGAIN)
        content['shape'] = max((shape for shape, _ in ends), key=len)
        on_main_process(lambda: _publish(shard.part, folder, content))
    finally:
        if dist.is_main_process():
            shutil.rmtree(part, ignore_errors=True)
    signal = max(from_all(lambda: _check_seen(folder)))
    if signal:
        end_after_saving(signal, f'the features in {folder}', AGAIN)


def _kept(folder: Path) -> Path:
    return folder.parent / f'.{folder.name}.stopped'


def _new_part(folder: Path, content: dict[str, Any]) -> tuple[str, int]:
    """A folder to fill; those of processes that have died are removed.

    Returns:
        Its path, and the batches of each process that are in it.

    Raises:
        UserError: Something else has the name of the split.
    """
    if folder.exists() and not (folder / INDEX).exists():
        raise _taken(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f'.{folder.name}.{socket.gethostname()}.'
    for old in folder.parent.glob(f'{prefix}*.part'):
        number = old.name[len(prefix) : -len('.part')]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    part = folder.parent / f'{prefix}{os.getpid()}.part'
    shutil.rmtree(part, ignore_errors=True)  # ours: of an error
    with contextlib.suppress(*READ_ERRORS):
        os.rename(_kept(folder), part)  # of several runs, one has it
        state = json.loads((part / STOPPED).read_text())
        done = state.pop('batches')
        if state == content:
            return str(part), done
    shutil.rmtree(part, ignore_errors=True)  # of other processes
    part.mkdir()
    return str(part), 0


def _keep(shard: '_Shard', folder: Path, content: dict[str, Any]) -> None:
    """Give what is stopped the name that the next run looks for."""
    state = dict(content, batches=shard.done)
    with _full_disk(shard.part):
        (shard.part / STOPPED).write_text(json.dumps(state))
        shutil.rmtree(_kept(folder), ignore_errors=True)
        os.rename(shard.part, _kept(folder))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


class _Rows:
    """A ``.npy`` file of this process, filled batch after batch.

    Args:
        path (Path): Of it.
        count (int): Rows that it gets.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count = path, count
        self.entry: tuple[int, ...] = ()
        self.dtype = np.dtype('u1')

    def append(self, values: np.ndarray) -> None:
        """Write some rows."""
        with open(self.path, 'ab') as file:
            if not file.tell():
                self.entry, self.dtype = values.shape[1:], values.dtype
                np.lib.format.write_array_header_1_0(
                    file,
                    dict(
                        descr=values.dtype.str,
                        fortran_order=False,
                        shape=(self.count, *self.entry),
                    ),
                )
            if (values.shape[1:], values.dtype) != (self.entry, self.dtype):
                raise ValueError(f'rows of {self.path.name} differ in shape.')
            file.write(values.tobytes())

    def go_on(self, row: int) -> None:
        """Open what a signal stopped after some rows.

        Raises:
            ValueError: It is damaged; or another of `READ_ERRORS`.
        """
        with open(self.path, 'rb') as file:
            np.lib.format.read_magic(file)
            shape, _, self.dtype = np.lib.format.read_array_header_1_0(file)
            self.entry = shape[1:]
            size = self.dtype.itemsize * row * math.prod(self.entry)
            if (
                shape[0] != self.count
                or self.path.stat().st_size != file.tell() + size
            ):
                raise ValueError('its files have other sizes')


class _Shard:
    """The rows of this process.

    Args:
        part (Path): The folder to fill.
        dealing (Dealing): Which process has what.
        precision (str): Of the file.
        done (int): Batches that are in it.
    """

    def __init__(
        self, part: Path, dealing: Dealing, precision: str, done: int
    ) -> None:
        rank = dist.get_rank()
        self.part, self.precision, self.done = part, precision, done
        self.batches = dealing.batches_of(rank)
        self.rows = dealing.rows_of(rank)
        self.features = _Rows(part / f'{rank}_features.npy', self.rows)
        self.labels = _Rows(part / f'{rank}_labels.npy', self.rows)
        # of these every process has one: it can stop after them
        self.shared = len(dealing.batches_of(dealing.world - 1))

    def write(
        self, batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]]
    ) -> tuple[list[int], int]:
        """Write this process's rows, or some of them until a signal.

        Returns:
            Shape of a row, empty without one, and the signal, or 0.
        """
        agreement, signal = Agreement(), 0
        row = sum(stop - start for start, stop in self.batches[: self.done])
        if self.done:
            self._go_on(row)
        SIGNALS.wait()
        try:
            for features, label in batches(self.done):
                values = _stored(features, self.precision)
                with _full_disk(self.part):
                    self.features.append(values)
                    self.labels.append(_integers(label))
                row, self.done = row + len(label), self.done + 1
                if self.done < self.shared:
                    signal = agreement.read((SIGNALS.number, 0))[0]
                    if signal:
                        break
                    agreement.send((SIGNALS.number, 0))
        finally:
            SIGNALS.end_at_once()
        if not signal and row != self.rows:
            raise ValueError(f'{row} rows of features for {self.rows} images.')
        return list(self.features.entry), signal

    def _go_on(self, row: int) -> None:
        """Go on with a shard that a signal stopped.

        Raises:
            UserError: It is damaged.
        """
        try:
            self.features.go_on(row)
            self.labels.go_on(row)
            if self.features.dtype != self.precision:
                raise ValueError('its files have other types')
        except READ_ERRORS as error:
            raise UserError(
                f'a stopped extraction in {self.part.parent} is damaged: '
                f'{error}. It is removed; the same command starts it again.'
            ) from error


def _integers(labels: Tensor) -> np.ndarray:
    """Labels as they are stored: masks as they are, else int64."""
    found: np.ndarray = labels.cpu().numpy()
    return found if found.dtype == np.uint8 else found.astype(np.int64)


def _stored(features: Tensor, precision: str) -> np.ndarray:
    """Features as they are stored.

    Raises:
        UserError: They are not finite, there or at all.
    """
    with np.errstate(over='ignore'):  # it is seen below
        values: np.ndarray = features.float().cpu().numpy().astype(precision)
    if np.isfinite(values).all():
        largest = float(np.abs(values, dtype=np.float32).max(initial=0))
        if math.sqrt(FLOAT32_MAX / values.shape[-1]) < largest:
            raise UserError(
                f'the features are as large as {largest:g}, so their lengths '
                'overflow; the weights do not belong to this network, or are '
                'broken.'
            )
        return values
    if torch.isfinite(features).all():
        raise UserError(
            f'features of up to {features.abs().max():g} are beyond '
            f'{precision}; set probe.precision=float32.'
        )
    raise UserError(
        'the features are not finite; the weights do not belong to this '
        'network, or are broken.'
    )


@contextlib.contextmanager
def _full_disk(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f'cannot write {part}: {error.strerror or error}. Free space, or '
            'choose another --work-dir; one that all machines share, if '
            'there are several.'
        ) from error


def _publish(part: Path, folder: Path, content: dict[str, Any]) -> None:
    """Give a whole split its name; another run may have been faster."""
    (part / INDEX).write_text(json.dumps(content))
    (part / STOPPED).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        os.replace(part, folder)
    if not (folder / INDEX).exists():
        raise _taken(folder)
    shutil.rmtree(_kept(folder), ignore_errors=True)


def _taken(folder: Path) -> UserError:
    return UserError(
        f'cannot write {folder}: something else has this name, or its '
        f'{INDEX} was lost. Remove it; the features are then extracted again.'
    )


def _check_seen(folder: Path) -> int:
    """The signal that this process has.

    Raises:
        UserError: The folder is not there.
    """
    if not (folder / INDEX).exists():
        raise UserError(
            f'process {dist.get_rank()} does not see {folder}; the work dir '
            'must be on a disk that all machines share.'
        )
    return SIGNALS.number
