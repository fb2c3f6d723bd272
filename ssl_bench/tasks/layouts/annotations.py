"""Images and objects of a file in COCO's form as columns of numbers."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from mmap import MADV_DONTNEED, mmap
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ssl_bench.tasks.layouts.json_rows import (
    Category,
    Content,
    Image,
    Object,
    OnlyImages,
    RowReader,
    Runs,
    decoded,
    mapped,
)

AT_ONCE = 20_000  # objects, before the file's pages are given back
FAR = 10**5  # pixels; pycocotools walks along every edge of a polygon
MOST_PIXELS = 2**31 - 1  # of an image; pycocotools counts in 32 bits
BAD_RUNS = 'annotations whose run lengths do not fill their size'
Numbers = NDArray[Any]


@dataclass
class Ragged:
    """Rows of different lengths, one after the other.

    Attributes:
        values (ndarray): Of all rows.
        ends (ndarray): Row i is ``values[ends[i]:ends[i + 1]]``.
    """

    values: Numbers
    ends: Numbers

    def __getitem__(self, row: int) -> Numbers:
        found: Numbers = self.values[self.ends[row] : self.ends[row + 1]]
        return found

    @property
    def lengths(self) -> Numbers:
        """Of each row."""
        return np.diff(self.ends)


class Points(Ragged):
    """Polygons: x, y, x, y, and so on; as numbers or whole hundredths."""

    def __getitem__(self, row: int) -> Numbers:
        found: Numbers = self.numbers(super().__getitem__(row))
        return found

    def numbers(self, values: Any) -> Any:
        """Some of the values, or one of them."""
        return values / 100 if self.values.dtype == np.int32 else values


class _Growing:
    """A `Ragged` that is being filled."""

    def __init__(self, kind: str) -> None:
        self.values: array[Any] = array(kind)
        self.ends = array('q', [0])

    def add(self, values: list[Any] | bytes) -> None:
        if isinstance(values, bytes):
            self.values.frombytes(values)
        else:
            self.values.fromlist(values)
        self.ends.append(len(self.values))

    def done(self) -> Ragged:
        return Ragged(column(self.values), column(self.ends))


class _GrowingPoints(_Growing):
    """Polygons, of which the finished ones take half of the memory.

    COCO writes two digits after the point. k / 100 is rounded as the text
    of it is, so that whole hundredths give the same numbers back.
    """

    def __init__(self) -> None:
        super().__init__('d')
        self.packed: Numbers = np.empty(0, np.int32)

    def add(self, values: list[Any] | bytes) -> None:
        super().add(values)
        self.ends[-1] += len(self.packed)

    def pack(self) -> None:
        """Move what has been added to the finished ones."""
        values = column(self.values)
        if self.packed.dtype == np.int32:
            hundredths = np.rint(values * 100)
            fits = abs(hundredths).max(initial=0) < 2**31
            if fits and (hundredths / 100 == values).all():
                values = hundredths
            else:
                self.packed = self.packed / 100
        start = len(self.packed)
        self.packed.resize(start + len(values), refcheck=False)  # not copied
        self.packed[start:] = values
        self.values = array('d')

    def done(self) -> 'Points':
        self.pack()
        return Points(self.packed, column(self.ends))


def column(values: 'array[Any]') -> Numbers:
    """The same numbers, not copied."""
    return np.frombuffer(values, values.typecode)


@dataclass
class ImageColumns:
    """``images``.

    Attributes:
        ids, widths, heights (ndarray): (M,)
        names (Ragged): File names, bytes.
        negative, partial (Ragged): LVIS's ``neg_category_ids`` and
            ``not_exhaustive_category_ids``.
        told (ndarray): (M,) bool, whether these two are there.
    """

    ids: Numbers
    widths: Numbers
    heights: Numbers
    names: Ragged
    negative: Ragged
    partial: Ragged
    told: Numbers

    def name(self, image: int) -> str:
        """File name of an image."""
        return bytes(self.names[image]).decode()


@dataclass
class ObjectColumns:
    """``annotations``.

    Attributes:
        ids (ndarray): (N,), as in the file.
        images (ndarray): (N,), rows of `ImageColumns`; -1 for none.
        categories (ndarray): (N,), places in ``categories``; -1 for none.
        boxes (ndarray): (N, 4), x, y, width and height.
        areas (ndarray): (N,)
        crowds, marked (ndarray): (N,) bool, ``iscrowd`` and ``ignore``.
        parts (ndarray): (N + 1,), object i has the polygons
            ``parts[i]:parts[i + 1]``.
        points (Points): The polygons.
        runs (Ragged): Compressed run lengths of each object, or nothing.
        run_sizes (ndarray): (N, 2), their height and width; 0 for none.
        order, starts (ndarray): The objects of image i are
            ``order[starts[i]:starts[i + 1]]``, in the order of the file.
    """

    ids: Numbers
    images: Numbers
    categories: Numbers
    boxes: Numbers
    areas: Numbers
    crowds: Numbers
    marked: Numbers
    parts: Numbers
    points: Points
    runs: Ragged
    run_sizes: Numbers
    order: Numbers
    starts: Numbers

    @property
    def masked(self) -> Numbers:
        """Which objects have a mask, (N,) bool."""
        found: Numbers = self.run_sizes[:, 0] > 0
        return found | (np.diff(self.parts) > 0)

    def of(self, image: int) -> Numbers:
        """Rows of an image's objects."""
        found: Numbers = self.order[
            self.starts[image] : self.starts[image + 1]
        ]
        return found

    def mask(self, row: int) -> list[list[float]] | dict[str, Any]:
        """Of an object, in COCO's form; empty when it has none."""
        if self.run_sizes[row, 0]:
            return dict(
                size=self.run_sizes[row].tolist(),
                counts=bytes(self.runs[row]).decode(),
            )
        parts = range(self.parts[row], self.parts[row + 1])
        return [self.points[part].tolist() for part in parts]


