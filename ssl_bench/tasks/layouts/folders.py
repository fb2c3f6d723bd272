"""Image folders: one for each class, and those of ImageNet-C."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ssl_bench.errors import one_line
from ssl_bench.files import (
    PILLOW_ENDINGS,
    is_file,
    is_folder,
    is_hidden,
    visible_files,
)
from ssl_bench.tasks.layouts.base import Labelled, Layout, Reading
from ssl_bench.tasks.layouts.lines import (
    Line,
    Note,
    Problem,
    Size,
    refuse,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.opening import broken_images, spread


class Scan(NamedTuple):
    """Images of each class folder, and what is wrong with the folders."""

    images: dict[str, list[str]]
    lines: list[Line]


def class_folders(folder: str) -> list[str]:
    """Sorted names of the folders in a folder that can be classes.

    Their order gives the labels; hidden and system folders are none.

    Raises:
        OSError: It is not a folder, or cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not is_hidden(entry.name) and is_folder(entry)
        )


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
        return self._sizes(self._list({}))

    def _sizes(self, images: dict[str, list[str]]) -> list[Size]:
        total = sum(map(len, images.values()))
        return [
            Size(self.folder, 'class folders', len(images), self.classes),
            Size(self.folder, 'images', total, self.count),
        ]

    def class_order(self) -> list[str]:
        return [] if self.names else class_folders(self.folder)

    def other_classes(self) -> list[str]:
        if not self.published:
            return []
        return sorted({*class_folders(self.folder)} - {*self.published})

    def _list(self, unread: dict[str, Counter[str]]) -> dict[str, list[str]]:
        """Images of each class folder, sorted.

        Args:
            unread (dict): Gets the endings of other files, by class.
        """
        images = {}
        for name in class_folders(self.folder):
            found, others = [], unread.setdefault(name, Counter())
            home = os.path.join(self.folder, name)
            for prefix, entries in visible_files(home):
                for file in (entry.name for entry in entries):
                    if file.lower().endswith(PILLOW_ENDINGS):
                        found.append(prefix + file)
                    else:
                        others[os.path.splitext(file)[1].lower()] += 1
            images[name] = sorted(found)
        return images

    def scan(self) -> Scan:
        """List the images of each class, and what is wrong."""
        unread: dict[str, Counter[str]] = {}
        try:
            images = self._list(unread)
        except NotADirectoryError:
            images, what = {}, 'is not a folder'
        except FileNotFoundError:
            images, what = {}, 'is not a folder'
        except OSError as error:
            images, what = {}, f'cannot be read ({one_line(error)})'
        else:
            what = 'has no class folders'
        if not images:
            line = f'{self.folder} {what}; expected <class>/<image> below it.'
            return Scan({}, [Problem(line)])
        return Scan(images, self._faults(images, unread))

    def images(self) -> dict[str, list[str]]:
        """Images of each class folder, sorted.

        Raises:
            UserError: There is a problem.
        """
        images, lines = self.scan()
        refuse(lines)
        return images

    def _faults(
        self, images: dict[str, list[str]], unread: dict[str, Counter[str]]
    ) -> list[Line]:
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
                f'class folders, none holds an image{_endings(unread)}',
                list(images),
                self.folder,
                remedy='Unpack the set again.',
            )
        lines = self._empty(empty, unread)
        if not self.names and len(images) - len(empty) == 1:
            (only,) = {*images} - {*empty}
            lines.append(
                Problem(
                    f'{self.folder} has images of one class only, {only}. Are '
                    'its classes a folder further down?'
                )
            )
        lines += self._odd_names(images) + self._others(images, unread)
        return lines + size_problems(self._sizes(images))

    def _empty(
        self, empty: list[str], unread: dict[str, Counter[str]]
    ) -> list[Line]:
        """Classes without an image; with other files it is a mistake."""
        other = {name: unread[name] for name in empty if unread[name]}
        what = f'class folders hold no image that is read{_endings(other)}'
        lines = some(
            what,
            list(other),
            self.folder,
            remedy='Convert these files, for instance to PNG.',
        )
        what, bare = 'class folders hold no image', [*{*empty} - {*other}]
        if self.names:
            again = 'Put the images there, or unpack the set again.'
            return lines + some(what, sorted(bare), self.folder, remedy=again)
        return lines + some(what, sorted(bare), self.folder, Note)

    def _odd_names(self, images: dict[str, list[str]]) -> list[Line]:
        """Names that are another class than they look like."""
        blank = [repr(name) for name in images if name != name.strip()]
        what = 'class folders have a blank at an end of their name'
        return some(what, blank, self.folder, remedy='Rename them.')

    def _others(
        self, images: dict[str, list[str]], unread: dict[str, Counter[str]]
    ) -> list[Line]:
        """Files that are no image of a class, and images deeper down."""
        unread = {
            name: unread[name] for name, found in images.items() if found
        }
        files = sum(sum(endings.values()) for endings in unread.values())
        lines: list[Line] = []
        if files:
            text = f'{self.folder}: {files} files are not read'
            lines.append(Note(f'{text}{_endings(unread)}'))
        deep = [
            f'{name}/{found[0]}'
            for name, found in images.items()
            if found and all('/' in image for image in found)
        ]
        lines += some(
            'class folders have their images in further folders (the label '
            'is that of the upper one)',
            deep,
            self.folder,
            Note,
        )
        with os.scandir(self.folder) as entries:
            outside = sorted(
                entry.name
                for entry in entries
                if entry.name.lower().endswith(PILLOW_ENDINGS)
                and not is_hidden(entry.name)
                and is_file(entry)
            )
        lines += some(
            'images are in no class folder (left out)',
            outside,
            self.folder,
            Note,
        )
        return lines

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


def _endings(unread: dict[str, Counter[str]]) -> str:
    """Endings of files with their numbers, in brackets."""
    counts = sum(unread.values(), Counter())
    text = ', '.join(
        f'{ending or "no ending"} {count}'
        for ending, count in counts.most_common(5)
    )
    return f' ({text})' if text else ''


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
