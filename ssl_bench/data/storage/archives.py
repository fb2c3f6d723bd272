"""Images in zip and tar files, each read by its place in the file."""

import os
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Sequence

from ssl_bench.data.storage.base import Container, Entry
from ssl_bench.errors import UserError

LOCAL = struct.Struct('<4s22xHH')  # a zip's header before each content
SPARE = 64  # bytes; the local header can be longer than the list says


class _Archive(Container):
    """A file whose images lie in it as they are."""

    def open(self, file: str) -> int:
        """A descriptor; reads at a place do not disturb each other."""
        return os.open(file, os.O_RDONLY | getattr(os, 'O_BINARY', 0))

    def close(self, opened: int) -> None:
        """Give the descriptor back."""
        os.close(opened)


def read_at(file: int, start: int, size: int) -> bytes:
    """Bytes of an open file.

    Raises:
        OSError: It ends before.
    """
    content = os.pread(file, size, start)
    while len(content) < size:
        more = os.pread(file, size - len(content), start + len(content))
        if not more:
            raise OSError('its file ends before its end')
        content += more
    return content


class Zip(_Archive):
    """A zip file with stored images, as ``zip -0`` makes it."""

    kind = 'zip'
    suffixes = ('.zip',)
    errors = (zipfile.BadZipFile, struct.error, NotImplementedError)

    def entries(self, file: str) -> Iterator[Entry]:
        """Name, place of the header, and size."""
        with zipfile.ZipFile(file) as opened:
            images = [info for info in opened.infolist() if not info.is_dir()]
        packed = [
            info
            for info in images
            if (info.compress_type or info.flag_bits & 1)
            and self.is_image(info.filename)
        ]
        if packed:
            how = 'encrypted' if packed[0].flag_bits & 1 else 'compressed'
            raise UserError(
                f'{file} has {len(packed)} images that are compressed or '
                f'encrypted ({packed[0].filename} is {how}), which cannot be '
                'read at any place. Write it without compression: '
                '`zip -0 -r`, or `ssl-bench data pack`.'
            )
        for info in images:
            yield info.filename, info.header_offset, info.file_size

    def read(self, opened: int, name: str, place: Sequence[int]) -> bytes:
        """The content behind the header of an image."""
        start, size = map(int, place)
        guess = LOCAL.size + len(name.encode()) + SPARE
        head = os.pread(opened, guess + size, start)
        if head[:4] != b'PK\3\4':
            raise OSError('the zip file has changed since it was listed')
        _, length, extra = LOCAL.unpack_from(head)
        first = LOCAL.size + length + extra
        if len(head) >= first + size:
            return head[first : first + size]
        return read_at(opened, start + first, size)


class Tar(_Archive):
    """Tar files, as of webdataset; a sample's labels are passed over."""

    kind = 'tar'
    suffixes = ('.tar',)
    errors = (tarfile.TarError,)
    fields = ('.cls', '.json', '.txt')

    def entries(self, file: str) -> Iterator[Entry]:
        """Name, place and size of the content."""
        with tarfile.open(file, 'r:', errorlevel=1) as opened:
            for member in opened:  # which would keep them all
                opened.members = []  # type: ignore[attr-defined]
                if member.isreg() and not member.issparse():
                    yield member.name, member.offset_data, member.size
            if os.path.getsize(file) < opened.offset:
                raise OSError('the file ends within an image')

    def read(self, opened: int, name: str, place: Sequence[int]) -> bytes:
        """The content of an image."""
        return read_at(opened, *map(int, place))
