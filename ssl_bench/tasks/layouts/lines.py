"""Lines on what is wrong with a data set, and on what is left out."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from ssl_bench.errors import UserError
from ssl_bench.files import IMAGE_ENDINGS

SHOWN = 20  # further files that a line names


class Problem(str):
    """A line on what must be fixed before a run."""


class FileFault(Problem):
    """A problem of some files only, which a training run skips."""


class Note(str):
    """A line on what the loaders leave out; it stops nothing."""


Line = Problem | Note


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


def refuse(
    lines: Iterable[Line], hint: str = ': ssl-bench data check TASK'
) -> None:
    """Stop when one of the lines is a problem.

    Args:
        lines (Iterable[Line]): All that there is to say.
        hint (str): After the number of further problems: where they are
            said.

    Raises:
        UserError: The first problem, and how many more there are.
    """
    found = [line for line in lines if isinstance(line, Problem)]
    if found:
        more = f' ({len(found) - 1} more{hint})' if len(found) > 1 else ''
        raise UserError(f'{found[0]}{more}')


# what to do about entries of an annotation file
FIX_ENTRIES = 'Fix these entries of the file, or take them out.'


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
    near = _near(gone[0])
    remedy = (
        f', but {near} is. Rename the files or the entries.'
        if near
        else '. Complete them, or take their entries out.'
    )
    return [
        Problem(
            f'{where} names {named} {what}, {len(gone)} are not there, '
            f'first {gone[0]}{remedy}'
        )
    ]


def _near(path: str) -> str:
    """A file whose name is written in another way; '' when there is none.

    Programs write names as in a URL, with the slashes of Windows, in other
    letters, with another ending, or with a folder too many.
    """
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name.lower())
    endings = IMAGE_ENDINGS if ending in IMAGE_ENDINGS else (ending,)
    alike = {stem + other for other in endings}
    others = [
        unquote(path),
        path.replace('\\', '/'),
        os.path.join(os.path.dirname(folder), name),
        *(
            os.path.join(folder, other)
            for other in sorted(_files_in(folder))
            if other.lower() in alike
        ),
    ]
    return next((o for o in others if o != path and os.path.isfile(o)), '')
