"""What every layout does: list its images, open them, name the problems."""

import gc
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
)

from pydantic import BaseModel, ConfigDict

from ssl_bench.errors import UserError, one_line

if TYPE_CHECKING:
    from typing_extensions import Self

OPENED = 8  # images of a list that are opened, unless all are asked for
SHOWN = 20  # further files that a line names


class Problem(str):
    """A line on what must be fixed before a run."""


class FileFault(Problem):
    """A problem of some files only, which a training run skips."""


class Note(str):
    """A line on what the loaders leave out; it stops nothing."""


Line = Problem | Note


class Listed(Protocol):
    """An entry of a list of images.

    An entry whose annotation says how large the image is has a ``size``,
    too: (width, height), or None.
    """

    @property
    def image(self) -> str:
        """Path of the image file."""


class Labelled(NamedTuple):
    """An image and its class."""

    image: str
    label: int


class Size(NamedTuple):
    """How much of something there is, and how much the published set has."""

    place: str  # list, annotation file or folder
    what: str
    got: int
    want: int | None

    @property
    def differs(self) -> bool:
        """Whether this is another data set than the published one."""
        return self.want is not None and self.got != self.want


Entry = TypeVar('Entry', bound=Listed, covariant=True)


@dataclass
class Reading(Generic[Entry]):
    """What reading a layout gave.

    Attributes:
        entries (Sequence): The images, with label, objects or mask.
        lines (list[Line]): Problems, and notes on what is left out.
        left_out (Counter[str]): Annotations that loaders skip, by reason.
    """

    entries: Sequence[Entry]
    lines: list[Line] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> list[Line]:
        """What a record says of the data."""
        return [line for line in self.lines if isinstance(line, Note)]

    def refuse(self) -> None:
        """Stop when there is a problem.

        Raises:
            UserError: As `refuse`.
        """
        refuse(self.lines)


def refuse(lines: Iterable[Line]) -> None:
    """Stop when one of the lines is a problem.

    Raises:
        UserError: The first problem, and how many more there are.
    """
    found = [line for line in lines if isinstance(line, Problem)]
    if found:
        more = (
            f' ({len(found) - 1} more: ssl-bench data check TASK)'
            if len(found) > 1
            else ''
        )
        raise UserError(f'{found[0]}{more}')


