"""The one exception that means: the user can fix this."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

LISTED = 6  # names in a message; of more only the nearest
#: Commands that list every name of a kind.
LISTS = {'task': 'ssl-bench tasks', 'method': 'ssl-bench methods'}


class UserError(Exception):
    """A mistake in what the user gave: a path, a name, a file, a setting.

    The message says what was wrong, where, and what to do. The command line
    prints it as one line without a traceback and exits with 2; a caller from
    Python sees an ordinary exception.
    """

    exit_code = 2


class Interrupted(UserError):
    """A signal stopped the command; its work is saved and can go on."""

    exit_code = 75  # EX_TEMPFAIL: try again


def one_line(text: object, most: int = 200) -> str:
    """A message of others on one line, the middle of a long one left out.

    Args:
        text (object): An exception or a string.
        most (int): Characters that may remain.
    """
    line = ' '.join(str(text).split())
    if len(line) <= most:
        return line
    head = (most - 5) // 2
    return f'{line[:head]} ... {line[head + 5 - most :]}'


def printable(text: object) -> str:
    """A text without characters that a terminal obeys or does not show.

    Names in records and files come from others. Control characters, turns of
    the writing direction, characters without a width and bytes that are not
    UTF-8 are written as escapes (``\\x1b``); every blank becomes a space.
    Line breaks stay.
    """
    text = str(text)
    if text.isprintable():
        return text
    return ''.join(map(_printable_character, text))


def _printable_character(char: str) -> str:
    if char.isprintable() or char == '\n':
        return char
    if unicodedata.category(char) == 'Zs':
        return ' '
    return repr(char)[1:-1]


def shown(text: object, most: int = 300) -> str:
    """A name or text of others as one printable line, a long one cut.

    Args:
        text (object): From a record, a file name, a message.
        most (int): Characters that may remain.
    """
    return one_line(printable(str(text).replace('\n', ' ')), most)


def unknown_name(
    kind: str, name: str, known: Iterable[str], most: int = LISTED
) -> UserError:
    """Build the error for a misspelt name, with the nearest known ones.

    Args:
        kind (str): What the name names, for instance ``'task'``.
        name (str): What the user wrote.
        known (Iterable[str]): Every accepted name.
        most (int): Names in the message; where there are more, the nearest
            ones are.
    """
    known = sorted(map(str, known))
    near = near_names(name, known)
    hint = f'Did you mean {alternatives(near)}? ' if near else ''
    if len(known) <= most:
        rest = f'Known: {", ".join(known)}.'
    else:
        first = [] if near else known[:most]
        rest = more_names(first, len(known) - len(near or first), kind)
    return UserError(f'unknown {kind} {name!r}. {hint}{rest}')


def near_names(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that are most like one, the nearest first.

    Args:
        name (str): What the user wrote; case does not count.
        known (Iterable[str]): Every accepted name.
        most (int): Names to give.
    """
    folded: dict[str, str] = {}
    for entry in known:
        folded.setdefault(entry.casefold(), entry)
    near = difflib.get_close_matches(
        name.casefold(), folded, n=most, cutoff=0.5
    )
    return [folded[entry] for entry in near]


def alternatives(names: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = names
    return f'{", ".join(first)} or {last}' if first else last


def more_names(first: Sequence[str], others: int, kind: str) -> str:
    """A sentence about names that a message has no room for.

    Args:
        first (Sequence[str]): Those that it lists.
        others (int): How many there are besides.
        kind (str): What they name; `LISTS` says which command lists all.
    """
    command = LISTS.get(kind)
    where = f': `{command}` lists them' if command else ''
    if first:
        return f'Known: {", ".join(first)} and {others} more{where}.'
    return f'There are {others} others{where}.'
