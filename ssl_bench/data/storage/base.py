"""What every kind of storage is: it lists its images, and gives each."""

import os
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob
from typing import Any, ClassVar

import numpy as np

from ssl_bench.data.storage.names import ImageList, Names
from ssl_bench.errors import UserError, one_line
from ssl_bench.files import count_endings, is_hidden

OPEN = 64  # files of a set that a process keeps open
RANGE = re.compile(r'\{(\d+)\.\.(\d+)\}')
PATTERN = re.compile(r'[*?\[]|\{\d+\.\.\d+\}')

# time of the last change of content and of anything, size, links
Stamp = tuple[int, int, int, int]
Entry = tuple[str, int, int]


def stamp(path: str | os.stat_result) -> Stamp:
    """Numbers that change with what is in a folder or file."""
    stat = path if isinstance(path, os.stat_result) else os.stat(path)
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_nlink


@dataclass
class Listed:
    """What a look at the whole of a storage gives.

    Attributes:
        images (ImageList): What a pretraining reads.
        stamps (dict[str, Stamp]): Of all that was looked at, before it was.
        others (list[str]): Names of other endings.
        hidden (list[str]): Names that are never data.
    """

    images: ImageList
    stamps: dict[str, Stamp]
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class Storage(ABC):
    """Where the images of a pretraining are.

    Args:
        root (str): The folder or file.
        endings (Sequence[str]): Of names of images, in small letters.
    """

    kind: ClassVar[str]

    def __init__(self, root: str, endings: Sequence[str]) -> None:
        self.root, self.endings = root, tuple(sorted(endings))

    @property
    def key(self) -> list:
        """What a list of this storage depends on, besides its content."""
        return [self.kind, os.path.realpath(self.root), self.endings]

    @abstractmethod
    def list(self) -> Listed:
        """Look at everything.

        Raises:
            UserError: It cannot be listed.
        """

    @abstractmethod
    def stamps(self, known: Iterable[str]) -> dict[str, Stamp]:
        """What `list` would give as ``stamps`` where nothing has changed.

        Args:
            known (Iterable[str]): Keys of the earlier ones.

        Raises:
            OSError: One of them is not there.
        """

    @abstractmethod
    def source(self, images: ImageList, index: int) -> str | bytes:
        """An image for `ssl_bench.pixels.read_rgb`: a path, or a content.

        Args:
            images (ImageList): Of this storage.
            index (int): From 0.

        Raises:
            OSError: It cannot be read.
        """

    def select(self, images: ImageList, names: Sequence[str]) -> ImageList:
        """The images with these names, in this order.

        Raises:
            UserError: There are none with some of the names, or two of one.
        """
        where: dict[str, int] = {}
        wanted = set(names)
        for index, name in enumerate(images.names):
            if name in wanted and where.setdefault(name, index) != index:
                raise UserError(
                    f'{self.root} has two images of the name {name}, which '
                    'a list cannot tell from each other.'
                )
        missing = [name for name in names if name not in where]
        if missing:
            raise UserError(
                f'{self.root} has no {missing[0]}, and {len(missing)} of '
                f'{len(names)} images of the list are not in it. Make the '
                'list for these images.'
            )
        return images.take([where[name] for name in names])


def expand(pattern: str) -> list[str]:
    """The files of a pattern, in the order of their names.

    Args:
        pattern (str): A path, which may have ``*``, ``?``, ``[ab]``, and
            ranges of numbers as webdataset writes them:
            ``train-{0000..0146}.tar``.

    Raises:
        UserError: No file, or not all files of a range, are there.
    """
    waiting, found = [pattern], []
    while waiting:
        text = waiting.pop()
        match = RANGE.search(text)
        if match:
            first, last = match.groups()
            waiting += [
                f'{text[: match.start()]}{number:0{len(first)}}'
                f'{text[match.end() :]}'
                for number in range(int(first), int(last) + 1)
            ]
        elif os.path.exists(text):
            found.append(text)
        else:
            files = glob(text)
            if not files:
                raise UserError(f'no file {text} to pretrain on.')
            found += files
    if not found:
        raise UserError(f'the range in {pattern} has no number.')
    return sorted(set(found))


