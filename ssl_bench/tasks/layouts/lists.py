"""Images named by a list with labels, or by iNaturalist's JSON."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ssl_bench.errors import one_line
from ssl_bench.files import PILLOW_ENDINGS
from ssl_bench.tasks.layouts.base import Labelled, Layout, Reading
from ssl_bench.tasks.layouts.folders import FolderLayout, class_folders
from ssl_bench.tasks.layouts.lines import (
    FIX_ENTRIES,
    Line,
    Note,
    Problem,
    Size,
    missing,
    missing_files,
    not_there,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.text_lists import (
    list_faults,
    numbered_lines,
    read_lines,
    read_list,
)

FORMS = (
    '`class/image label`, `label class/image`, `class/image`, or '
    '`image` whose name begins with its class folder and _'
)

# what a JSON file that is not as expected raises
JSON_ERRORS = (
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


class Row(NamedTuple):
    """A line of a list.

    Attributes:
        number (int): Of the line, from 1.
        name (str): Path below the images.
        label (int, optional): None where the class folder says it.
    """

    number: int
    name: str
    label: int | None

    @property
    def folder(self) -> str:
        """The class folder."""
        return self.name.split('/')[0]


class ListLayout(Layout):
    """A list of images: few labels, and Places205's CSV.

    A line is `class/image label`, or `label class/image` as LEWEL's
    ``1percent.txt.ext`` has it. Without a label, as `class/image` or as
    SimCLR's ``1percent.txt`` has it (`n01440764_10.JPEG` is in the folder
    `n01440764`), the label is the place of the class among the sorted class
    folders, as in a folder of images.

    Attributes:
        list_file (str): The list, one image a line.
        images (str): Folder that its paths are relative to.
        classes (int, optional): Labels are below this; class folders that
            must be there where lines have no label.
        by_folder (bool): Labels must be the places of the class folders, as
            in a test set of folders.
        names (tuple[str, ...]): Of the class folders in the order of the
            labels, where that is not the sorted one.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('list_file', 'images')
    list_file: str
    images: str
    classes: int | None = None
    by_folder: bool = False
    names: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,)

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.images,)

    def sizes(self) -> list[Size]:
        return self._sizes(len(read_lines(self.list_file)))

    def _sizes(self, images: int) -> list[Size]:
        return [Size(self.list_file, 'entries', images, self.count)]

    def read(self, scored: bool = False) -> Reading[Labelled]:
        found, lines = read_list(self.list_file)
        if not found:
            return Reading([], lines)
        rows, bad = [], []
        for number, line in numbered_lines(self.list_file):
            row = None if line.startswith('/') else parse(number, line)
            if row is None:
                bad.append(f'{one_line(repr(line))} in line {number}')
            else:
                rows.append(row)
        faults = some(
            'lines name no image',
            bad,
            self.list_file,
            remedy=f'A line is {FORMS}; names are relative to {self.images}.',
        )
        place = self._places()
        faults = faults or self._label_faults(rows, place)
        if faults:
            return Reading([], faults)
        root = self.images.rstrip('/')
        entries = [
            Labelled(
                f'{root}/{row.name}',
                place[row.folder] if row.label is None else row.label,
            )
            for row in rows
        ]
        return Reading(entries, self._faults(rows, entries, scored))

    def class_order(self) -> list[str]:
        if not self.by_folder:
            return []
        return [*self.names] or class_folders(self.images)

    def _places(self) -> dict[str, int]:
        """Label of each class folder, as `FolderLayout` has it."""
        try:
            names = [*self.names] or class_folders(self.images)
        except OSError:
            names = []
        return {name: index for index, name in enumerate(names)}

    def _label_faults(
        self, rows: list[Row], place: dict[str, int]
    ) -> list[Line]:
        """Labels that do not follow, or are not those of the folders."""
        whole = self.classes is None or len(place) == self.classes
        without = [row for row in rows if row.label is None]
        if without and not whole:
            return [
                Problem(
                    f'{self.images} has {len(place)} class folders, expected '
                    f'{self.classes}: their order gives the labels that '
                    f'{self.list_file} does not have. Unpack the set again.'
                )
            ]
        strange = [
            f'{row.name} in line {row.number}'
            for row in without
            if row.folder not in place
        ]
        if strange:
            what = f'lines name a class without a folder in {self.images}'
            return some(what, strange, self.list_file, remedy='Correct them.')
        if self.classes is not None:
            beyond = [
                f'{row.name} in line {row.number} with {row.label}'
                for row in rows
                if row.label is not None and row.label >= self.classes
            ]
            if beyond:
                return some(
                    f'labels are beyond the {self.classes} classes',
                    beyond,
                    self.list_file,
                    remedy=f'Labels are 0 to {self.classes - 1}.',
                )
        if not self.by_folder:
            return []
        other = [
            f'{row.name} in line {row.number} with {row.label}, not '
            f'{place[row.folder]}'
            for row in rows
            if row.label is not None
            and place.get(row.folder, row.label) != row.label
        ]
        return some(
            'labels are not the place of their class folder',
            other if whole else [],
            self.list_file,
            remedy='Take the labels out: the folders give them.',
        )

    def _faults(
        self, rows: list[Row], entries: list[Labelled], scored: bool
    ) -> list[Line]:
        labels = {entry.label for entry in entries}
        gone = set(missing([entry.image for entry in entries]))
        named = [
            f'{entry.image} in line {row.number}'
            for row, entry in zip(rows, entries)
            if entry.image in gone
        ]
        return (
            not_there(self.list_file, len(entries), named)
            + list_faults([row.name for row in rows], self.list_file, scored)
            + absent_labels(labels, self.classes, self.list_file)
            + size_problems(self._sizes(len(entries)))
        )


