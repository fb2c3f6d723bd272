"""Images named by a list with labels, or by iNaturalist's JSON."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ssl_bench.tasks.layouts.base import (
    FIX_ENTRIES,
    Labelled,
    Layout,
    Line,
    Note,
    Problem,
    Reading,
    Size,
    missing_files,
    read_lines,
    read_list,
    size_problems,
    some,
)


class ListLayout(Layout):
    """A list of ``class/image label``: few labels, and Places205's CSV.

    Attributes:
        list_file (str): The list, one image a line.
        images (str): Folder that its paths are relative to.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('list_file', 'images')
    list_file: str
    images: str

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
        rows = [line.rsplit(maxsplit=1) for line in found]
        bad = [row for row in rows if len(row) != 2 or not row[1].isdecimal()]
        if bad:
            faults = some(
                'lines are not `class/image label`',
                [' '.join(row) for row in bad],
                self.list_file,
                remedy='Fix the lines.',
            )
            return Reading([], faults)
        root = self.images.rstrip('/')
        entries = [
            Labelled(f'{root}/{name}', int(label)) for name, label in rows
        ]
        return Reading(entries, self._faults(entries))

    def _faults(self, entries: list[Labelled]) -> list[Line]:
        labels = {entry.label for entry in entries}
        absent = sorted(set(range(max(labels))) - labels)
        return (
            missing_files(self.list_file, [entry.image for entry in entries])
            + some('labels have no image', absent, self.list_file, Note)
            + size_problems(self._sizes(len(entries)))
        )


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
