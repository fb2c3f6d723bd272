"""Test images that are also among other images: the same, or nearly so."""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ssl_bench.errors import shown
from ssl_bench.judge.alike import alike_hashes
from ssl_bench.judge.looked import Looked
from ssl_bench.pixels import read_rgb

SAME_FILE, SAME_PIXELS, ALIKE = 'same file', 'same pixels', 'alike'
CORRELATION = 0.95  # of the thumbnails of images that are alike
CANDIDATES = 8  # images that a test image is compared with as thumbnails
NAMED = 3  # first names in a text


class Duplicate(NamedTuple):
    """A test image, the other image, and how they are the same."""

    test: str
    other: str
    how: str


@dataclass(frozen=True)
class Duplicates:
    """Test images that are also elsewhere.

    Attributes:
        place (str): Where the other images are.
        images (int): How many there are.
        tested (int): How many test images there are.
        found (tuple[Duplicate, ...]): One for each test image that is there,
            in the order of their names.
        unread (int): Images of both that cannot be read.
        seconds (float): What looking at the other images and comparing took.
    """

    place: str
    images: int
    tested: int
    found: tuple[Duplicate, ...]
    unread: int
    seconds: float

    @property
    def share(self) -> float:
        """Of the test images, percent."""
        return 100 * len(self.found) / self.tested if self.tested else 0.0

    @property
    def text(self) -> str:
        """``12 of 200 test images (6.0%) are in images/``, and the first."""
        place = shown(self.place, 60)
        unread = (
            f'; {self.unread} images cannot be read' if self.unread else ''
        )
        if not self.found:
            return (
                f'none of {self.tested} test images is among the '
                f'{self.images} of {place}{unread}'
            )
        kinds = ', '.join(
            f'{count} {how}'
            for how in (SAME_FILE, SAME_PIXELS, ALIKE)
            if (count := sum(one.how == how for one in self.found))
        )
        first = ', '.join(
            f'{shown(one.test, 40)} ({shown(one.other, 40)})'
            for one in self.found[:NAMED]
        )
        more = len(self.found) - NAMED
        return (
            f'{len(self.found)} of {self.tested} test images '
            f'({self.share:.1f}%) are among the {self.images} of {place} '
            f'({kinds}): {first}{f" and {more} more" if more > 0 else ""}'
            f'{unread}'
        )


def find_duplicates(test: Looked, other: Looked) -> Duplicates:
    """Test images that are among others.

    The same file; or hashes that differ in few bits and thumbnails that are
    alike, where the pixels of the two are the same or not.

    Args:
        test, other (Looked): Test images, and the others.
    """
    start = time.monotonic()
    found: dict[int, tuple[int, str]] = {}
    known: dict[bytes, int] = {}
    for index, digest in enumerate(other.digests):
        known.setdefault(digest, index)
    known.pop(b'', None)
    for index, digest in enumerate(test.digests):
        if digest in known:
            found[index] = known[digest], SAME_FILE
    ours = np.array([i for i in np.flatnonzero(test.clear) if i not in found])
    theirs = np.flatnonzero(other.clear)
    if len(ours) and len(theirs):
        pairs = alike_hashes(test.hashes[ours], other.hashes[theirs])
        order = np.lexsort((pairs[:, 2], pairs[:, 0]))  # the nearest first
        found |= _compared(
            test,
            other,
            [(int(ours[i]), int(theirs[j])) for i, j, _ in pairs[order]],
        )
    return Duplicates(
        other.place,
        len(other.digests),
        len(test.digests),
        tuple(
            Duplicate(test.name(index), other.name(place), how)
            for index, (place, how) in sorted(found.items())
        ),
        test.unread + other.unread,
        other.seconds + time.monotonic() - start,
    )


def _compared(
    test: Looked, other: Looked, pairs: list[tuple[int, int]]
) -> dict[int, tuple[int, str]]:
    """Of pairs with like hashes, those that are alike.

    Args:
        pairs: Sorted by test image; of each the nearest other image first.
    """
    candidates: dict[int, list[int]] = {}
    for index, place in pairs:
        if len(candidates.setdefault(index, [])) < CANDIDATES:
            candidates[index].append(place)
    found: dict[int, tuple[int, str]] = {}
    for index, places in candidates.items():
        own = test.thumbnail(index)
        close = [p for p in places if alike(own, other.thumbnail(p))]
        if close:
            same = [p for p in close if _same_pixels(test, index, other, p)]
            found[index] = (
                (same[0], SAME_PIXELS) if same else (close[0], ALIKE)
            )
    return found


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two thumbnails show the same, but for their coding.

    Args:
        first, second (np.ndarray): (H, W) uint8.
    """
    return correlation(first, second) >= CORRELATION


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Of all values of two thumbnails; 0 where one is of one colour."""
    own, other = (
        values.astype(float).ravel() - values.mean()
        for values in (first, second)
    )
    size = float(np.linalg.norm(own) * np.linalg.norm(other))
    return float(own @ other) / size if size else 0.0


def _same_pixels(test: Looked, index: int, other: Looked, place: int) -> bool:
    return np.array_equal(
        read_rgb(test.source(index)), read_rgb(other.source(place))
    )