def absent_labels(
    labels: set[int], classes: int | None, where: str
) -> list[Line]:
    """A note on labels that no image has.

    Args:
        labels (set[int]): Those that images have.
        classes (int, optional): Of the task; up to the largest label when
            None.
        where (str): The list.
    """
    count = max(labels) + 1 if classes is None else classes
    absent = count - len(labels)
    if not absent:
        return []
    first = next(label for label in range(count) if label not in labels)
    return [Note(f'{where}: {absent} labels have no image, first {first}')]


def other_labels(train: Layout, test: Layout) -> list[Line]:
    """A problem when a label is another class in training and in the test.

    Args:
        train, test (Layout): Those whose files do not name the classes are
            not compared.
    """
    train, test = _ordered(train, test), _ordered(test, train)
    found: list[Line] = [
        line
        for layout in (train, test)
        if isinstance(layout, ListLayout) and layout.by_folder
        for line in layout.read().lines
        if isinstance(line, Problem)
    ]
    try:
        ours, theirs = train.class_order(), test.class_order()
    except JSON_ERRORS:
        return found  # which reading the layout says
    if found or not ours or not theirs or ours == theirs:
        return found
    alone = sorted({*ours} ^ {*theirs}) or [ours[0]]
    line = (
        f'training and test classes differ ({len(ours)} and {len(theirs)}): '
        f'{alone[0]!r} is not in both {train.place} and {test.place}, or not '
        'with the same label.'
    )
    return [Problem(line)]


def _ordered(layout: Layout, other: Layout) -> Layout:
    """The labels of a list can have any order, those of folders cannot."""
    if not isinstance(layout, ListLayout):
        return layout
    if not isinstance(other, FolderLayout) or other.names:
        return layout
    return layout.model_copy(update=dict(by_folder=True))


def parse(number: int, line: str) -> Row | None:
    """Read a line of a list; None if it names no image."""
    first, last = line.split(maxsplit=1), line.rsplit(maxsplit=1)
    if len(last) == 2 and _is_label(last[1]):
        return Row(number, last[0], int(last[1]))
    labelled = len(first) == 2 and _is_label(first[0])
    label = int(first[0]) if labelled else None
    name = first[1] if labelled else line
    if not name.lower().endswith(PILLOW_ENDINGS):
        return None
    if '/' not in name and label is None:
        folder, mark, _ = name.rpartition('_')
        if not mark:
            return None
        name = f'{folder}/{name}'
    return Row(number, name, label)


