"""Features on disk, one shard for each process that extracted some.

A split is a folder: ``<rank>_features.npy`` and ``<rank>_labels.npy`` of each
process, and ``index.json``. It is filled under another name and renamed when
it is whole. Features are read in parts, so that no process ever holds all of
them: ImageNet's training set has 1.28 million rows, 10.5 GB in single
precision for a ResNet-50.
"""

import contextlib
import json
import math
import os
import shutil
import socket
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import DATA_SAMPLERS
from torch import Tensor
from torch.utils.data import Sampler

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.transfer.together import from_all, on_main_process

INDEX = 'index.json'
FLOAT32_MAX = float(np.finfo(np.float32).max)
PRECISIONS = ('float32', 'float16')
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    zipfile.BadZipFile,  # numpy takes it for an archive
)


@DATA_SAMPLERS.register_module()
class WholeBatches(Sampler):
    """Deals the batches of an epoch without shuffling to the processes.

    Every batch has the images that it has with one process, so that the
    features are the same bit for bit, whatever the number of processes.
    Nothing is read twice: some processes may have a batch less.

    Args:
        dataset (Dataset): N entries.
        batch_size (int): B; batch b has the entries b * B and after.
        seed (int, optional): Unused; mmengine gives one to every sampler.
    """

    def __init__(
        self, dataset: Any, batch_size: int, seed: int | None = None
    ) -> None:
        self.plan = Dealing(len(dataset), batch_size, dist.get_world_size())
        self.rank = dist.get_rank()

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.plan.batches_of(self.rank):
            yield from range(start, stop)

    def __len__(self) -> int:
        return self.plan.rows_of(self.rank)


