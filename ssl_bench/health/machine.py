"""Devices, memory, disks and variables of this machine."""

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ssl_bench import environment
from ssl_bench.errors import UserError, one_line
from ssl_bench.health.checks import FAIL, OK, WARN, Check

GIB = 2**30
SMALL_DISK = 5 * GIB  # less is a warning: a run keeps two checkpoints
NO_DISK = GIB // 2
SMALL_SHARED = GIB
SMALL_MEMORY = 4 * GIB
SMALL_FILES = 4096  # that a process may open
THREADS = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


TASK = 'ssl-bench tasks TASK'  # says what a task needs


def machine_checks(work_dir: str, data_root: str | None) -> Iterator[Check]:
    """Everything but packages.

    Args:
        work_dir (str): Below which runs write.
        data_root (str, optional): Folder above the data sets; `data` where
            None, which may be missing.
    """
    yield devices()
    yield operators()
    yield memory()
    shared = shared_memory()
    if shared:
        yield shared
    yield open_files()
    yield disk(work_dir)
    yield writable('work dir', work_dir, '--work-dir FOLDER')
    yield writable('temporary folder', tempfile.gettempdir(), 'set TMPDIR')
    yield data(data_root)
    yield from threads()
    yield from variables()
    yield from configs()
    yield command()


def devices() -> Check:
    """Accelerators, and whether torch sees the one that the system has."""
    import torch

    count = torch.accelerator.device_count()
    if torch.cuda.is_available():
        names = [
            f'{torch.cuda.get_device_name(i)} '
            f'({torch.cuda.get_device_properties(i).total_memory / GIB:.0f} '
            'GiB)'
            for i in range(count)
        ]
        return Check('devices', OK, ', '.join(names))
    if count:
        kind = torch.accelerator.current_accelerator()
        return Check('devices', OK, f'{count} of kind {kind}')
    if Path('/dev/nvidia0').exists() or shutil.which('nvidia-smi'):
        return Check(
            'devices',
            WARN,
            f'torch {torch.__version__} does not see the GPU of this machine',
            'install the build of torch for its driver: '
            'https://pytorch.org/get-started/locally',
        )
    return Check('devices', OK, f'CPU only, {os.cpu_count()} cores')


def operators() -> Check:
    """Where mmcv's operators come from."""
    try:
        from mmcv import _ext
    except Exception as error:  # a compiled one may raise anything
        return Check(
            'mmcv operators',
            FAIL,
            one_line(error),
            'pip install --force-reinstall --no-deps onedl-mmcv',
        )
    origin = str(_ext.__spec__.origin)
    if origin.startswith('ssl_bench'):
        origin = f"torchvision's, through {origin}"
    return Check('mmcv operators', OK, origin)


def memory() -> Check:
    """Main memory of the machine."""
    try:
        size = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (ValueError, OSError, AttributeError):
        return Check('memory', OK, 'not known')
    found = f'{size / GIB:.1f} GiB'
    if size < SMALL_MEMORY:
        return Check(
            'memory',
            WARN,
            found,
            'set train_dataloader.num_workers and the batch lower',
        )
    return Check('memory', OK, found)


def shared_memory() -> Check | None:
    """Room for the batches of loader workers; None without such a place."""
    free = environment.shared_memory_free()
    if free is None:
        return None
    found = f'{free / GIB:.1f} GiB free in {environment.SHARED}'
    if free < SMALL_SHARED:
        return Check(
            'shared memory',
            WARN,
            f'{found}: loader workers of large batches need more',
            'docker run --shm-size=16g, or --ipc=host',
        )
    return Check('shared memory', OK, found)


def open_files() -> Check:
    """How many files a process may open."""
    limit = environment.raise_file_limit()
    found = 'no limit' if limit >= 2**62 else f'{limit} for a process'
    if limit < SMALL_FILES:
        return Check(
            'open files',
            WARN,
            f'{found}: many loader workers need more',
            f'ulimit -n {SMALL_FILES}',
        )
    return Check('open files', OK, found)


