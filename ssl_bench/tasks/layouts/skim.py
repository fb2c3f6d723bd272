"""A file in COCO's form at a glance: images, classes, are there objects."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from ssl_bench.tasks.layouts.annotations import name_fault
from ssl_bench.tasks.layouts.base import no_garbage_collection
from ssl_bench.tasks.layouts.json_rows import (
    Category,
    Content,
    Image,
    RowReader,
    decoded,
    mapped,
)
from ssl_bench.tasks.layouts.lines import FIX_ENTRIES, Line, Problem, some
from ssl_bench.tasks.layouts.objects import wrong_categories

FORM = (
    "expected COCO's form, one file for all images: lists `images`, "
    '`annotations` and `categories`'
)
# what a file of another program begins with, and whose it is
OTHERS = {
    'shapes': 'LabelMe (one file for each image)',
    'regions': 'VIA',
    'paths': 'another program',
}
NO_MASK = (b'null', b'[]', b'{}', b'[[]]', b'""')


@dataclass
class Skimmed:
    """What a file has.

    Attributes:
        images (list[str]): File names.
        classes (list[str]): Names, in the order of the file.
        masked (bool): Some object has a mask.
        lines (list[Line]): What is wrong; the rest is empty then.
    """

    images: list[str]
    classes: list[str]
    masked: bool
    lines: list[Line]


@no_garbage_collection()
def skim(path: str) -> Skimmed:
    """Read what can be said without reading every object.

    Args:
        path (str): JSON file.
    """
    try:
        content = decoded(mapped(path), Content)
    except (OSError, ValueError) as error:
        return Skimmed([], [], False, [_no_form(path, error)])
    reader = RowReader()
    rows = list(reader.read(content.categories, Category, 'categories'))
    names = [
        row.file_name
        for row in reader.read(content.images, Image, 'images')
        if row.file_name and not name_fault(row.file_name)
    ]
    lines: list[Line] = []
    for what, entries in reader.faults.items():
        lines += some(what, entries, path, remedy=FIX_ENTRIES)
    lines += wrong_categories(rows, path)
    for what, there in (
        ('images', content.images),
        ('categories', content.categories),
        ('annotations', content.annotations),
    ):
        if not there:
            lines.append(Problem(f'{path}: its list `{what}` is empty.'))
    return Skimmed(
        names, [row.name for row in rows], _masked(content.annotations), lines
    )


class _Masks(msgspec.Struct):
    """What is read of an object to see whether it has a mask."""

    segmentation: msgspec.Raw = msgspec.Raw(b'null')


def _masked(rows: Sequence[msgspec.Raw]) -> bool:
    """Whether an object has a mask; the first one that has ends it."""
    decode = msgspec.json.Decoder(_Masks).decode
    for row in rows:
        try:
            mask = decode(row).segmentation
        except msgspec.DecodeError:  # named where objects are read
            continue
        if bytes(mask) not in NO_MASK:
            return True
    return False


def _no_form(path: str, error: Exception) -> Problem:
    """What to say of a file of another form, and whose it may be."""
    reason = str(error)
    if 'field' in reason or 'Expected' in reason:
        with open(path, 'rb') as file:
            start = file.read(4096)
        keys = re.findall(rb'"(\w+)"\s*:\s*[\[{]', start)
        found = [OTHERS[k.decode()] for k in keys if k.decode() in OTHERS]
        reason += f'. It looks like a file of {found[0]}' if found else ''
        reason += f'; {FORM}'
    return Problem(f'{path} is not a COCO annotation file: {reason}.')
