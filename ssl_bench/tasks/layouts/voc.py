"""PASCAL VOC's boxes: an XML file for each image, and a list of names."""

import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree import ElementTree

from pydantic import model_validator
from typing_extensions import Self

from ssl_bench.errors import one_line
from ssl_bench.files import IMAGE_ENDINGS
from ssl_bench.tasks.layouts.base import Layout, Reading
from ssl_bench.tasks.layouts.by_stem import files_of, stems
from ssl_bench.tasks.layouts.lines import (
    Line,
    Note,
    Problem,
    Size,
    missing,
    not_there,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.opening import image_size
from ssl_bench.tasks.layouts.text_lists import (
    list_faults,
    read_lines,
    read_list,
)

XML = ('.xml',)
EMPTY_BOX = 'objects with an empty box'
OUTSIDE = 'objects outside their image'
# what reading an XML file raises when something is not as expected
XML_ERRORS = (
    ElementTree.ParseError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)


class Builder(ElementTree.TreeBuilder):
    """Takes no document type: its entities can fill the memory."""

    def doctype(self, name: str, *_: Any) -> None:
        """Called where a document type begins.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f'it declares the document type {name}, which VOC has not'
        )


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

    def fault(self, width: int, height: int) -> str:
        """Why loaders leave it out; '' when they keep it."""
        if self.empty:
            return EMPTY_BOX
        inside = self.x1 <= width and self.y1 <= height
        return '' if inside and self.x2 > 0 and self.y2 > 0 else OUTSIDE

    def reaches_beyond(self, width: int, height: int) -> bool:
        """Whether a part of it is not in the image."""
        return (
            self.x1 < 1 or self.y1 < 1 or self.x2 > width or self.y2 > height
        )


@dataclass(frozen=True)
class VocImage:
    """An image and its objects, those that loaders leave out too."""

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
        return [box for box in self.objects if not box.fault(*self.size)]


class VocBoxLayout(Layout):
    """A list of names in a devkit, with ``JPEGImages`` and ``Annotations``.

    Attributes:
        list_file (str): For instance ``VOC2007/ImageSets/Main/train.txt``;
            without one, every XML file is taken.
        images (str): Folder of ``<name>.jpg``, or of another ending; that of
            the list's devkit when not given.
        annotations (str): Folder of ``<name>.xml``; as ``images``.
        names (tuple[str, ...]): Classes that objects may have; any when
            not given.
        whole (bool): Images without an XML file are noted, since the folder
            is of this set alone.
    """

    path_fields: ClassVar[tuple[str, ...]] = (
        'list_file',
        'images',
        'annotations',
    )
    list_file: str = ''
    images: str = ''
    annotations: str = ''
    names: tuple[str, ...] = ()
    whole: bool = False

    @model_validator(mode='before')
    @classmethod
    def _in_devkit(cls, values: Any) -> Any:
        return in_devkit(
            values, images='JPEGImages', annotations='Annotations'
        )

    def at(self, root: str | Path) -> Self:
        found = super().at(root)
        if self.list_file:
            return found
        return found.model_copy(update=dict(list_file=''))

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,) if self.list_file else ()

    @property
    def folders(self) -> tuple[str, ...]:
        return self.annotations, self.images

    @property
    def home(self) -> str:
        return os.path.dirname(self.images)

    def sizes(self) -> list[Size]:
        if self.list_file:
            return self._sizes(len(read_lines(self.list_file)))
        return self._sizes(len(stems(self.annotations, XML)))

    def _sizes(self, names: int) -> list[Size]:
        return [Size(self.place, 'entries', names, self.count)]

    def _names(self) -> tuple[list[str], list[Line]]:
        """Names of the images, or a problem when there are none."""
        if self.list_file:
            return read_list(self.list_file)
        names = stems(self.annotations, XML)
        if names:
            return names, []
        return [], [Problem(f'{self.annotations} has no XML file in it.')]

    def read(self, scored: bool = False) -> Reading[VocImage]:
        names, lines = self._names()
        if not names:
            return Reading([], lines)
        lines = list_faults(names, self.place, scored)
        places = files_of(self.images, names, IMAGE_ENDINGS)
        lines += some(
            'images have a file of the same name with another ending',
            [' and '.join(found) for found in places.values() if found[1:]],
            self.images,
            remedy='Keep one of them there: the labels do not tell which.',
        )
        images = [places[name][0] for name in names]
        sources = files_of(self.annotations, names, XML)
        files = [sources[name][0] for name in names]
        no_image, no_file = missing(images), missing(files)
        gone = {*no_image, *no_file}
        lines += not_there(self.place, len(names), no_image)
        lines += not_there(self.place, len(names), no_file, 'annotations')
        lines += self._unlabelled(names)
        entries: list[VocImage] = []
        faults: dict[str, str] = {}
        for name, image, file in zip(names, images, files):
            if image in gone or file in gone:
                continue
            try:
                entries.append(read_boxes(name, image, file))
            except XML_ERRORS as error:
                faults[file] = one_line(error)
        if faults:
            first, reason = next(iter(faults.items()))
            lines.append(
                Problem(
                    f'{self.place}: {len(faults)} annotations cannot be '
                    f'read, first {first}: {reason}. Fix the files or take '
                    'their images out of the list.'
                )
            )
        return self._judge(entries, lines, scored, len(names))

    def _unlabelled(self, names: list[str]) -> list[Line]:
        """Images of the folder that have no labels."""
        if not self.whole:
            return []
        others = set(stems(self.images, IMAGE_ENDINGS)) - {*names}
        what = 'images have no XML file (not used)'
        return some(what, sorted(others), self.images, Note)

    def _judge(
        self,
        entries: list[VocImage],
        lines: list[Line],
        scored: bool,
        size: int,
    ) -> Reading[VocImage]:
        """Count what loaders leave out."""
        lines += self._other_classes(entries)
        faults: dict[str, list[str]] = {'': [], EMPTY_BOX: [], OUTSIDE: []}
        for entry in entries:
            for box in entry.objects:
                faults[box.fault(*entry.size)].append(entry.name)
        bare = [entry.name for entry in entries if not entry.boxes]
        beyond = [
            entry.name
            for entry in entries
            if any(box.reaches_beyond(*entry.size) for box in entry.boxes)
        ]
        if entries and len(bare) == len(entries):
            lines.append(no_object(self.place, scored))
        for names, what in (
            (bare, 'images have no object (skipped in training)'),
            (faults[EMPTY_BOX], f'{EMPTY_BOX} (left out)'),
            (faults[OUTSIDE], f'{OUTSIDE} (left out)'),
            (beyond, 'images have a box that reaches beyond them (cut)'),
        ):
            lines += some(what, names, self.place, Note)
        lines += size_problems(self._sizes(size))
        return Reading(entries, lines)

    def _other_classes(self, entries: list[VocImage]) -> list[Line]:
        """Objects of classes that the task does not have."""
        if not self.names:
            return []
        return some(
            f'objects are of other classes than the {len(self.names)} of this '
            'task',
            [
                f'{box.name!r} in {entry.annotation}'
                for entry in entries
                for box in entry.objects
                if box.name not in self.names
            ],
            self.place,
            remedy='Fix the annotations, or name their classes in the '
            'metainfo of every data set.',
        )


def in_devkit(values: Any, **folders: str) -> Any:
    """Fill in folders of the devkit that a list is in.

    Args:
        values: Arguments of a layout with ``list_file``,
            ``<devkit>/ImageSets/<kind>/<split>.txt``.
        folders (str): Argument and name in the devkit.
    """
    if not isinstance(values, dict) or not values.get('list_file'):
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
        XML_ERRORS: Not as expected.
    """
    parser = ElementTree.XMLParser(target=Builder())
    root = ElementTree.parse(path, parser).getroot()
    if root.tag != 'annotation':
        raise ValueError(f'it holds `{root.tag}`, not `annotation`')
    size = root.find('size')
    width, height = (
        (0, 0)
        if size is None
        else (_number(size, 'width'), _number(size, 'height'))
    )
    if width <= 0 or height <= 0:  # as programs write what they do not know
        try:
            width, height = image_size(image)
        except OSError as error:
            raise ValueError(f'no `size`, and the image: {error}') from error
    objects = [_box(item) for item in root.findall('object')]
    return VocImage(name, image, path, int(width), int(height), objects)


def _box(item: ElementTree.Element) -> Box:
    difficult = item.find('difficult')
    box = item.find('bndbox')
    if box is None:
        raise ValueError('an object has no `bndbox`')
    corners = [_number(box, key) for key in ('xmin', 'ymin', 'xmax', 'ymax')]
    if max(corners) <= 1 and any(value % 1 for value in corners):
        raise ValueError(
            f'a box is {corners}: fractions of the image, not pixels'
        )
    return Box(
        _text(item, 'name'),
        # an empty element is 0
        difficult is not None and bool(int(difficult.text or 0)),
        *map(int, corners),
    )


def _number(parent: ElementTree.Element, key: str) -> float:
    """The number in a child element.

    Raises:
        ValueError: There is none.
    """
    text = _text(parent, key)
    number = float(text)
    if not isfinite(number):
        raise ValueError(f'`{key}` is {one_line(text)}')
    return number


def _text(parent: ElementTree.Element, key: str) -> str:
    """The text of a child element, without blanks around it.

    Raises:
        ValueError: There is none.
    """
    text = (parent.findtext(key) or '').strip()
    if not text:
        raise ValueError(f'`{parent.tag}` has no `{key}`')
    return text
