"""Images in zip and tar files, each read by its place in the file."""

import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Sequence

from ssl_bench.data.storage.base import Container, Entry
from ssl_bench.errors import UserError
from ssl_bench.files import is_hidden

LOCAL = struct.Struct('<4s22xHH')  # a zip's header before each content
AT_END = 2**20  # bytes of a tar file behind its last member to look at
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
            (info.filename, how)
            for info in images
            if self.is_image(info.filename) and (how := _not_stored(info))
        ]
        if packed:
            raise UserError(
                f'{file} has {len(packed)} images that are compressed, '
                f'encrypted or links ({packed[0][0]} is {packed[0][1]}), '
                'which cannot be read at their place. Write it without: '
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


def _not_stored(info: zipfile.ZipInfo) -> str:
    """How a file of a zip lies in it, unless it is there as it is."""
    if info.flag_bits & 1:
        return 'encrypted'
    if info.compress_type:
        return 'compressed'
    return 'a link' if stat.S_ISLNK(info.external_attr >> 16) else ''


class Tar(_Archive):
    """Tar files, as of webdataset; a sample's labels are passed over."""

    kind = 'tar'
    suffixes = ('.tar',)
    errors = (tarfile.TarError,)
    fields = ('.cls', '.json', '.txt')

    def entries(self, file: str) -> Iterator[Entry]:
        """Name, place and size of the content."""
        links: dict[str, str] = {}
        for member in _members(file):
            if member.issparse():
                raise UserError(
                    f'{file} has {member.name} with holes left out, which '
                    'cannot be read at its place. Write it without '
                    '`--sparse`.'
                )
            if member.isreg():
                yield member.name, member.offset_data, member.size
            elif member.islnk():
                links[member.name] = os.path.normpath(member.linkname)
            elif member.issym():
                home = os.path.dirname(member.name)
                links[member.name] = os.path.normpath(
                    os.path.join(home, member.linkname)
                )
        if links:
            yield from _linked(file, links)

    def read(self, opened: int, name: str, place: Sequence[int]) -> bytes:
        """The content of an image."""
        return read_at(opened, *map(int, place))


def _members(file: str) -> Iterator[tarfile.TarInfo]:
    """What is in a tar file, one at a time.

    Raises:
        OSError: It has no end, as a part of a file, or one in its middle.
    """
    with tarfile.open(file, 'r:', errorlevel=1) as opened:
        for member in opened:  # which would keep them all
            opened.members = []  # type: ignore[attr-defined]
            yield member
        with open(file, 'rb') as raw:
            raw.seek(opened.offset)
            end = raw.read(AT_END)
    if len(end) < tarfile.BLOCKSIZE:  # empty blocks are behind the last
        raise OSError('it has no end')
    if any(end):
        raise OSError('more follows its end, as where files were joined')


def _linked(file: str, links: dict[str, str]) -> Iterator[Entry]:
    """Links of a tar file, with the places of the files that they lead to.

    tar stores a file with two names once, the second time as a link.

    Args:
        file (str): The tar file.
        links (dict[str, str]): Where each link leads.

    Raises:
        UserError: One does not lead to a file in it.
    """
    places = {
        os.path.normpath(member.name): (member.offset_data, member.size)
        for member in _members(file)
        if member.isreg()
    }
    where = {os.path.normpath(name): to for name, to in links.items()}
    for name, target in links.items():
        for _ in where:  # from link to link, and not around
            target = where.get(target, target)
        if target in places:
            yield name, *places[target]
        elif not any(map(is_hidden, name.removeprefix('./').split('/'))):
            raise UserError(
                f'{file} has a link, {name}, that leads to no file in it. '
                'Write it with what links lead to: `tar --dereference`.'
            )