def _there(path: str) -> Path:
    """A folder, or the first one above it that is there."""
    place = Path(path).absolute()
    return next(p for p in (place, *place.parents) if p.exists())


def disk(work_dir: str) -> Check:
    """Free room where runs write."""
    free = shutil.disk_usage(_there(work_dir)).free
    found = f'{free / GIB:.1f} GiB free for {work_dir}'
    if free < SMALL_DISK:
        return Check(
            'disk',
            FAIL if free < NO_DISK else WARN,
            f'{found}; a run of a ResNet-50 writes about 1',
            'free space, or name another disk with --work-dir',
        )
    return Check('disk', OK, found)


def writable(name: str, path: str, cure: str) -> Check:
    """Whether a file can be written; a missing folder is not made."""
    place = _there(path)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Check(
            name, FAIL, f'cannot write in {place}: {error.strerror}', cure
        )
    new = '' if place == Path(path).absolute() else ', not there yet'
    return Check(name, OK, f'{path} can be written{new}')


def data(root: str | None) -> Check:
    """The data sets below a root."""
    place = Path(root or 'data')
    if not place.is_dir():
        cure = 'ssl-bench data mini --root data/mini'
        if root:
            return Check('data', FAIL, f'{root} is not there', cure)
        return Check(
            'data',
            OK,
            'no folder `data` here; the demo writes its own images',
            cure,
        )
    folders = sorted(p.name for p in place.iterdir() if p.is_dir())
    found = f'below {place}: {", ".join(folders) or "nothing"}'
    return Check('data', OK, found, '' if folders else TASK)


def threads() -> Iterator[Check]:
    """Variables that give each process more threads than there are cores."""
    cores = os.cpu_count() or 1
    for name in THREADS:
        text = os.environ.get(name)
        if text is None:
            continue
        if not text.isdecimal() or not int(text):
            yield Check(
                name,
                WARN,
                f'{text!r} is not a number above 0',
                f'unset {name}',
            )
        elif int(text) > cores:
            yield Check(
                name,
                WARN,
                f'{text} threads on {cores} cores slow each other down',
                f'export {name}={cores}',
            )
        else:
            yield Check(name, OK, text)


def variables() -> Iterator[Check]:
    """Those that a user may set, and what a launcher sets."""
    tests = {
        environment.TIMEOUT: environment.rank_timeout,
        environment.TRACK: environment.trackers,
        'WORLD_SIZE': environment.world_size,
    }
    for name in (*environment.VARIABLES, 'WORLD_SIZE'):
        text = os.environ.get(name)
        if text is None and name == 'WORLD_SIZE':
            continue
        try:
            tests.get(name, str)()
        except UserError as error:
            yield Check(name, FAIL, str(error), f'unset {name}')
        else:
            yield Check(name, OK, text or 'not set')


def configs() -> Iterator[Check]:
    """Whether the configs are there, and can be read."""
    from ssl_bench.catalog import read_catalog
    from ssl_bench.config import FOLDERS, config_dirs
    from ssl_bench.tasks.table import tasks

    try:
        folders = config_dirs()
        table, catalog = tasks(), read_catalog()
    except UserError as error:
        yield Check('configs', FAIL, str(error), f'unset {FOLDERS}')
        return
    yield Check(
        'configs',
        OK,
        f'{len(catalog.methods)} methods and {len(table)} tasks in '
        f'{", ".join(map(str, folders))}',
    )
    for problem in (*catalog.broken, *table.broken.values()):
        yield Check(
            'config', WARN, one_line(problem), 'correct or remove the file'
        )


def command() -> Check:
    """Whether a shell finds ``ssl-bench``, and this one."""
    folder = sysconfig.get_path('scripts')
    found = shutil.which('ssl-bench')
    if found is None:
        return Check(
            'command',
            WARN,
            f'a shell does not find ssl-bench (python: {sys.executable})',
            f'export PATH={folder}:$PATH; or python -m ssl_bench',
        )
    return Check('command', OK, found)