@dataclass
class Annotations:
    """A file.

    Attributes:
        images (ImageColumns): As in the file.
        objects (ObjectColumns): As in the file.
        categories (list[Category]): As in the file.
        faults (dict[str, list[str]]): What cannot be read, and which.
    """

    images: ImageColumns
    objects: ObjectColumns
    categories: list[Category]
    faults: dict[str, list[str]]


def count_images(path: str) -> int:
    """How many images a file has.

    Raises:
        ValueError: It is not in COCO's form.
        OSError: It cannot be read.
    """
    return len(decoded(mapped(path), OnlyImages).images)


def read_annotations(
    path: str, file_name: Callable[[Image], str | None]
) -> Annotations:
    """Read a file.

    Args:
        path (str): JSON file.
        file_name (Callable): Gives the path of an image from its row; None
            when the row has none.

    Raises:
        ValueError: It is not in COCO's form.
        OSError: It cannot be read.
    """
    data = mapped(path)
    content = decoded(data, Content)
    _give_back(data)
    reader = RowReader()
    images = _images(
        reader.read(content.images, Image, 'images'), reader, file_name
    )
    rows = content.categories
    categories = list(reader.read(rows, Category, 'categories'))
    known = np.array([row.id for row in categories], np.int64)
    objects = _objects(reader, content.annotations, data, images.ids, known)
    return Annotations(images, objects, categories, dict(reader.faults))


def _give_back(data: mmap) -> None:
    """Let the pages of a file go that were read; they can be read again."""
    data.madvise(MADV_DONTNEED)


def _images(
    rows: Iterable[Image],
    reader: RowReader,
    file_name: Callable[[Image], str | None],
) -> ImageColumns:
    ids, widths, heights = array('q'), array('q'), array('q')
    names, told = _Growing('B'), array('b')
    negative, partial = _Growing('q'), _Growing('q')
    for row in rows:
        name = file_name(row)
        fault = name_fault(name)
        if name is None or fault:
            reader.faults[f'images {fault}'].append(f'id {row.id}')
            continue
        ids.append(row.id)
        widths.append(row.width)
        heights.append(row.height)
        names.add(name.encode())
        lists = row.neg_category_ids, row.not_exhaustive_category_ids
        told.append(None not in lists)
        negative.add(lists[0] or [])
        partial.add(lists[1] or [])
    return ImageColumns(
        column(ids),
        column(widths),
        column(heights),
        names.done(),
        negative.done(),
        partial.done(),
        column(told).astype(bool),
    )


