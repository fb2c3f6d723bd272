"""Features on disk, one shard for each process that extracted some.

A split is a folder: ``<rank>_features.npy`` and ``<rank>_labels.npy`` of each
process, and ``index.json``. `feature_writer` makes it. Features are read in
parts, so that no process ever holds all of them: ImageNet's training set has
1.28 million rows, 10.5 GB in single precision for a ResNet-50. Features of
patches are maps on disk, and rows here; their labels may be masks.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import DATA_SAMPLERS
from torch import Tensor
from torch.utils.data import Sampler

from ssl_bench.errors import UserError

INDEX = 'index.json'
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
        plan = Dealing(len(dataset), batch_size, dist.get_world_size())
        self.batches = plan.batches_of(dist.get_rank())

    def skip(self, count: int) -> None:
        """Leave out the first batches of this process."""
        self.batches = self.batches[count:]

    def __iter__(self) -> Iterator[int]:
        for start, stop in self.batches:
            yield from range(start, stop)

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self.batches)


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


class _Stored:
    """One kind of file of a split, rows in the order of the data set.

    Files are mapped only while they are read.

    Args:
        folder (Path): That `write_features` has made.
        what (str): ``features`` or ``labels``.
        content (dict): Of `read_index`.
    """

    def __init__(self, folder: Path, what: str, content: dict) -> None:
        self.folder, self.what = folder, what
        self.dealing = Dealing(
            content['size'], content['batch'], content['world']
        )
        self.ranks = [
            rank
            for rank in range(self.dealing.world)
            if self.dealing.rows_of(rank)
        ]
        opened = {rank: self.open(rank) for rank in self.ranks}
        first = opened[self.ranks[0]]
        self.entry, self.dtype = first.shape[1:], first.dtype
        for rank, rows in opened.items():
            if (
                rows.shape != (self.dealing.rows_of(rank), *self.entry)
                or rows.dtype != self.dtype
            ):
                raise ValueError(f'the {what} of process {rank} do not fit')

    def open(self, rank: int) -> np.ndarray:
        """The rows of a process, mapped."""
        mapped: np.ndarray = np.load(
            self.folder / f'{rank}_{self.what}.npy', mmap_mode='r'
        )
        return mapped

    def read(self, index: np.ndarray, parts: int = 1) -> np.ndarray:
        """Entries, (M, ...), or of ``parts`` in each of them (M, D)."""
        entry, part = np.divmod(index, parts)
        ranks, rows = self.dealing.find(entry)
        shape = self.entry[-1:] if parts > 1 else self.entry
        found = np.empty((len(index), *shape), self.dtype)
        for rank in np.unique(ranks):
            mapped = self.open(rank)
            if parts > 1:
                mapped = mapped.reshape(-1, *shape)
            chosen = ranks == rank
            found[chosen] = mapped[rows[chosen] * parts + part[chosen]]
            del mapped  # unmapped, so that no pages stay
        return found


def _places(where: slice | Tensor, count: int) -> np.ndarray:
    if isinstance(where, slice):
        return np.arange(*where.indices(count))
    places: np.ndarray = where.numpy()
    return places


class StoredFeatures:
    """The features of a split on disk, rows in the order of the data set.

    ``features[start:stop]`` and ``features[index]``, with an index (M,), read
    rows (M, D) as float32 on the CPU. Of maps a row is a patch: image after
    image, each in reading order.

    Args:
        folder (Path): That `write_features` has made.

    Attributes:
        grid (tuple[int, int], optional): Patches of an image, (h, w).
        width (int): D.

    Raises:
        UserError: A file of it is missing or cut off, or it was made under
            another name: of other weights, data or sizes; or what is read is
            not finite, as nothing that is written is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with _damage(folder):
            content = read_index(folder)
            self._rows = _Stored(folder, 'features', content)
            if self._rows.dtype != content['precision']:
                raise ValueError('the features have another precision')
            if list(self._rows.entry) != content['shape']:
                raise ValueError('the features have another shape')
        self.precision: str = content['precision']
        *grid, self.width = content['shape']
        self.grid = (grid[0], grid[1]) if grid else None
        self._patches = grid[0] * grid[1] if grid else 1

    def __len__(self) -> int:
        return self._rows.dealing.size * self._patches

    @property
    def shape(self) -> torch.Size:
        """(N, D)."""
        return torch.Size((len(self), self.width))

    def __getitem__(self, where: slice | Tensor) -> Tensor:
        index = _places(where, len(self))
        if self.grid is None:
            found = self._rows.read(index)
        else:
            found = self._rows.read(index, self._patches)
            found = found.reshape(len(index), self.width)
        features = torch.from_numpy(found).float()
        with _damage(self.folder):
            if not torch.isfinite(features).all():
                raise ValueError('some of its features are not finite')
        return features


