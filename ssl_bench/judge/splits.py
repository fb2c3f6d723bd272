"""Parts of own training images: subsets of a few labels, and a part to choose
learning rates on.

Everything is drawn from names and seeds alone, so that all weights get the
same images, and a second run finds the lists of the first.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.judge.data_check import image_paths
from ssl_bench.judge.kinds import kind_of
from ssl_bench.judge.kinds.kind import Labels
from ssl_bench.tasks.own import OwnData, OwnSplit

HELD_OUT = 0.2  # of the training images, to choose rates on
MOST_HELD_OUT = 2000  # images
FOLDER = 'splits'


def draw_order(labels: Labels, seed: int | str) -> list[str]:
    """All images in an order whose every beginning is a fair part.

    First come images that together show every class; then, where an image has
    one class, all classes in their shares, else a plain shuffle. A subset is
    the beginning, so that those of one seed are nested.

    Args:
        labels (Mapping): Classes of each image, by its name.
        seed (int | str): Of the draw.
    """
    shuffled = sorted(labels)
    random.Random(f'judge {seed}').shuffle(shuffled)
    if all(len(found) <= 1 for found in labels.values()):
        shuffled = _in_shares(shuffled, labels)
    seen: set[int] = set()
    first = []
    for name in shuffled:
        if labels[name] - seen:
            seen |= labels[name]
            first.append(name)
    chosen = set(first)
    return first + [name for name in shuffled if name not in chosen]


def _in_shares(names: Sequence[str], labels: Labels) -> list[str]:
    """Images in an order in which all classes advance equally far."""
    sizes = Counter(labels[name] for name in names)
    passed: Counter[frozenset[int]] = Counter()
    places = {}
    for name in names:
        found = labels[name]
        places[name] = (passed[found] + 0.5) / sizes[found]
        passed[found] += 1
    return sorted(names, key=places.__getitem__)


def smallest(labels: Labels, order: Sequence[str]) -> int:
    """How many of the first images show every class."""
    wanted = frozenset().union(*labels.values())
    seen: set[int] = set()
    for count, name in enumerate(order):
        if seen >= wanted:
            return count
        seen |= labels[name]
    return len(order)


@dataclass(frozen=True)
class Splits:
    """The parts of the training images that a judgement uses.

    Attributes:
        own (OwnData): All images.
        labels (Mapping): Classes of each training image, by its name.
        folder (Path): Of the lists.
        dev (tuple[str, ...]): Training images to choose rates on.
        tested (int): Test images.
    """

    own: OwnData
    labels: Labels
    folder: Path
    dev: tuple[str, ...]
    tested: int

    @classmethod
    def of(cls, own: OwnData, work_dir: str | Path) -> 'Splits':
        """Read the labels and hold a part of the images out.

        Raises:
            UserError: Fewer than two images for each class, or those that
                are held out show nothing.
        """
        labels = kind_of(own).read(own)
        order = draw_order(labels, 'dev')
        count = min(round(len(order) * HELD_OUT), MOST_HELD_OUT)
        left = len(order) - smallest(labels, order)
        if min(count, left) < 1:
            raise UserError(
                f'{own.train.images}: {len(order)} training images leave '
                'none to choose a learning rate on, with one of each of '
                f'{len(own.classes)} classes to train on. Add images.'
            )
        dev = order[len(order) - min(count, left) :]
        if not any(labels[name] for name in dev):
            raise UserError(
                f'{own.train.images}: none of the {len(dev)} training images '
                'that are held out to choose a learning rate on has an '
                'object. Add images with objects.'
            )
        folder = Path(work_dir).absolute() / FOLDER
        tested = len(image_paths(own.dataset().test))
        return cls(own, labels, folder, tuple(sorted(dev)), tested)

    @property
    def rest(self) -> dict[str, frozenset[int]]:
        """The training images that are not held out."""
        out = set(self.dev)
        return {n: found for n, found in self.labels.items() if n not in out}

    def size(self, fraction: float) -> int:
        """Images of a fraction."""
        return round(len(self.labels) * fraction)

    def subset(self, fraction: float, seed: int) -> list[str]:
        """Training images of a fraction and a seed, sorted."""
        order = draw_order(self.labels, seed)
        return sorted(order[: self.size(fraction)])

    def to_choose(self, fraction: float, seed: int) -> list[str]:
        """As `subset`, without the images that are held out."""
        rest = self.rest
        return sorted(draw_order(rest, seed)[: self.size(fraction)])

    def problem(self, fraction: float, seeds: Iterable[int]) -> str:
        """Why a fraction cannot be used; empty if it can."""
        count = self.size(fraction)
        needed = max(
            smallest(labels, draw_order(labels, seed))
            for seed in seeds
            for labels in (self.labels, self.rest)
        )
        if count >= needed:
            return ''
        return (
            f'{percent(fraction)} of {len(self.labels)} images are {count}; '
            f'one of each class takes {needed}'
        )

    def data(self, fraction: float, seed: int) -> OwnData:
        """Own data whose training images are `subset`; lists are written."""
        name = f'{self.own.name}-{label(fraction)}'
        if self.size(fraction) >= len(self.labels):
            return self.own.model_copy(update={'name': name})
        train = self._part(self.subset(fraction, seed), name, seed)
        return self.own.model_copy(update={'name': name, 'train': train})

    def data_to_choose(self, fraction: float, seed: int) -> OwnData:
        """The same of `to_choose`, with the images held out to test on."""
        name = f'{self.own.name}-{label(fraction)}-choose'
        train = self._part(self.to_choose(fraction, seed), name, seed)
        val = self._part(self.dev, f'{self.own.name}-held-out')
        return self.own.model_copy(
            update={'name': name, 'train': train, 'val': val}
        )

    def _part(
        self, names: Sequence[str], name: str, seed: int | None = None
    ) -> OwnSplit:
        where = name if seed is None else f'{name}_seed{seed}'
        write = kind_of(self.own).write
        return write(self.own, self.labels, names, self.folder / where)


def percent(fraction: float) -> str:
    """``1 %``."""
    return f'{100 * fraction:g} %'


def label(fraction: float) -> str:
    """``1pct``, for names."""
    return f'{100 * fraction:g}pct'