def _is_label(text: str) -> bool:
    """Whether it is a number that a label can be."""
    return text.isdecimal() and len(text) < 10


@dataclass
class InatReading(Reading[Labelled]):
    """With the names of the classes."""

    classes: tuple[str, ...] = ()


class InatLayout(Layout):
    """iNaturalist's annotation files; labels follow the category ids.

    Attributes:
        annotations (str): ``train2018.json`` or ``val2018.json``.
        images (str): Folder that the file names are relative to.
        holds (tuple[str, ...]): Folders of images that must be there.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('annotations', 'images', 'holds')
    annotations: str
    images: str
    holds: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        return (self.annotations,)

    @property
    def folders(self) -> tuple[str, ...]:
        return self.holds or (self.images,)

    def sizes(self) -> list[Size]:
        return self._sizes(len(self._content()['images']))

    def _sizes(self, images: int) -> list[Size]:
        return [Size(self.annotations, 'entries', images, self.count)]

    def class_order(self) -> list[str]:
        rows = sorted(self._content()['categories'], key=lambda row: row['id'])
        return [str(row['name']) for row in rows]

    def _content(self) -> dict[str, Any]:
        content = json.loads(Path(self.annotations).read_text('utf-8'))
        if not isinstance(content, dict):
            raise TypeError('the file does not hold a dict')
        return content

    def read(self, scored: bool = False) -> InatReading:
        try:
            content = self._content()
            categories = sorted(
                content['categories'], key=lambda row: row['id']
            )
            classes = tuple(str(row['name']) for row in categories)
            images = [
                (row['id'], os.fspath(row['file_name']))
                for row in content['images']
            ]
            pairs = [
                (row['image_id'], row['category_id'])
                for row in content['annotations']
            ]
            label = {row['id']: place for place, row in enumerate(categories)}
            names, labelled = dict(images), dict(pairs)
            stray = [
                f'image {image} in category {category}'
                for image, category in pairs
                if image not in names or category not in label
            ]
        except JSON_ERRORS as error:
            line = (
                f'{self.annotations} is not an annotation file of '
                f'iNaturalist: {one_line(repr(error))}'
            )
            return InatReading([], [Problem(line)])
        lines = self._twice(
            images=[key for key, _ in images],
            categories=[row['id'] for row in categories],
            labels=[image for image, _ in pairs],
        )
        what = 'annotations name an image or category that the file lacks'
        lines += some(what, stray, self.annotations, remedy=FIX_ENTRIES)
        without = [key for key in names if key not in labelled]
        what = 'images have no label'
        lines += some(what, without, self.annotations, remedy=FIX_ENTRIES)
        entries = [
            Labelled(os.path.join(self.images, names[image]), label[category])
            for image, category in pairs
            if image in names and category in label
        ]
        if not entries:
            line = f'{self.annotations} gives no image a label.'
            return InatReading([], [*lines, Problem(line)])
        lines += list_faults(list(names.values()), self.annotations, scored)
        lines += missing_files(
            self.annotations, [entry.image for entry in entries]
        )
        found = {entry.label for entry in entries}
        lines += absent_labels(found, len(classes), self.annotations)
        lines += size_problems(self._sizes(len(names)))
        return InatReading(entries, lines, classes=classes)

    def _twice(self, **ids: list[Any]) -> list[Line]:
        """Ids that are there twice: which row counts is not known."""
        return [
            line
            for table, keys in ids.items()
            for line in some(
                f'ids are twice among the {table}',
                [key for key, count in Counter(keys).items() if count > 1],
                self.annotations,
                remedy=FIX_ENTRIES,
            )
        ]
