"""Images in a column of Parquet or Arrow files, as Hugging Face writes them.

The column is of ``datasets``' feature ``Image``, a struct of ``bytes`` and
``path``, or of plain bytes.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ssl_bench.data.storage.base import Container, Entry
from ssl_bench.errors import UserError

NAMES = ('path', 'file_name', 'filename', '__key__', 'name')


class Opened(NamedTuple):
    """An open file.

    Attributes:
        file (Any): Of pyarrow.
        ends (np.ndarray): Rows before the end of each of its parts.
        column (str): The images.
        last (dict): The part that was read last, by its number.
    """

    file: Any
    ends: np.ndarray
    column: str
    last: dict[int, Any]


class _Table(Container):
    """Rows of a table; a row has an image.

    A row is named by the path that it tells, or else by its number, as
    ``FILE/00000012``. Where two rows of a file tell the same path, as with
    the last parts of paths in class folders, all of it are named so.

    Raises:
        UserError: The package is missing.
    """

    def __init__(self, *args, **kwargs) -> None:
        try:
            import pyarrow
        except ImportError as error:
            raise UserError(
                f'{args[0]} is read by pyarrow: pip install '
                '"ssl-bench[parquet]"'
            ) from error
        self.errors = (pyarrow.ArrowException, KeyError)
        super().__init__(*args, **kwargs)

    @abstractmethod
    def names(self, opened: Opened, name: str) -> Iterator[str | None]:
        """The texts of a column, by its dotted name."""

    @abstractmethod
    def part(self, opened: Opened, number: int) -> Any:
        """The images of a part of the rows."""

    def is_image(self, name: str) -> bool:
        """Every row has one."""
        return True

    def entries(self, file: str) -> Iterator[Entry]:
        """Name and number of each row."""
        opened = self.open(file)
        stem = os.path.basename(file).rpartition('.')[0]
        name = names_in(opened.file.schema_arrow, opened.column)
        texts = list(self.names(opened, name)) if name else []
        told = [text for text in texts if text]
        if len(set(told)) < len(told):
            texts = []
        if len(opened.ends) and opened.ends[-1]:
            try:
                self.read(opened, '', (0, 0))
            except OSError as error:
                raise UserError(
                    f'the first row of {file} has no image, perhaps only a '
                    'path. Write it with the images in it, as `save_to_disk` '
                    'of `datasets` does.'
                ) from error
        for row in range(int(opened.ends[-1]) if len(opened.ends) else 0):
            text = texts[row] if texts else None
            if not text or text.startswith(('/', '.')):
                text = f'{stem}/{row:08d}'
            yield text, row, 0
        self.close(opened)

    def read(self, opened: Opened, name: str, place: Sequence[int]) -> bytes:
        """The image of a row."""
        row = int(place[0])
        number = int(np.searchsorted(opened.ends, row, 'right'))
        if number not in opened.last:
            part = self.part(opened, number)
            opened.last.clear()
            opened.last[number] = part
        before = int(opened.ends[number - 1]) if number else 0
        value = opened.last[number][row - before].as_py()
        content = value.get('bytes') if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise OSError('its row has no image, only a path or nothing')
        return content


def image_column(schema: Any, file: str) -> str:
    """The name of the column with images.

    Args:
        schema (pyarrow.Schema): Of a file.
        file (str): For messages.

    Raises:
        UserError: There is none, or it is not clear which.
    """
    import pyarrow.types as types

    found = [
        field.name
        for field in schema
        if types.is_binary(field.type)
        or types.is_large_binary(field.type)
        or (
            types.is_struct(field.type)
            and field.type.get_field_index('bytes') >= 0
        )
    ]
    if 'image' in found:
        return 'image'
    if len(found) != 1:
        raise UserError(
            f'{file} has no column `image`, and '
            f'{len(found) or "none"} of its columns has bytes '
            f'({", ".join(found or schema.names)}): name that of the images '
            '`image`.'
        )
    return found[0]


def names_in(schema: Any, column: str) -> str | None:
    """The dotted name of the column with paths of images, if any."""
    import pyarrow.types as types

    kind = schema.field(column).type
    if types.is_struct(kind) and kind.get_field_index('path') >= 0:
        return f'{column}.path'
    for name in NAMES:
        index = schema.get_field_index(name)
        if index >= 0 and (
            types.is_string(schema.field(index).type)
            or types.is_large_string(schema.field(index).type)
        ):
            return name
    return None


class Parquet(_Table):
    """Parquet files. To read an image, its whole row group is read."""

    kind = 'Parquet'
    suffixes = ('.parquet',)

    def open(self, file: str) -> Opened:
        """The file, and where its row groups end."""
        import pyarrow.parquet as parquet

        found = parquet.ParquetFile(file)
        meta = found.metadata
        rows = [
            meta.row_group(group).num_rows
            for group in range(meta.num_row_groups)
        ]
        column = image_column(found.schema_arrow, file)
        return Opened(found, np.cumsum(rows, dtype=np.int64), column, {})

    def close(self, opened: Opened) -> None:
        """Close the file."""
        opened.file.close()

    def names(self, opened: Opened, name: str) -> Iterator[str | None]:
        """A column of all row groups; the images are not read."""
        for batch in opened.file.iter_batches(
            columns=[name], use_threads=False
        ):
            for value in batch.column(0).to_pylist():
                yield value.get('path') if isinstance(value, dict) else value

    def part(self, opened: Opened, number: int) -> Any:
        """The images of a row group."""
        from pyarrow.types import is_struct

        name = opened.column
        if is_struct(opened.file.schema_arrow.field(name).type):
            name += '.bytes'
        return opened.file.read_row_group(
            number, columns=[name], use_threads=False
        ).column(0)


class _Batches(NamedTuple):
    """An Arrow file in memory that is mapped."""

    schema_arrow: Any
    batches: list[Any]


class Arrow(_Table):
    """Arrow files, as ``save_to_disk`` of ``datasets`` writes them.

    They are mapped: an image is read by its place.
    """

    kind = 'Arrow'
    suffixes = ('.arrow',)

    def open(self, file: str) -> Opened:
        """The file, and where its batches end."""
        import pyarrow

        mapped = pyarrow.memory_map(file)
        try:
            found = pyarrow.ipc.open_stream(mapped)
            batches = list(found)
        except pyarrow.ArrowInvalid:  # the other of the two forms
            found = pyarrow.ipc.open_file(pyarrow.memory_map(file))
            batches = [
                found.get_batch(i) for i in range(found.num_record_batches)
            ]
        rows = [batch.num_rows for batch in batches]
        return Opened(
            _Batches(found.schema, batches),
            np.cumsum(rows, dtype=np.int64),
            image_column(found.schema, file),
            {},
        )

    def names(self, opened: Opened, name: str) -> Iterator[str | None]:
        """A column of all batches."""
        import pyarrow.compute as compute

        column, _, inner = name.partition('.')
        for batch in opened.file.batches:
            values = batch.column(column)
            if inner:
                values = compute.struct_field(values, inner)
            yield from values.to_pylist()

    def part(self, opened: Opened, number: int) -> Any:
        """The images of a batch."""
        return opened.file.batches[number].column(opened.column)
