"""The one exception that means: the user can fix this."""

import difflib
from collections.abc import Iterable


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
    """A text without control characters, which a terminal would obey.

    Names in records and files come from others. Line breaks stay.
    """
    text = str(text)
    if text.isprintable():
        return text
    return ''.join(
        char if char.isprintable() or char == '\n' else repr(char)[1:-1]
        for char in text
    )


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a misspelt name, with the nearest known ones.

    Args:
        kind (str): What the name names, for instance ``'task'``.
        name (str): What the user wrote.
        known (Iterable[str]): Every accepted name.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f'Did you mean {" or ".join(near)}? ' if near else ''
    return UserError(
        f'unknown {kind} {name!r}. {hint}Known: {", ".join(known)}.'
    )
