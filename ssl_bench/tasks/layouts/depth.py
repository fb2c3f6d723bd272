"""Depth sets: a list of images, each with a depth map of its size."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ssl_bench.errors import one_line
from ssl_bench.tasks.layouts.base import Layout, Reading
from ssl_bench.tasks.layouts.lines import (
    Line,
    Note,
    Problem,
    Size,
    each,
    missing_files,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.opening import image_size, spread, turned_images
from ssl_bench.tasks.layouts.text_lists import list_faults, numbered_lines
from ssl_bench.tasks.layouts.unusable import UnusableLabels

if TYPE_CHECKING:
    import numpy as np

NO_MAP = 'None'  # a list's word for an image without a depth map


class DepthPair(NamedTuple):
    """An image and its depth map."""

    image: str
    depth: str


def read_depth(path: str) -> 'np.ndarray[Any, Any]':
    """The numbers of a depth map file.

    Returns:
        np.ndarray: (H, W), whole numbers, in the units of the file.

    Raises:
        UnusableLabels: It does not decode, or does not hold one whole
            number of 16 or 32 bits for each pixel.
    """
    import numpy as np

    from ssl_bench.pixels import opened

    try:
        with open(path, 'rb', buffering=0) as file:
            content = file.read()
        with opened(content) as image:
            if image.mode.split(';')[0] != 'I':
                raise UnusableLabels(
                    'depth maps do not hold whole numbers of 16 or 32 bits',
                    f'has the mode {image.mode}, not a whole number of 16 or '
                    '32 bits for each pixel. Write a 16-bit grey PNG',
                )
            return np.asarray(image)
    except OSError as error:
        raise UnusableLabels(
            'depth maps cannot be decoded', str(error)
        ) from error


def check_depth(depth: 'np.ndarray[Any, Any]', shape: Sequence[int]) -> None:
    """Does a depth map have the size of its image?

    Args:
        depth (np.ndarray): (H, W).
        shape (Sequence[int]): (H, W) of the image.

    Raises:
        UnusableLabels: It does not.
    """
    if depth.shape != tuple(shape):
        raise UnusableLabels(
            'depth maps are not as large as their image',
            f'is {depth.shape}, its image {tuple(shape)}',
        )


class DepthLayout(Layout):
    """A list of images and depth maps, as BTS and AdaBins have it.

    A line is ``<image> <depth map> <focal length>``, paths below the folder,
    with or without a slash in front. Lines whose map is ``None`` are left
    out.

    Attributes:
        list_file (str): The list.
        folder (str): Paths of the list are below it.
        units (float): Of a map's numbers in a metre.
        highest (float): Metres; numbers from there on, and 0, are no depth.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('list_file', 'folder')
    list_file: str
    folder: str
    units: float = 1000.0
    highest: float = 10.0

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,)

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.folder,)

    def rows(self) -> tuple[list[list[str]], list[Line]]:
        """Fields of the lines with a map, and what to say of the others.

        Raises:
            OSError, ValueError: The list cannot be read.
        """
        kept, without, short = [], [], []
        for number, line in numbered_lines(self.list_file):
            fields = [field.lstrip('/') for field in line.split()]
            if len(fields) < 2:
                short.append(f'line {number}: {line}')
            elif fields[1] == NO_MAP:
                without.append(fields[0])
            else:
                kept.append(fields)
        return kept, [
            *some(
                'lines are not `<image> <depth map> <focal length>`',
                short,
                self.list_file,
                remedy='Correct them, or take them out.',
            ),
            *some(
                'images have no depth map (left out)',
                without,
                self.list_file,
                Note,
            ),
        ]

    def sizes(self) -> list[Size]:
        return self._sizes(len(self.rows()[0]))

    def _sizes(self, pairs: int) -> list[Size]:
        return [Size(self.list_file, 'pairs', pairs, self.count)]

    def read(self, scored: bool = False) -> Reading[DepthPair]:
        try:
            rows, lines = self.rows()
        except (OSError, ValueError) as error:
            line = f'{self.list_file} cannot be read: {one_line(error)}'
            return Reading([], [Problem(line)])
        if not rows:
            line = (
                f'{self.list_file} names no image with a depth map. Write '
                'the list again.'
            )
            return Reading([], [*lines, Problem(line)])
        entries = [
            DepthPair(*(os.path.join(self.folder, part) for part in row[:2]))
            for row in rows
        ]
        lines += list_faults([row[0] for row in rows], self.list_file, scored)
        images, maps = zip(*entries)
        lines += missing_files(self.list_file, images)
        lines += missing_files(self.list_file, maps, 'depth maps')
        return Reading(entries, lines + size_problems(self._sizes(len(rows))))

    def look_into(
        self, entries: Sequence[DepthPair], scored: bool, every: bool
    ) -> list[Line]:
        """As of every layout, and depth maps: all of a test set.

        A run would stop at the first that is unusable, after its training.
        """
        there = [
            pair
            for pair in entries
            if os.path.isfile(pair.image) and os.path.isfile(pair.depth)
        ]
        return self.open_files(there, every) + self.broken_depths(
            there, scored or every
        )

    def broken_depths(
        self, entries: Sequence[DepthPair], every: bool
    ) -> list[Line]:
        """Open depth maps and name the unusable ones, and the empty ones.

        Args:
            entries (Sequence): Whose files are there.
            every (bool): Open all of them; else a few, and others until one
                has a valid pixel.
        """
        chosen = list(entries) if every else spread(entries)
        faults: dict[str, dict[str, str]] = {}
        empty: list[str] = []
        for pair in chosen:
            try:
                depth = read_depth(pair.depth)
                check_depth(depth, image_size(pair.image)[::-1])
                if not self._valid(depth):
                    empty.append(pair.depth)
            except UnusableLabels as fault:
                faults.setdefault(fault.kind, {})[pair.depth] = fault.text
            except OSError:  # named with the images
                continue
        bad = sum(map(len, faults.values()))
        lines = [
            line
            for what, found in faults.items()
            for line in each(what, found, self.list_file, bad == len(chosen))
        ]
        if empty and len(empty) + bad == len(chosen):
            rest = () if every else (pair.depth for pair in entries)
            return lines + self._all_empty(empty, rest)
        what = (
            f'depth maps have no pixel between 0 and {self.highest:g} metres '
            '(it does not count)'
        )
        return (
            lines
            + some(what, empty, self.list_file, Note)
            + turned_images((pair.image for pair in chosen), self.list_file)
        )

    def _valid(self, depth: 'np.ndarray[Any, Any]') -> bool:
        return bool(((depth > 0) & (depth < self.units * self.highest)).any())

    def _all_empty(
        self, empty: Sequence[str], others: Iterable[str]
    ) -> list[Line]:
        """A problem, when no other map has a valid pixel."""
        for path in others:
            try:
                if self._valid(read_depth(path)):
                    return []
            except UnusableLabels:
                continue
        return [
            Problem(
                f'{self.list_file}: no depth map has a pixel between 0 and '
                f'{self.highest:g} metres, first {empty[0]}, so there is '
                'nothing to learn or to score. Write depth in '
                f'{self._unit()}; 0 is not valid.'
            )
        ]

    def _unit(self) -> str:
        return (
            'millimetres' if self.units == 1000 else f'1/{self.units:g} metres'
        )