class StoredMasks:
    """The masks of a split on disk, in the order of the data set.

    ``masks[start:stop]`` and ``masks[index]`` read (M, H, W) uint8.

    Args:
        folder (Path): That `write_features` has made.
    """

    def __init__(self, folder: Path) -> None:
        self._rows = _Stored(folder, 'labels', read_index(folder))

    def __len__(self) -> int:
        return self._rows.dealing.size

    @property
    def shape(self) -> torch.Size:
        """(N, H, W)."""
        return torch.Size((len(self), *self._rows.entry))

    def __getitem__(self, where: slice | Tensor) -> Tensor:
        return torch.from_numpy(self._rows.read(_places(where, len(self))))

    def squares(
        self, image: np.ndarray, y: np.ndarray, x: np.ndarray, side: int
    ) -> np.ndarray:
        """Squares of pixels, (M, side, side) uint8.

        Args:
            image, y, x (np.ndarray): (M,) each: mask, and place on its grid
                of squares.
            side (int): Pixels.
        """
        ranks, rows = self._rows.dealing.find(image)
        found = np.empty((len(image), side, side), np.uint8)
        for rank in np.unique(ranks):
            mapped = self._rows.open(rank)
            count, height, width = mapped.shape
            cells = mapped.reshape(
                count, height // side, side, width // side, side
            )
            chosen = ranks == rank
            found[chosen] = cells[rows[chosen], y[chosen], :, x[chosen]]
            del mapped, cells
        return found


@contextmanager
def _damage(folder: Path) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise UserError(
            f'{folder} is damaged: {error}. Remove the folder; the '
            'features are then extracted again.'
        ) from error


def read_index(folder: Path) -> dict[str, Any]:
    """What `write_features` says of a split.

    Raises:
        ValueError: Something else is in the file, or of another folder.
    """
    content: dict[str, Any] = json.loads((folder / INDEX).read_text())
    sizes = ('size', 'batch', 'world')
    if (
        not isinstance(content, dict)
        or content.keys() != {*sizes, 'shape', 'precision', 'name'}
        or content['precision'] not in PRECISIONS
        or not isinstance(content['shape'], list)
        or len(content['shape']) not in (1, 3)
        or not all(
            isinstance(value, int) and value > 0
            for value in (*map(content.get, sizes), *content['shape'])
        )
    ):
        raise ValueError(f'{INDEX} is not of this program')
    if content['name'] != folder.name:
        raise ValueError(
            f'it was written as {content["name"]}, of other weights, data or '
            'settings'
        )
    return content


class Features(NamedTuple):
    """Features of one split, of images or of their patches.

    Attributes:
        features (Tensor | StoredFeatures): (N, D) float32 on the CPU, or on
            disk; of patches (N * h * w, D), image after image, each in
            reading order.
        labels (Tensor | StoredMasks): (N,) int64 class indices; of a
            multi-label set (N, C): 1 present, 0 absent, -1 only difficult
            instances; masks (N, H, W) uint8, in memory or on disk.
        grid (tuple[int, int], optional): (h, w) patches of an image.
    """

    features: Tensor | StoredFeatures
    labels: Any
    grid: tuple[int, int] | None = None


def load_features(folder: Path) -> Features:
    """Open what `write_features` has made.

    Labels are read, masks stay on disk.

    Raises:
        UserError: As `StoredFeatures`.
    """
    stored = StoredFeatures(folder)
    with _damage(folder):
        labels = _Stored(folder, 'labels', read_index(folder))
        if labels.dtype == np.uint8 and len(labels.entry) == 2:
            return Features(stored, StoredMasks(folder), stored.grid)
        if labels.dtype != np.int64:
            raise ValueError('the labels have another type')
        every = labels.read(np.arange(labels.dealing.size))
    return Features(stored, torch.from_numpy(every), stored.grid)
