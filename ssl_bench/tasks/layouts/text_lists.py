"""Lists of images, one name in a line."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ssl_bench.errors import one_line
from ssl_bench.tasks.layouts.lines import Line, Note, Problem, some


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


def read_list(path: str, what: str = 'image') -> tuple[list[str], list[Line]]:
    """Lines of a list, or a problem when there are none.

    Args:
        path (str): The list.
        what (str): Each line names one.
    """
    try:
        lines = read_lines(path)
    except (OSError, ValueError) as error:
        return [], [Problem(f'{path} cannot be read: {one_line(error)}')]
    if not lines:
        return [], [Problem(f'{path} names no {what}. Write the list again.')]
    return lines, []