@dataclass(frozen=True)
class Dealing:
    """Which process has which entry: whole batches, in turn.

    Attributes:
        size (int): Entries, N.
        batch (int): Entries of a batch; the last one may have fewer.
        world (int): Processes.
    """

    size: int
    batch: int
    world: int

    def batches_of(self, rank: int) -> list[tuple[int, int]]:
        """First entry, and the one after the last, of a process's batches."""
        step = self.batch * self.world
        return [
            (start, min(start + self.batch, self.size))
            for start in range(rank * self.batch, self.size, step)
        ]

    def rows_of(self, rank: int) -> int:
        """How many entries a process has."""
        return sum(stop - start for start, stop in self.batches_of(rank))

    def find(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rank and row of entries, (M,) each."""
        batch, within = np.divmod(index, self.batch)
        row = batch // self.world * self.batch + within
        return batch % self.world, row


class StoredFeatures:
    """The features of a split on disk, rows in the order of the data set.

    ``features[start:stop]`` and ``features[index]``, with an index (M,), read
    rows (M, D) as float32 on the CPU. Files are mapped only while they are
    read.

    Args:
        folder (Path): That `write_features` has made.

    Raises:
        UserError: A file of it is missing or cut off.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = read_index(folder)
            self.width: int = content.pop('width')
            self.precision: str = content.pop('precision')
            self.dealing = Dealing(**content)
            for rank in self._ranks():
                self._check(rank)
        except READ_ERRORS as error:
            raise UserError(
                f'{folder} is damaged: {error}. Remove the folder; the '
                'features are then extracted again.'
            ) from error

    def __len__(self) -> int:
        return self.dealing.size

    @property
    def shape(self) -> torch.Size:
        """(N, D)."""
        return torch.Size((self.dealing.size, self.width))

    def __getitem__(self, where: slice | Tensor) -> Tensor:
        if isinstance(where, slice):
            index = np.arange(*where.indices(len(self)))
        else:
            index = where.numpy()
        ranks, rows = self.dealing.find(index)
        found = np.empty((len(index), self.width), self.precision)
        for rank in np.unique(ranks):
            mapped = self._open(rank)
            chosen = ranks == rank
            found[chosen] = mapped[rows[chosen]]
            del mapped  # unmapped, so that no pages stay
        return torch.from_numpy(found).float()

    def labels(self) -> Tensor:
        """All labels, (N,) or (N, C), int64."""
        parts = {
            rank: np.load(self._path(rank, 'labels')) for rank in self._ranks()
        }
        ranks, rows = self.dealing.find(np.arange(len(self)))
        some = next(iter(parts.values()))
        joined = np.empty((len(self), *some.shape[1:]), some.dtype)
        for rank, part in parts.items():
            chosen = ranks == rank
            joined[chosen] = part[rows[chosen]]
        return torch.from_numpy(joined)

    def _ranks(self) -> list[int]:
        world = range(self.dealing.world)
        return [rank for rank in world if self.dealing.rows_of(rank)]

    def _path(self, rank: int, what: str) -> Path:
        return self.folder / f'{rank}_{what}.npy'

    def _open(self, rank: int) -> np.ndarray:
        mapped: np.ndarray = np.load(
            self._path(rank, 'features'), mmap_mode='r'
        )
        return mapped

    def _check(self, rank: int) -> None:
        labels = np.load(self._path(rank, 'labels'), mmap_mode='r')
        features, rows = self._open(rank), self.dealing.rows_of(rank)
        if features.shape != (rows, self.width) or len(labels) != rows:
            raise ValueError(f'the files of process {rank} have other sizes')
        if features.dtype != self.precision or labels.dtype != np.int64:
            raise ValueError(f'the files of process {rank} have other types')


def read_index(folder: Path) -> dict[str, Any]:
    """What `write_features` says of a split.

    Raises:
        ValueError: Something else is in the file.
    """
    content: dict[str, Any] = json.loads((folder / INDEX).read_text())
    sizes = {'size', 'batch', 'world', 'width'}
    if (
        not isinstance(content, dict)
        or content.keys() != sizes | {'precision'}
        or content['precision'] not in PRECISIONS
        or not all(isinstance(content[key], int) for key in sizes)
        or not all(content[key] > 0 for key in sizes)
    ):
        raise ValueError(f'{INDEX} is not of this program')
    return content


class Features(NamedTuple):
    """Features of one split.

    Attributes:
        features (Tensor | StoredFeatures): (N, D) float32 on the CPU, or on
            disk.
        labels (Tensor): (N,) int64 class indices; of a multi-label set
            (N, C): 1 present, 0 absent, -1 only difficult instances.
    """

    features: Tensor | StoredFeatures
    labels: Tensor


def load_features(folder: Path) -> Features:
    """Open what `write_features` has made."""
    stored = StoredFeatures(folder)
    return Features(stored, stored.labels())


def write_features(
    folder: Path,
    batches: Iterable[tuple[Tensor, Tensor]],
    dealing: Dealing,
    precision: str = 'float32',
) -> None:
    """Write a split's features, each process its own; all processes call it.

    Args:
        folder (Path): The result, the same for all processes; what an earlier
            run left unfinished is removed.
        batches (Iterable): Features (B, D) and labels (B, ...) of this
            process, in the order of ``dealing.batches_of``.
        dealing (Dealing): Which process has what.
        precision (str): float32, or float16 for half of the disk.

    Raises:
        UserError: In every process: features that are not finite, a disk that
            is full or not shared by all processes, or an unknown precision.
    """
    if precision not in PRECISIONS:
        raise unknown_name('probe.precision', precision, PRECISIONS)
    part = Path(on_main_process(lambda: str(_new_part(folder))))
    try:
        widths = from_all(
            lambda: _write_shard(part, batches, dealing, precision)
        )
        content = dict(asdict(dealing), width=max(widths), precision=precision)
        on_main_process(lambda: _publish(part, folder, content))
    finally:
        if dist.is_main_process():
            shutil.rmtree(part, ignore_errors=True)
    from_all(lambda: _check_seen(folder))


def _new_part(folder: Path) -> Path:
    """A folder to fill; those of processes that have died are removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f'.{folder.name}.{socket.gethostname()}.'
    for old in folder.parent.glob(f'{prefix}*.part'):
        number = old.name[len(prefix) : -len('.part')]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    part = folder.parent / f'{prefix}{os.getpid()}.part'
    shutil.rmtree(part, ignore_errors=True)  # ours: of an error
    part.mkdir()
    return part


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _write_shard(
    part: Path,
    batches: Iterable[tuple[Tensor, Tensor]],
    dealing: Dealing,
    precision: str,
) -> int:
    """Write this process's rows; return D, or 0 without a row."""
    rank, width, done = dist.get_rank(), 0, 0
    rows, path = dealing.rows_of(rank), part / f'{rank}_features.npy'
    # small arrays that stay, between large ones that go, split up the memory
    labels = np.empty(0)
    for features, label in batches:
        values = _stored(features, precision)
        with _full_disk(part), open(path, 'ab') as file:
            if not done:
                width = values.shape[1]
                labels = np.empty((rows, *label.shape[1:]), np.int64)
                np.lib.format.write_array_header_1_0(
                    file,
                    dict(
                        descr=values.dtype.str,
                        fortran_order=False,
                        shape=(rows, width),
                    ),
                )
            file.write(values.tobytes())
        labels[done : done + len(label)] = label.cpu().numpy()
        done += len(label)
    if done != rows:
        raise ValueError(f'{done} rows of features for {rows} images.')
    if done:
        with _full_disk(part):
            np.save(part / f'{rank}_labels.npy', labels)
    return width


def _stored(features: Tensor, precision: str) -> np.ndarray:
    """Features as they are stored.

    Raises:
        UserError: They are not finite, there or at all.
    """
    with np.errstate(over='ignore'):  # it is seen below
        values: np.ndarray = features.float().cpu().numpy().astype(precision)
    if np.isfinite(values).all():
        largest = float(np.abs(values, dtype=np.float32).max(initial=0))
        if math.sqrt(FLOAT32_MAX / values.shape[1]) < largest:
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
    with contextlib.suppress(OSError):
        os.replace(part, folder)
    if not (folder / INDEX).exists():
        raise UserError(
            f'cannot write {folder}: something else has this name.'
        )


def _check_seen(folder: Path) -> None:
    if not (folder / INDEX).exists():
        raise UserError(
            f'process {dist.get_rank()} does not see {folder}; the work dir '
            'must be on a disk that all machines share.'
        )
