"""Annotation files of COCO and LVIS: boxes and masks of objects."""

import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ssl_bench.tasks.layouts.base import (
    FIX_ENTRIES,
    Layout,
    Line,
    Note,
    Problem,
    Reading,
    Size,
    missing_files,
    no_garbage_collection,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.voc import no_object

NO_AREA = 'boxes of no area'
OUTSIDE = 'boxes outside their image'
MARKED = 'objects marked `ignore`'
NO_MASK = 'objects without mask'
THIN_MASK = 'objects with a mask of fewer than three points'
RLE_MASK = 'objects with a run-length mask'
MASK_FAULTS = (NO_MASK, THIN_MASK)  # scoring would stop at these
FIELDS = frozenset(('id', 'image_id', 'category_id', 'bbox', 'area'))


def object_fault(
    ann: dict[str, Any], image: dict[str, Any], scored: bool = False
) -> str | None:
    """Why an object of COCO's form is unusable; None when it is usable.

    mmdet skips the objects that are named here without a word, or makes
    them regions to ignore.

    Args:
        ann (dict): One of ``annotations``.
        image (dict): Its row of ``images``.
        scored (bool): Of a test set. pycocotools reads run-length masks,
            but stops when the first polygon has fewer than three points;
            training cuts its targets from polygons and needs a good one.
    """
    x, y, width, height = ann['bbox']
    if not (width >= 1 and height >= 1 and ann['area'] > 0):
        return NO_AREA
    if min(x + width, image['width']) <= max(x, 0) or min(
        y + height, image['height']
    ) <= max(y, 0):
        return OUTSIDE
    if ann.get('ignore', False):
        return MARKED
    mask = ann.get('segmentation')
    if not mask:
        return NO_MASK
    if isinstance(mask, dict):
        return None if scored or ann.get('iscrowd', False) else RLE_MASK
    good = [len(part) >= 6 and len(part) % 2 == 0 for part in mask]
    usable = len(mask[0]) > 4 if scored else any(good)
    return None if usable else THIN_MASK


class CocoImage(NamedTuple):
    """An image, its row in the file, and the objects that loaders keep."""

    image: str
    row: dict[str, Any]
    objects: list[dict[str, Any]]

    @property
    def size(self) -> tuple[float, float]:
        """What the annotation file says: (width, height)."""
        return self.row['width'], self.row['height']


@dataclass
class CocoReading(Reading[CocoImage]):
    """With the categories, and the images that have an object of each.

    Attributes:
        categories (list[dict]): As in the file.
        images_of (dict): Category id to image ids, one for each object,
            whether it is usable or not.
    """

    categories: list[dict[str, Any]] = field(default_factory=list)
    images_of: dict[Any, list[Any]] = field(default_factory=dict)


class _Sorter:
    """Puts each annotation to its image, or to what is wrong with it.

    Attributes:
        kept (dict): Image id to the objects that loaders keep.
        images_of (dict): As in `CocoReading`.
        problems (dict[str, list]): Ids of annotations that no program reads.
        useless (dict[str, list]): Ids of those that loaders leave out.
    """

    def __init__(
        self,
        rows: dict[Any, dict[str, Any]],
        known: dict[Any, str],
        fields: frozenset[str],
        scored: bool,
    ) -> None:
        self.rows, self.known = rows, known
        self.fields, self.scored = fields, scored
        self.seen: set[Any] = set()
        self.kept: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self.images_of: dict[Any, list[Any]] = defaultdict(list)
        self.problems: dict[str, list[Any]] = defaultdict(list)
        self.useless: dict[str, list[Any]] = defaultdict(list)

    def add(self, ann: dict[str, Any]) -> None:
        """Take one of ``annotations``."""
        problem = self._problem(ann)
        if problem is None:
            image = ann['image_id']
            self.seen.add(ann['id'])
            self.images_of[ann['category_id']].append(image)
            try:
                fault = object_fault(ann, self.rows[image], self.scored)
            except (ValueError, TypeError):
                problem = 'annotations whose box or mask is not numbers'
            else:
                if fault is None:
                    self.kept[image].append(ann)
                else:
                    self.useless[fault].append(ann['id'])
        if problem is not None:
            self.problems[problem].append(ann.get('id', 'without id'))

    def _problem(self, ann: dict[str, Any]) -> str | None:
        if not self.fields <= ann.keys():
            absent = min(self.fields - ann.keys())
            return f'annotations without `{absent}`'
        if ann['id'] in self.seen:
            return 'annotation ids twice'
        if ann['image_id'] not in self.rows:
            return 'annotations of an unknown image'
        if ann['category_id'] not in self.known:
            return 'annotations of an unknown category'
        return None

    def lines(self, where: str) -> list[Line]:
        """One line for each fault."""
        lines: list[Line] = []
        for what, ids in self.problems.items():
            lines += some(what, _named(ids), where, remedy=FIX_ENTRIES)
        for what, ids in self.useless.items():
            lines += (
                some(
                    f'{what} to be scored against',
                    _named(ids),
                    where,
                    remedy=FIX_ENTRIES,
                )
                if self.scored and what in MASK_FAULTS
                else some(f'{what} (skipped)', _named(ids), where, Note)
            )
        if not self.kept and not self.problems:
            lines.append(no_object(where, self.scored))
        return lines


def _named(ids: list[Any]) -> list[str]:
    return [f'id {key!r}' for key in ids]


class CocoLayout(Layout):
    """An annotation file of COCO and its folder of images.

    Attributes:
        annotations (str): JSON file.
        images (str): Folder that file names are relative to.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('annotations', 'images')
    kind: ClassVar[str] = 'COCO'
    # what pycocotools reads of every object that it scores against
    scored_fields: ClassVar[frozenset[str]] = FIELDS | {'iscrowd'}
    annotations: str
    images: str

    @property
    def files(self) -> tuple[str, ...]:
        return (self.annotations,)

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.images,)

    @no_garbage_collection()
    def sizes(self) -> list[Size]:
        return self._sizes(len(self._content()['images']))

    def _sizes(self, images: int) -> list[Size]:
        return [Size(self.annotations, 'entries', images, self.count)]

    def file_name(self, row: dict[str, Any]) -> str:
        """Path of an image, relative to `images`."""
        return str(row['file_name'])

    def _content(self) -> dict[str, Any]:
        content = json.loads(Path(self.annotations).read_bytes())
        if not isinstance(content, dict):
            raise TypeError('the file does not hold a dict')
        return content

    def read(self, scored: bool = False) -> CocoReading:
        fields = self.scored_fields if scored else FIELDS
        try:
            content = self._content()
            rows = {row['id']: row for row in content['images']}
            paths = [
                os.path.join(self.images, self.file_name(row))
                for row in rows.values()
            ]
            flat = [
                key
                for key, row in rows.items()
                if not (row['width'] > 0 and row['height'] > 0)
            ]
            known = {row['id']: row['name'] for row in content['categories']}
            sorter = _Sorter(rows, known, fields, scored)
            for ann in content['annotations']:
                sorter.add(ann)
        except (OSError, ValueError, KeyError, TypeError) as error:
            line = (
                f'{self.annotations} is not a {self.kind} annotation file: '
                f'{error!r}'
            )
            return CocoReading([], [Problem(line)])
        size = len(content['images'])
        lines = missing_files(self.annotations, paths)
        lines += some(
            'images of no size',
            _named(flat),
            self.annotations,
            remedy=FIX_ENTRIES,
        )
        if len(rows) < size:
            line = f'{self.annotations}: {size - len(rows)} image ids twice. '
            lines.append(Problem(line + FIX_ENTRIES))
        lines += sorter.lines(self.annotations)
        return CocoReading(
            [
                CocoImage(path, row, sorter.kept.get(key, []))
                for path, (key, row) in zip(paths, rows.items())
            ],
            lines + size_problems(self._sizes(size)),
            Counter({what: len(ids) for what, ids in sorter.useless.items()}),
            content['categories'],
            sorter.images_of,
        )

    def check(self, scored: bool = False, every: bool = False) -> list[Line]:
        with no_garbage_collection():
            reading = self.read(scored)
            lines = reading.lines
            entries = [
                CocoImage(entry.image, entry.row, [])
                for entry in reading.entries
            ]
            del reading  # gigabytes of annotations
        return lines + self.look_into(entries, scored, every)


class LvisLayout(CocoLayout):
    """An annotation file of LVIS, whose images are in COCO's folders.

    Its ``coco_url`` names the folder too: images of LVIS's validation set
    are in COCO's ``train2017``.

    Attributes:
        annotations (str): JSON file.
        images (str): Folder above ``train2017`` and ``val2017``.
        holds (tuple[str, ...]): Folders of images that must be there.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('annotations', 'images', 'holds')
    kind: ClassVar[str] = 'LVIS'
    scored_fields: ClassVar[frozenset[str]] = FIELDS
    holds: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        return self.holds or (self.images,)

    def file_name(self, row: dict[str, Any]) -> str:
        return '/'.join(row['coco_url'].split('/')[-2:])
