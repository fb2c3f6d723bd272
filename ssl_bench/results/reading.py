"""Files of others: opened and decoded within limits.

Records, corrections, logs, pictures and bundles come from anywhere. Whatever
is wrong with one is an error with a reason; nothing here waits for a pipe or
fills the memory.
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from ssl_bench.errors import UserError, one_line

MAX_DEPTH = 32  # levels of lists and objects in a JSON value
MAX_INTEGER = 2**63 - 1  # a larger one is not counted by anything


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file to read; a pipe or a device is refused at once.

    Raises:
        UserError: Something else than a file.
        OSError: It cannot be opened.
    """
    # a pipe without a writer would wait, so the kind is asked first
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, 'rb')
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise UserError('not a regular file: a pipe, a device or a socket')
    return file


def read_file(path: str | Path, most: int) -> bytes:
    """The bytes of a regular file.

    Args:
        path (str | Path): The file.
        most (int): Bytes that it may have, also if it grows meanwhile.

    Raises:
        UserError: Not a regular file, or larger.
        OSError: It cannot be read.
    """
    with open_file(path) as file:
        return read_open(file, most)


def read_open(file: BinaryIO, most: int) -> bytes:
    """As `read_file`, of an open file."""
    data = file.read(most + 1)
    if len(data) > most:
        raise UserError(f'larger than {most} bytes')
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is not a number that can be compared')


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(group := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the field {twice!r} is there twice')
    return group


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_unique
)


def parse_json(data: bytes) -> Any:
    """One JSON value, every field once, all of it text and numbers.

    Raises:
        UserError: Not UTF-8, not whole JSON, NaN, a field twice, or what
            `odd_value` names.
    """
    try:
        value = _DECODER.decode(data.decode('utf-8'))
    except UnicodeDecodeError as error:
        raise UserError(f'not UTF-8 text: {error}') from error
    except RecursionError as error:
        raise UserError(
            f'not readable as JSON (nested deeper than {MAX_DEPTH} levels)'
        ) from error
    except ValueError as error:
        raise UserError(f'not readable as JSON ({error})') from error
    if odd := odd_value(value):
        raise UserError(odd)
    return value


def odd_value(value: Any) -> str:
    """What a JSON value has that no output can carry; empty for nothing.

    That is half a character (a lone surrogate), a number that is not finite
    or has too many digits, or lists and objects nested too deeply.
    """
    waiting: list[tuple[Any, tuple[Any, ...], int]] = [(value, (), 0)]
    while waiting:
        item, place, depth = waiting.pop()
        if isinstance(item, str):
            odd = '' if _is_text(item) else 'has half a character'
        elif isinstance(item, float):
            odd = '' if math.isfinite(item) else 'must be a finite number'
        elif isinstance(item, int):
            odd = '' if abs(item) <= MAX_INTEGER else 'has too many digits'
        elif isinstance(item, (dict, list)):
            odd = '' if depth < MAX_DEPTH else 'is nested too deeply'
            if isinstance(item, dict):
                waiting += [(name, (place, name), 0) for name in item]
                below = list(item.items())
            else:
                below = list(enumerate(item))
            waiting += [(v, (place, name), depth + 1) for name, v in below]
        else:
            odd = ''
        if odd:
            return f'{_place(place)} {odd}, got {one_line(repr(item))}'
    return ''


def _is_text(text: str) -> bool:
    """Whether every character is whole."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(place: tuple[Any, ...]) -> str:
    """``metrics.top1`` from a chain of names, the last one outside."""
    names = []
    while place:
        place, name = place
        names.append(str(name))
    return '.'.join(reversed(names)) or 'the value'