def name_fault(name: str | None) -> str:
    """What to say of images with such a name; empty for a good one.

    Files outside of the set's folder are refused: the fingerprint of the
    data would not tell when they change.
    """
    if not name:
        return 'without file name'
    if '\0' in name:
        return 'whose file name holds a zero byte'
    if name.startswith('/') or '..' in name.split('/'):
        return (
            'whose file name leads out of the folder of images (it must be '
            'relative, without `..`)'
        )
    return ''


def _objects(
    reader: RowReader,
    rows: Sequence[msgspec.Raw],
    data: mmap,
    image_ids: Numbers,
    known: Numbers,
) -> ObjectColumns:
    ids, of_image, of_category = array('q'), array('q'), array('q')
    boxes, areas = array('d'), array('d')
    crowds, marked = array('b'), array('b')
    points, runs = _GrowingPoints(), _Growing('B')
    parts, run_sizes = array('i', [0]), array('i')
    for index, row in enumerate(reader.read(rows, Object, 'annotations')):
        mask, size = row.segmentation, (0, 0)
        if isinstance(mask, Runs):
            counts = compressed(mask)
            if counts is None:
                reader.faults[BAD_RUNS].append(f'id {row.id}')
                continue
            size = mask.size
            runs.add(counts)
        else:
            runs.ends.append(runs.ends[-1])
            for part in mask or ():
                points.add(part)
        parts.append(len(points.ends) - 1)
        run_sizes.extend(size)
        ids.append(row.id)
        of_image.append(row.image_id)
        of_category.append(row.category_id)
        boxes.extend(row.bbox)
        areas.append(row.area)
        crowds.append(bool(row.iscrowd))
        marked.append(bool(row.ignore))
        if index % AT_ONCE == 0:
            _give_back(data)
            points.pack()
    images = places(image_ids, column(of_image))
    order = np.argsort(images, kind='stable').astype(np.int32)
    return ObjectColumns(
        ids=column(ids),
        images=images,
        categories=places(known, column(of_category)),
        boxes=column(boxes).reshape(-1, 4),
        areas=column(areas),
        crowds=column(crowds).astype(bool),
        marked=column(marked).astype(bool),
        parts=column(parts),
        points=points.done(),
        runs=runs.done(),
        run_sizes=column(run_sizes).reshape(-1, 2),
        order=order,
        starts=np.searchsorted(images[order], np.arange(len(image_ids) + 1)),
    )


def places(known: Numbers, wanted: Numbers) -> Numbers:
    """Where each of the ids is among the known ones; -1 for nowhere."""
    if not len(known):
        return np.full(len(wanted), -1, np.int32)
    order = np.argsort(known, kind='stable')
    near = np.searchsorted(known, wanted, sorter=order)
    found = order[near.clip(max=len(known) - 1)]
    return np.where(known[found] == wanted, found, -1).astype(np.int32)


def compressed(mask: Runs) -> bytes | None:
    """Run lengths as pycocotools compresses them; None for wrong ones.

    pycocotools itself does not look: it reads beyond the end of a text, and
    writes beyond the end of a mask.
    """
    height, width = mask.size
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        return None
    counts = mask.counts
    if isinstance(counts, str):
        whole = decompressed(counts)
        return counts.encode() if _fill(whole, height * width) else None
    if not _fill(counts, height * width):
        return None
    from pycocotools.mask import frPyObjects

    form = dict(counts=counts, size=[height, width])
    found: bytes = frPyObjects(form, height, width)['counts']
    return found


def _fill(counts: list[int] | None, pixels: int) -> bool:
    if not counts or min(counts) < 0:
        return False
    return sum(counts) == pixels


def decompressed(text: str) -> list[int] | None:
    """Run lengths of a text of pycocotools; None when it is none.

    Each number is written in groups of five bits, the lowest first, and
    counts from the fourth on as the difference to the one two places before.
    """
    if not text.isascii() or not text:
        return None
    data = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((data & 32) == 0)
    if data.min() < 0 or data.max() > 63 or data[-1] & 32:
        return None
    first = np.concatenate([[0], last[:-1] + 1])
    groups = last - first + 1
    if groups.max() > 7:
        return None
    place = np.arange(len(data)) - np.repeat(first, groups)
    values = np.add.reduceat((data & 31) << 5 * place, first)
    values -= ((data[last] & 16) > 0) * (1 << 5 * groups)
    for start in (1, 2):
        values[start::2] = np.cumsum(values[start::2])
    found: list[int] = values.tolist()
    return found
