"""PASCAL VOC's boxes: a list of names, an XML file for each image."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree import ElementTree

from pydantic import model_validator

from ssl_bench.tasks.layouts.base import (
    Layout,
    Line,
    Note,
    Problem,
    Reading,
    Size,
    image_size,
    missing,
    not_there,
    read_lines,
    read_list,
    size_problems,
    some,
)

EMPTY_BOX = 'objects with an empty box'
# what reading an XML file raises when something is not as expected
XML_ERRORS = (ElementTree.ParseError, AttributeError, ValueError, TypeError)


class Box(NamedTuple):
    """An object: inclusive pixel numbers that start at 1."""

    name: str
    difficult: bool
    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def empty(self) -> bool:
        """Whether no pixel is inside; equal numbers are one pixel."""
        return self.x2 < self.x1 or self.y2 < self.y1


@dataclass(frozen=True)
class VocImage:
    """An image and its objects, those with an empty box too."""

    name: str
    image: str
    annotation: str
    width: int
    height: int
    objects: list[Box]

    @property
    def size(self) -> tuple[int, int]:
        """What the annotation says: (width, height)."""
        return self.width, self.height

    @property
    def boxes(self) -> list[Box]:
        """The objects that loaders keep."""
        return [box for box in self.objects if not box.empty]


class VocBoxLayout(Layout):
    """A list of names in a devkit, with ``JPEGImages`` and ``Annotations``.

    Attributes:
        list_file (str): For instance ``VOC2007/ImageSets/Main/train.txt``.
        images (str): Folder of ``<name>.jpg``; that of the list's devkit
            when not given.
        annotations (str): Folder of ``<name>.xml``; as ``images``.
    """

    path_fields: ClassVar[tuple[str, ...]] = (
        'list_file',
        'images',
        'annotations',
    )
    list_file: str
    images: str = ''
    annotations: str = ''

    @model_validator(mode='before')
    @classmethod
    def _in_devkit(cls, values: Any) -> Any:
        return in_devkit(
            values, images='JPEGImages', annotations='Annotations'
        )

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,)

    @property
    def folders(self) -> tuple[str, ...]:
        return self.annotations, self.images

    @property
    def home(self) -> str:
        return os.path.dirname(self.images)

    def sizes(self) -> list[Size]:
        return self._sizes(len(read_lines(self.list_file)))

    def _sizes(self, names: int) -> list[Size]:
        return [Size(self.list_file, 'entries', names, self.count)]

    def read(self, scored: bool = False) -> Reading[VocImage]:
        names, lines = read_list(self.list_file)
        if not names:
            return Reading([], lines)
        images = [os.path.join(self.images, f'{n}.jpg') for n in names]
        files = [os.path.join(self.annotations, f'{n}.xml') for n in names]
        no_image, no_file = missing(images), missing(files)
        gone = {*no_image, *no_file}
        lines = not_there(self.list_file, len(names), no_image)
        lines += not_there(self.list_file, len(names), no_file, 'annotations')
        entries: list[VocImage] = []
        faults: dict[str, str] = {}
        for name, image, file in zip(names, images, files):
            if image in gone or file in gone:
                continue
            try:
                entries.append(read_boxes(name, image, file))
            except XML_ERRORS as error:
                faults[file] = str(error)
        if faults:
            first, reason = next(iter(faults.items()))
            lines.append(
                Problem(
                    f'{self.list_file}: {len(faults)} annotations cannot be '
                    f'read, first {first}: {reason}. Fix the files or take '
                    'their images out of the list.'
                )
            )
        return self._judge(entries, lines, scored, len(names))

    def _judge(
        self,
        entries: list[VocImage],
        lines: list[Line],
        scored: bool,
        size: int,
    ) -> Reading[VocImage]:
        """Count what loaders leave out."""
        left_out = Counter(
            EMPTY_BOX
            for entry in entries
            for _ in range(len(entry.objects) - len(entry.boxes))
        )
        bare = [entry.name for entry in entries if not entry.objects]
        empty = [
            entry.name
            for entry in entries
            if len(entry.boxes) < len(entry.objects)
        ]
        if entries and not any(entry.boxes for entry in entries):
            lines.append(no_object(self.list_file, scored))
        lines += some(
            'images have no object (skipped in training)',
            bare,
            self.list_file,
            Note,
        )
        lines += some(
            'images have an empty box (left out)', empty, self.list_file, Note
        )
        lines += size_problems(self._sizes(size))
        return Reading(entries, lines, left_out)


def in_devkit(values: Any, **folders: str) -> Any:
    """Fill in folders of the devkit that a list is in.

    Args:
        values: Arguments of a layout with ``list_file``,
            ``<devkit>/ImageSets/<kind>/<split>.txt``.
        folders (str): Argument and name in the devkit.
    """
    if not isinstance(values, dict) or 'list_file' not in values:
        return values
    devkit = Path(str(values['list_file'])).parent.parent.parent
    found = {key: str(devkit / name) for key, name in folders.items()}
    return {**found, **values}


def no_object(where: str, scored: bool) -> Problem:
    """What to say of a set without any usable object."""
    use = 'be scored against' if scored else 'train on'
    return Problem(
        f'{where}: no image has an object to {use}. Are the annotations '
        'those of its images?'
    )


def read_boxes(name: str, image: str, path: str) -> VocImage:
    """Read one XML file; an image without a size in it is opened.

    Raises:
        ParseError, AttributeError, ValueError, TypeError: Not as expected.
    """
    root = ElementTree.parse(path).getroot()
    size = root.find('size')
    if size is None:
        try:
            width, height = image_size(image)
        except OSError as error:
            raise ValueError(f'no `size`, and the image: {error}') from error
    else:
        width, height = (
            int(float(_text(size, key))) for key in ('width', 'height')
        )
    objects = [_box(item) for item in root.findall('object')]
    return VocImage(name, image, path, width, height, objects)


def _box(item: ElementTree.Element) -> Box:
    difficult = item.find('difficult')
    box = item.find('bndbox')
    if box is None:
        raise ValueError('an object has no `bndbox`')
    corners = [
        int(float(_text(box, key))) for key in ('xmin', 'ymin', 'xmax', 'ymax')
    ]
    return Box(
        _text(item, 'name'),
        # an empty element is 0
        difficult is not None and bool(int(difficult.text or 0)),
        *corners,
    )


def _text(parent: ElementTree.Element, key: str) -> str:
    """The text of a child element.

    Raises:
        ValueError: There is none.
    """
    text = parent.findtext(key)
    if text is None or not text.strip():
        raise ValueError(f'`{parent.tag}` has no `{key}`')
    return text