class Layout(BaseModel):
    """One list of images as it is on disk, for training or for a test.

    Everything that reads a data set uses these classes: the loaders of
    training and test, ``ssl-bench data check``, the fingerprint, and the
    check before a run. A layout in the table of data sets has paths relative
    to the data root; `at` gives the same layout with full paths.

    Attributes:
        count (int, optional): Images that the published set has. Another
            number is another data set: its results are not compared with
            published ones.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    path_fields: ClassVar[tuple[str, ...]] = ()  # fields that are paths
    count: int | None = None

    def at(self, root: str | Path) -> 'Self':
        """The same layout below a data root."""
        joined = {
            name: _joined(root, getattr(self, name))
            for name in self.path_fields
        }
        return self.model_copy(update=joined)

    @property
    def files(self) -> tuple[str, ...]:
        """Lists and annotation files that must be there."""
        return ()

    @property
    @abstractmethod
    def folders(self) -> tuple[str, ...]:
        """Folders that must be there, those of the images first."""

    @property
    def home(self) -> str:
        """Folder of the whole set, where one data set has several."""
        return ''

    @property
    def place(self) -> str:
        """What messages name: the list, or the folder."""
        return (self.files + self.folders)[0]

    @property
    def sized(self) -> bool:
        """Whether the size of the published set is known."""
        return self.count is not None

    @abstractmethod
    def sizes(self) -> list[Size]:
        """Count what is on disk, without opening images."""

    def other_classes(self) -> list[str]:
        """Classes on disk that the published set does not have, sorted."""
        return []

    def class_order(self) -> list[str]:
        """Names of the classes in the order of the labels.

        Empty where the files do not say it.

        Raises:
            OSError: They cannot be listed.
        """
        return []

    @abstractmethod
    def read(self, scored: bool = False) -> Reading[Any]:
        """List the images with what belongs to them; open no image.

        Args:
            scored (bool): The set is a test set: what scoring cannot take
                is a problem, where training leaves it out.
        """

    def check(self, scored: bool = False, every: bool = False) -> list[Line]:
        """Read, and open some images.

        Args:
            scored (bool): As for `read`.
            every (bool): Open every image, and every mask.
        """
        reading = self.read(scored)
        return reading.lines + self.look_into(reading.entries, scored, every)

    def look_into(
        self, entries: Sequence[Any], scored: bool, every: bool
    ) -> list[Line]:
        """Open images, and hold their sizes against their annotations.

        Of a test set all sizes are held: a run would stop at the first that
        differs, after its training.

        Args:
            entries (Sequence): As `Listed`.
            scored, every (bool): As for `check`.
        """
        sized = entries if scored or every else spread(entries)
        return self.open_files(entries, every) + other_sizes(
            ((entry.image, getattr(entry, 'size', None)) for entry in sized),
            self.place,
        )

    def open_files(self, entries: Sequence[Any], every: bool) -> list[Line]:
        """Say which images do not decode, of a few or of all."""
        there = [entry.image for entry in entries]
        return broken_images(there if every else spread(there), self.place)


def _joined(root: str | Path, path: Any) -> Any:
    if isinstance(path, tuple):
        return tuple(os.path.join(root, each) for each in path)
    return os.path.join(root, path)


# what to do about entries of an annotation file
FIX_ENTRIES = 'Fix these entries of the file, or take them out.'


def spread(items: Sequence[Any]) -> list[Any]:
    """At most `OPENED` of them, evenly."""
    step = max(1, len(items) // OPENED)
    return list(items[::step][:OPENED])


def some(
    what: str,
    names: Sequence[object],
    where: str,
    kind: type[Problem] | type[Note] = Problem,
    remedy: str = '',
) -> list[Line]:
    """One line for all entries with the same fault; none for no entry.

    Args:
        what (str): The fault, after a number.
        names (Sequence): The entries.
        where (str): List, annotation file or folder.
        kind (type): Problem or Note.
        remedy (str): What to do about it.
    """
    if not names:
        return []
    line = f'{where}: {len(names)} {what}, first {names[0]}'
    return [kind(f'{line}. {remedy}' if remedy else line)]


def each(
    what: str, faults: dict[str, str], where: str, all_bad: bool = False
) -> list[Line]:
    """One problem that names the files, for files that must be replaced.

    Args:
        what (str): The fault, after a number.
        faults (dict[str, str]): Paths and what is wrong with each.
        where (str): List, annotation file or folder.
        all_bad (bool): No file that was opened is usable, so that there is
            nothing to train on.
    """
    if not faults:
        return []
    kind = Problem if all_bad else FileFault
    paths = list(faults)
    line = f'{where}: {len(paths)} {what}, first {paths[0]}'
    line += f': {faults[paths[0]]}'
    if len(paths) > 1:
        line += f'; then {", ".join(paths[1 : SHOWN + 1])}'
        line += ', ...' if len(paths) > SHOWN + 1 else ''
    return [kind(f'{line}. Replace them, or take their entries out.')]


def size_problems(sizes: Iterable[Size]) -> list[Line]:
    """A line for each number that is not the published one."""
    return [
        Problem(
            f'{size.place} has {size.got} {size.what}, expected {size.want}. '
            'Unpack the set again.'
        )
        for size in sizes
        if size.differs
    ]


def image_errors() -> tuple[type[Exception], ...]:
    """What Pillow raises for a file that is not a whole image."""
    from ssl_bench.pixels import ERRORS

    return ERRORS


def image_size(path: str) -> tuple[int, int]:
    """Width and height of an image, turned as its EXIF data say.

    Only the header is read.

    Raises:
        OSError: The file is not an image.
    """
    from ssl_bench.pixels import image_size

    return image_size(path)


def size_fault(
    size: tuple[int, int], said: Sequence[float] | None
) -> str | None:
    """What to say of an image that is not as large as its annotation says.

    Args:
        size (tuple[int, int]): Width and height of its pixels, turned as its
            EXIF data say.
        said (Sequence, optional): Width and height in its annotation; None,
            or 0, where it says nothing.

    Returns:
        str, optional: None when they agree.
    """
    if not said or not all(said) or tuple(said) == tuple(size):
        return None
    text = (
        f'has {size[0]} x {size[1]} pixels, its annotation says '
        f'{said[0]:g} x {said[1]:g}'
    )
    if tuple(said)[::-1] == tuple(size):
        text += (
            '; images are turned as their EXIF orientation says, so boxes and '
            'masks must be those of the turned image'
        )
    return text


def broken_images(paths: Iterable[str], where: str) -> list[Line]:
    """Decode each image and name those that cannot be."""
    from ssl_bench.pixels import require_readable

    faults, opened = {}, set(paths)
    for path in sorted(opened):
        try:
            require_readable(path)
        except OSError as error:
            faults[path] = one_line(error)
    return each(
        'images cannot be decoded', faults, where, len(faults) == len(opened)
    )


def other_sizes(
    images: Iterable[tuple[str, Sequence[float] | None]], where: str
) -> list[Line]:
    """Name the images that are not as large as their annotation says.

    A note names those that are turned, where the size cannot tell whether
    the annotations are of the turned image.

    Args:
        images (Iterable): Paths, and what `size_fault` takes. Only headers
            are read; what is not an image is not named here.
        where (str): List, annotation file or folder.
    """
    from ssl_bench.pixels import read_header

    faults, alike, opened = {}, [], 0
    for path, said in images:
        opened += 1
        if not said:
            continue
        try:
            header = read_header(path)
        except OSError:
            continue
        fault = size_fault(header.size, said)
        if fault:
            faults[path] = fault
        elif header.alike:
            alike.append(path)
    return each(
        'images are not as large as their annotation says',
        faults,
        where,
        len(faults) == opened,
    ) + _turned(alike, where)


def turned_images(paths: Iterable[str], where: str) -> list[Line]:
    """Note the images that are turned, where their size does not tell."""
    from ssl_bench.pixels import read_header

    alike = []
    for path in paths:
        with suppress(OSError):
            if read_header(path).alike:
                alike.append(path)
    return _turned(alike, where)


def _turned(paths: Sequence[str], where: str) -> list[Line]:
    return some(
        'images are turned as their EXIF orientation says',
        paths,
        where,
        Note,
        'Their size does not tell, but boxes and masks must be those of the '
        'turned images.',
    )


def missing(paths: Iterable[str]) -> list[str]:
    """Those that are not files, looked for a folder at a time."""
    there: dict[str, set[str]] = {}
    gone = []
    for path in paths:
        folder, name = os.path.split(path)
        names = there.get(folder)
        if names is None:
            names = there[folder] = _files_in(folder)
        if name not in names:
            gone.append(path)
    return gone


def _files_in(folder: str) -> set[str]:
    try:
        with os.scandir(folder or '.') as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()


def missing_files(
    where: str, paths: Sequence[str], what: str = 'images'
) -> list[Line]:
    """One problem when files that a list names are not there.

    Args:
        where (str): What names them.
        paths (Sequence[str]): Where they should be.
        what (str): They are.
    """
    return not_there(where, len(paths), missing(paths), what)


def not_there(
    where: str, named: int, gone: Sequence[str], what: str = 'images'
) -> list[Line]:
    """One problem for the files that are `gone` of those that are named."""
    if not gone:
        return []
    return [
        Problem(
            f'{where} names {named} {what}, {len(gone)} are not there, '
            f'first {gone[0]}. Complete them, or take their entries out.'
        )
    ]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For code that makes millions of objects and drops them at the end.

    Python would walk over all of them again and again, for half of the time
    that reading COCO's annotations takes; and once more after this block,
    over those that are still there.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_lines(path: str | Path) -> list[str]:
    """Lines of a list without what is empty; names may hold spaces."""
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: str | Path) -> list[tuple[int, str]]:
    """`read_lines`, each with its number in the file, from 1.

    Raises:
        OSError, ValueError: It is not a file (a pipe would be waited for), or
            not text. A byte order mark at the start is left out.
    """
    if not os.path.isfile(path):
        raise OSError('it is not a file')
    text = Path(path).read_text(encoding='utf-8-sig')
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [(number, line) for number, line in lines if line]


def list_faults(
    names: Sequence[str], where: str, scored: bool, what: str = 'images'
) -> list[Line]:
    """What is wrong with the names in a list.

    A test set would count an image that is listed twice two times. In
    training it is drawn as often, which a list may want.

    Args:
        names (Sequence[str]): Relative to the folder of the images.
        where (str): The list.
        scored (bool): It is of a test set.
        what (str): The names are of these.
    """
    lines = some(
        f'{what} have an absolute path',
        [name for name in names if name.startswith('/')],
        where,
        remedy='Names are relative to the folder of the images.',
    )
    counts = Counter(names)
    twice = [name for name, count in counts.items() if count > 1]
    if scored:
        remedy = 'Take the repeats out: they would count as often.'
        return lines + some(
            f'{what} are listed twice', twice, where, remedy=remedy
        )
    return lines + some(
        f'{what} are listed twice (trained on as often)', twice, where, Note
    )


def read_list(path: str) -> tuple[list[str], list[Line]]:
    """Lines of a list, or a problem when there are none."""
    try:
        lines = read_lines(path)
    except (OSError, ValueError) as error:
        return [], [Problem(f'{path} cannot be read: {one_line(error)}')]
    if not lines:
        return [], [Problem(f'{path} names no image. Write the list again.')]
    return lines, []
