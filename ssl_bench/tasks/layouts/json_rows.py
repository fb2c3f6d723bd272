"""The rows of an annotation file in COCO's form, decoded one at a time.

Python's `json` would make a dict of every object before the first is looked
at: gigabytes for COCO. Here the file is mapped, and its types are checked by
the decoder, so that a text or a `true` is never taken for a number.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from ssl_bench.errors import one_line

AROUND = 30  # characters of the file that a message shows on each side
BYTE_ORDER_MARK = b'\xef\xbb\xbf'
MISSING = re.compile('missing required field `(.*?)`')
Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Flag = bool | Annotated[int, msgspec.Meta(ge=0, le=1)]
FLAGS = ('iscrowd', 'ignore')
# what a field must be, for messages
KINDS = dict(
    **dict.fromkeys(
        ('id', 'image_id', 'category_id', 'width', 'height'), 'a whole number'
    ),
    **dict.fromkeys(('name', 'file_name', 'coco_url'), 'a text'),
    **dict.fromkeys(FLAGS, '0 or 1'),
    bbox='four numbers',
    area='a number',
    segmentation='lists of numbers or run lengths',
)


class Runs(msgspec.Struct):
    """A mask as run lengths, counted or compressed."""

    counts: str | list[int]
    size: tuple[int, int]


class Object(msgspec.Struct):
    """What is read of one of ``annotations``."""

    id: Whole
    image_id: Whole
    category_id: Whole
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: Flag | None = None
    ignore: Flag | None = None
    segmentation: list[list[float]] | Runs | None = None


class Image(msgspec.Struct):
    """What is read of one of ``images``."""

    id: Whole
    width: Whole
    height: Whole
    file_name: str | None = None
    coco_url: str | None = None
    neg_category_ids: list[Whole] | None = None
    not_exhaustive_category_ids: list[Whole] | None = None


class Category(msgspec.Struct):
    """What is read of one of ``categories``."""

    id: Whole
    name: str
    frequency: str | None = None


class Content(msgspec.Struct):
    """A file, whose rows are not decoded yet."""

    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw]
    categories: list[msgspec.Raw]


class OnlyImages(msgspec.Struct):
    """A file of which only the images are of interest."""

    images: list[msgspec.Raw]


Form = TypeVar('Form', Content, OnlyImages)
Row = TypeVar('Row', Object, Image, Category)


def mapped(path: str) -> mmap:
    """The bytes of a file.

    Raises:
        ValueError: It is not a file, or empty.
        OSError: It cannot be read.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError('it is not a file')
    with open(path, 'rb') as file:
        if not file.seek(0, 2):
            raise ValueError('it is empty')
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def decoded(data: mmap, form: type[Form]) -> Form:
    """A file's lists of rows.

    Raises:
        ValueError: It is not JSON, or has another form.
    """
    skip = len(BYTE_ORDER_MARK) if data[:3] == BYTE_ORDER_MARK else 0
    try:
        return msgspec.json.decode(memoryview(data)[skip:], type=form)
    except RecursionError as error:
        raise ValueError('its lists are nested too deep') from error
    except msgspec.ValidationError as error:
        raise ValueError(one_line(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(_malformed(data, skip, str(error))) from error


def _malformed(data: mmap, skip: int, error: str) -> str:
    """A message with what is around the place that it is about."""
    if 'truncated' in error:
        return 'it ends too early. Download or write it again'
    found = re.search(r'\(byte (\d+)\)', error)
    if found is None:
        return one_line(error)
    place = int(found[1]) + skip
    around = data[max(place - AROUND, 0) : place + AROUND]
    text = around.decode('utf-8', 'replace')
    hint = (
        ' JSON has no NaN and no Infinity'
        if re.search('NaN|Infinity', text)
        else ''
    )
    return f'{error} in {text!r}.{hint}'


class RowReader:
    """Decodes rows, and notes those that cannot be read.

    Attributes:
        faults (dict[str, list[str]]): What is wrong, and with which.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = defaultdict(list)

    def read(
        self, rows: Sequence[msgspec.Raw], kind: type[Row], what: str
    ) -> Iterator[Row]:
        """Each row that can be read.

        Args:
            rows (Sequence): Of the file.
            kind (type): Of each.
            what (str): The list's name.
        """
        decode = msgspec.json.Decoder(kind).decode
        for index, row in enumerate(rows):
            try:
                yield decode(row)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                found = self._mended(row, kind, what, index, error)
                if found is not None:
                    yield found

    def _mended(
        self,
        row: msgspec.Raw,
        kind: type[Row],
        what: str,
        index: int,
        error: Exception,
    ) -> Row | None:
        """A row that says the same in another way, such as 1.0 for 1."""
        entry = f'number {index + 1} of the list'
        try:
            found = msgspec.json.decode(row)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.faults[wrong(what, str(error))].append(entry)
            return None
        if isinstance(found, dict):
            entry = f'id {short(found.get("id", "without id"))}'
            found = _plain(found)
        try:
            return msgspec.convert(found, kind)
        except msgspec.ValidationError as second:
            self.faults[wrong(what, str(second))].append(entry)
            return None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """With whole numbers as integers, and without empty masks."""
    plain = dict(row)
    for key, value in row.items():
        whole = KINDS.get(key) == 'a whole number' or key in FLAGS
        if whole and isinstance(value, float) and value.is_integer():
            plain[key] = int(value)
    if not plain.get('segmentation', True):
        del plain['segmentation']
    return plain


def wrong(what: str, error: str) -> str:
    """What to say of the rows that a message of msgspec is about."""
    field = re.search(r'\$\.(\w+)', error)
    absent = MISSING.search(error)
    if absent and field is None:
        return f'{what} without `{absent[1]}`'
    if field is None or field[1] not in KINDS:
        return f'{what} that cannot be read ({one_line(error)})'
    return f'{what} whose `{field[1]}` is not {KINDS[field[1]]}'


def short(value: object) -> str:
    """A value for a message."""
    text = repr(value)
    return text if len(text) < 40 else f'{text[:37]}...'
