"""Image folders: one for each class, and those of ImageNet-C."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from ssl_bench.files import images_below
from ssl_bench.tasks.layouts.base import (
    Labelled,
    Layout,
    Line,
    Note,
    Problem,
    Reading,
    Size,
    broken_images,
    refuse,
    size_problems,
    some,
    spread,
)


class Scan(NamedTuple):
    """Images of each class folder, and what is wrong with the folders."""

    images: dict[str, list[str]]
    lines: list[Line]


class FolderLayout(Layout):
    """One folder for each class: ``<class>/<image>``.

    Images may be in folders below the class folder. A label is the place of
    the class among the sorted folder names, or in `names`.

    Attributes:
        folder (str): Above the class folders.
        classes (int, optional): Class folders that must be there.
        names (tuple[str, ...]): Of every class of a classifier, in the order
            of its logits, where the folder has some of them. Then each
            folder must be one of them and hold an image.
        published (tuple[str, ...]): Class folders of the published set; with
            other ones it is another data set.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('folder',)
    folder: str
    classes: int | None = None
    names: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.folder,)

    @property
    def sized(self) -> bool:
        return self.count is not None or self.classes is not None

    def sizes(self) -> list[Size]:
        return self._sizes(self._list())

    def _sizes(self, images: dict[str, list[str]]) -> list[Size]:
        total = sum(map(len, images.values()))
        return [
            Size(self.folder, 'class folders', len(images), self.classes),
            Size(self.folder, 'images', total, self.count),
        ]

    def other_classes(self) -> list[str]:
        if not self.published:
            return []
        with os.scandir(self.folder) as entries:
            there = {
                entry.name
                for entry in entries
                if not entry.name.startswith('.') and entry.is_dir()
            }
        return sorted(there - set(self.published))

    def _list(self) -> dict[str, list[str]]:
        """Images of each class folder, sorted."""
        with os.scandir(self.folder) as entries:
            homes = sorted(
                (entry.name, entry.path)
                for entry in entries
                if not entry.name.startswith('.') and entry.is_dir()
            )
        return {name: images_below(path) for name, path in homes}

    def scan(self) -> Scan:
        """List the images of each class, and what is wrong."""
        try:
            images = self._list()
        except OSError:
            images = {}
        if not images:
            what = (
                'has no class folders'
                if Path(self.folder).is_dir()
                else 'is not a folder'
            )
            return Scan(
                {},
                [
                    Problem(
                        f'{self.folder} {what}; expected <class>/<image> '
                        'below it.'
                    )
                ],
            )
        return Scan(images, self._faults(images))

    def images(self) -> dict[str, list[str]]:
        """Images of each class folder, sorted.

        Raises:
            UserError: There is a problem.
        """
        images, lines = self.scan()
        refuse(lines)
        return images

    def _faults(self, images: dict[str, list[str]]) -> list[Line]:
        strange = sorted(set(images) - set(self.names)) if self.names else []
        if strange:
            return [
                Problem(
                    f'{self.folder} has {len(strange)} folders that are no '
                    f'class, first {strange[0]}; expected names such as '
                    f'{self.names[0]}.'
                )
            ]
        empty = [name for name, found in images.items() if not found]
        if len(empty) == len(images):
            return some(
                'class folders, none holds an image',
                list(images),
                self.folder,
                remedy='Unpack the set again.',
            )
        found: list[Line] = (
            some(
                'class folders hold no image',
                empty,
                self.folder,
                remedy='Unpack the set again.',
            )
            if self.names
            else some('class folders hold no image', empty, self.folder, Note)
        )
        return found + size_problems(self._sizes(images))

    def labels(self, images: dict[str, list[str]]) -> dict[str, int]:
        """The label of each class folder."""
        order = self.names or tuple(images)
        place = {name: index for index, name in enumerate(order)}
        return {name: place[name] for name in images if name in place}

    def read(self, scored: bool = False) -> Reading[Labelled]:
        images, lines = self.scan()
        return Reading(self.entries(images), lines)

    def entries(self, images: dict[str, list[str]]) -> list[Labelled]:
        """Path and label of every image."""
        root = self.folder.rstrip('/')
        return [
            Labelled(f'{root}/{name}/{image}', label)
            for name, label in self.labels(images).items()
            for image in images[name]
        ]

    def check(self, scored: bool = False, every: bool = False) -> list[Line]:
        images, lines = self.scan()
        filled = [name for name, found in images.items() if found]
        chosen = filled if every else spread(filled)
        return lines + broken_images(
            (
                f'{self.folder}/{name}/{image}'
                for name in chosen
                for image in images[name][: None if every else 1]
            ),
            self.folder,
        )


class Cell(NamedTuple):
    """A corruption and its severity."""

    corruption: str
    severity: int


class CorruptedLayout(Layout):
    """ImageNet-C: ``<corruption>/<severity>/<class>/<image>``.

    Every corruption and severity must have the same images, so that their
    names are kept once: 15 x 5 x 50,000 entries would fill gigabytes.

    Attributes:
        folder (str): Above the corruptions.
        corruptions (tuple[str, ...]): Those that count.
        severities (tuple[int, ...]): Of each corruption.
        classes (int, optional), names (tuple[str, ...]): As in
            `FolderLayout`. ``count`` is the number of images of one cell.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('folder',)
    folder: str
    corruptions: tuple[str, ...]
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    classes: int | None = None
    names: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """Every corruption at every severity."""
        return [
            Cell(corruption, severity)
            for corruption in self.corruptions
            for severity in self.severities
        ]

    def cell(self, cell: Cell) -> FolderLayout:
        """The class folders of one cell."""
        return FolderLayout(
            folder=os.path.join(
                self.folder, cell.corruption, str(cell.severity)
            ),
            classes=self.classes,
            names=self.names,
            count=self.count,
        )

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(self.cell(cell).folder for cell in self.cells)

    @property
    def sized(self) -> bool:
        return self.count is not None or self.classes is not None

    def sizes(self) -> list[Size]:
        return [
            size for cell in self.cells for size in self.cell(cell).sizes()
        ]

    def scan(self) -> Scan:
        """Images of the first cell; the others must hold the same."""
        first: Scan | None = None
        for cell in self.cells:
            layout = self.cell(cell)
            found = layout.scan()
            if any(isinstance(line, Problem) for line in found.lines):
                return found
            first = first or found
            if found.images != first.images:
                line = (
                    f'{layout.folder} holds other images than the first '
                    f'severity of {self.corruptions[0]}. Unpack the set again.'
                )
                return Scan(first.images, [Problem(line)])
        return first or Scan({}, [])

    def read(self, scored: bool = False) -> Reading[Labelled]:
        """Every image of the first cell, with paths below the cell."""
        images, lines = self.scan()
        layout = self.cell(self.cells[0])
        return Reading(
            [
                Labelled(f'{name}/{image}', label)
                for name, label in layout.labels(images).items()
                for image in images[name]
            ],
            lines,
        )

    def open_files(
        self, entries: Sequence[Labelled], every: bool
    ) -> list[Line]:
        cells = self.folders
        chosen = entries if every else spread(entries)[:1]
        return broken_images(
            (f'{cell}/{entry.image}' for cell in cells for entry in chosen),
            self.folder,
        )