class Container(Storage):
    """Files that hold many images each.

    Args:
        root (str): A path, or a pattern as in `expand`.
        endings (Sequence[str]): Of names of images.
        inside (str): Folder in the files; images elsewhere are left out, and
            names begin below it.

    Raises:
        UserError: There is no such file.
    """

    suffixes: ClassVar[tuple[str, ...]]  # of files of this kind
    errors: tuple[type[Exception], ...] = ()  # of the library, about files
    placed = True  # an image is found by its place, not by its name
    fields: ClassVar[tuple[str, ...]] = ()  # endings that belong to images

    def __init__(
        self, root: str, endings: Sequence[str], inside: str = ''
    ) -> None:
        super().__init__(root, endings)
        self.inside = f'{inside}/' if inside else ''
        self.files = expand(root) if PATTERN.search(root) else [root]
        for file in map(self.data_of, self.files):
            if not os.path.exists(file):
                raise UserError(f'no file {file} to pretrain on.')
        self._forget()

    @abstractmethod
    def entries(self, file: str) -> Iterator[Entry]:
        """Name and place of each thing in a file."""

    @abstractmethod
    def open(self, file: str) -> Any:
        """Open a file to read images."""

    @abstractmethod
    def read(self, opened: Any, name: str, place: Sequence[int]) -> bytes:
        """The content of an image, from what `open` gave."""

    def close(self, opened: Any) -> None:  # noqa: B027
        """Close what `open` gave, where that has to be done."""

    @property
    def key(self) -> list:
        """As of every storage; files are looked up by their pattern."""
        return [*super().key, self.inside]

    def stamps(self, known: Iterable[str] = ()) -> dict[str, Stamp]:
        """Of the files that there are now."""
        paths = map(self.data_of, self.files)
        return {os.path.abspath(path): stamp(path) for path in paths}

    def data_of(self, file: str) -> str:
        """The file that has the data of one of ``files``."""
        return file

    def list(self) -> Listed:
        """Look at the names in every file."""
        found: list[tuple[str, int, int, int]] = []
        listed = Listed(ImageList(Names.of(())), self.stamps())
        for number, file in enumerate(self.files):
            for name, (first, second) in self._names(file, listed).items():
                found.append((name, number, first, second))
        found.sort(key=lambda row: row[0])  # of one name: as the files
        listed.images = ImageList(
            Names.of(row[0] for row in found),
            np.array([row[1:] for row in found], np.int64).reshape(-1, 3)
            if self.placed
            else None,
            np.array([size for _, _, size, _ in listed.stamps.values()]),
            count_endings(row[0] for row in found),
            count_endings(listed.others),
        )
        return listed

    def _names(self, file: str, listed: Listed) -> dict[str, tuple[int, int]]:
        """Images of a file; one of the same name as an earlier replaces it,
        as it would when the file is unpacked."""
        names: dict[str, tuple[int, int]] = {}
        errors: tuple[type[Exception], ...] = (OSError, *self.errors)
        try:
            for raw, first, second in self.entries(file):
                name = raw.removeprefix('./').lstrip('/')
                if not name.startswith(self.inside):
                    continue
                name = name[len(self.inside) :]
                if any(map(is_hidden, name.split('/'))):
                    listed.hidden.append(name)
                elif self.is_image(name):
                    names[name] = first, second
                elif not name.lower().endswith(self.fields or '\n'):
                    listed.others.append(name)
        except errors as error:
            raise UserError(
                f'{file} cannot be listed as {self.kind}: {one_line(error)}. '
                'It may not be complete.'
            ) from error
        return names

    def is_image(self, name: str) -> bool:
        """Whether a name is that of an image."""
        return name.lower().endswith(self.endings)

    def source(self, images: ImageList, index: int) -> bytes:
        """The content of an image."""
        number, *place = (
            (0, 0, 0) if images.places is None else images.places[index]
        )
        name = self.inside + images.names[index]
        try:
            return self.read(self._handle(int(number), images), name, place)
        except self.errors as error:
            raise OSError(one_line(error)) from error

    def _handle(self, number: int, images: ImageList) -> Any:
        """The open file; each process opens its own, when it reads.

        Raises:
            UserError: It is not there or is another one than was listed, here
                or by a process of another machine. None of its images is
                right then, so they are not passed over one by one.
        """
        if self._process != os.getpid():
            self._forget()
        handle = self._handles.get(number)
        if handle is not None:
            self._handles.move_to_end(number)
            return handle
        sizes = () if images.sizes is None else images.sizes
        file = self.files[number] if len(sizes) == len(self.files) else ''
        try:
            same = (
                file and os.path.getsize(self.data_of(file)) == sizes[number]
            )
        except OSError:
            same = False
        if not same:
            raise UserError(
                f'{file or self.root} is not as it was when it was listed. '
                'Put it back and go on with --resume auto, or start over in '
                'another --work-dir.'
            )
        if len(self._handles) >= OPEN:
            self.close(self._handles.popitem(last=False)[1])
        handle = self._handles[number] = self.open(file)
        return handle

    def _forget(self) -> None:
        self._process = os.getpid()
        self._handles: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ('_process', '_handles')
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
