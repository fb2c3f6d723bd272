"""Images named by a list with labels, or by iNaturalist's JSON."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ssl_bench.files import IMAGE_ENDINGS
from ssl_bench.tasks.layouts.base import (
    FIX_ENTRIES,
    Labelled,
    Layout,
    Line,
    Note,
    Problem,
    Reading,
    Size,
    missing,
    missing_files,
    not_there,
    numbered_lines,
    read_lines,
    read_list,
    size_problems,
    some,
)

FORMS = (
    '`class/image label`, `label class/image`, `class/image`, or '
    '`image` whose name begins with its class folder and _'
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
        classes (int, optional): Class folders that must be there where lines
            have no label.
        by_folder (bool): Labels must be the places of the class folders, as
            in a test set of folders.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('list_file', 'images')
    list_file: str
    images: str
    classes: int | None = None
    by_folder: bool = False

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
            row = parse(number, line)
            if row is None:
                bad.append(f'{line!r} in line {number}')
            else:
                rows.append(row)
        faults = some(
            'lines name no image',
            bad,
            self.list_file,
            remedy=f'A line is {FORMS}.',
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
        return Reading(entries, self._faults(rows, entries))

    def _places(self) -> dict[str, int]:
        """Label of each class folder, as `FolderLayout` has it."""
        try:
            with os.scandir(self.images) as entries:
                names = sorted(
                    entry.name
                    for entry in entries
                    if entry.name[0] != '.' and entry.is_dir()
                )
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

    def _faults(self, rows: list[Row], entries: list[Labelled]) -> list[Line]:
        labels = {entry.label for entry in entries}
        absent = sorted(set(range(max(labels))) - labels)
        gone = set(missing([entry.image for entry in entries]))
        named = [
            f'{entry.image} in line {row.number}'
            for row, entry in zip(rows, entries)
            if entry.image in gone
        ]
        return (
            not_there(self.list_file, len(entries), named)
            + some('labels have no image', absent, self.list_file, Note)
            + size_problems(self._sizes(len(entries)))
        )


def parse(number: int, line: str) -> Row | None:
    """Read a line of a list; None if it names no image."""
    first, last = line.split(maxsplit=1), line.rsplit(maxsplit=1)
    if len(last) == 2 and last[1].isdecimal():
        return Row(number, last[0], int(last[1]))
    labelled = len(first) == 2 and first[0].isdecimal()
    label = int(first[0]) if labelled else None
    name = first[1] if labelled else line
    if not name.lower().endswith(IMAGE_ENDINGS):
        return None
    if '/' not in name and label is None:
        folder, mark, _ = name.rpartition('_')
        if not mark:
            return None
        name = f'{folder}/{name}'
    return Row(number, name, label)


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

    def _content(self) -> dict[str, Any]:
        content = json.loads(Path(self.annotations).read_text())
        if not isinstance(content, dict):
            raise TypeError('the file does not hold a dict')
        return content

    def read(self, scored: bool = False) -> InatReading:
        try:
            content = self._content()
            categories = sorted(
                content['categories'], key=lambda row: row['id']
            )
            classes = tuple(row['name'] for row in categories)
            names = {row['id']: row['file_name'] for row in content['images']}
            pairs = [
                (row['image_id'], row['category_id'])
                for row in content['annotations']
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            line = (
                f'{self.annotations} is not an annotation file of '
                f'iNaturalist: {error!r}'
            )
            return InatReading([], [Problem(line)])
        label = {row['id']: index for index, row in enumerate(categories)}
        stray = [
            f'image {image} in category {category}'
            for image, category in pairs
            if image not in names or category not in label
        ]
        what = 'annotations name an image or category that the file lacks'
        lines = some(what, stray, self.annotations, remedy=FIX_ENTRIES)
        entries = [
            Labelled(os.path.join(self.images, names[image]), label[category])
            for image, category in pairs
            if image in names and category in label
        ]
        lines += missing_files(
            self.annotations, [entry.image for entry in entries]
        )
        lines += size_problems(self._sizes(len(names)))
        return InatReading(entries, lines, classes=classes)
