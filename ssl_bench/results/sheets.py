"""What a sheet says of itself: files of others, so nothing is believed."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ssl_bench.errors import UserError, shown
from ssl_bench.results.reading import parse_json
from ssl_bench.sheet_file import (
    CHUNK,
    PREDICTED,
    PREDICTIONS,
    TRUTH,
    VIEWS,
    Contents,
    Legend,
    Tile,
)

MAX_TILES = 400
MAX_LEGEND = 64
MAX_TEXT = 200  # characters
COLOUR = re.compile(r'#[0-9a-f]{6}|')
MAX_SEED = 2**63 - 1


def contents_of(
    info: Mapping[Any, Any], size: tuple[int, int]
) -> Contents | None:
    """Contents of a sheet; None of a picture that says nothing.

    Args:
        info (Mapping): What Pillow read of the file.
        size (tuple[int, int]): Width and height in pixels.

    Raises:
        UserError: It is not what `ssl_bench.sheet_file` writes.
    """
    text = info.get(CHUNK)
    if text is None:
        return None
    value = parse_json(str(text).encode('utf-8', 'surrogatepass'))
    try:
        return _contents(value, size)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            'its text does not say what is on the sheet '
            f'({type(error).__name__}: {shown(str(error))})'
        ) from error


def _contents(value: Any, size: tuple[int, int]) -> Contents:
    kind, seed = value['kind'], value['seed']
    if kind not in (VIEWS, PREDICTIONS):
        raise ValueError(f'kind {kind!r}')
    if seed is not None and not (type(seed) is int and 0 <= seed <= MAX_SEED):
        raise ValueError(f'seed {seed!r}')
    return Contents(
        kind,
        tuple(_legend(value['legend'])),
        tuple(_tile(item, size) for item in _few(value['tiles'], MAX_TILES)),
        _text(value['config']),
        seed,
    )


def _legend(value: Any) -> Iterable[Legend]:
    for colour, text in _few(value, MAX_LEGEND):
        if not COLOUR.fullmatch(colour):
            raise ValueError(f'colour {colour!r}')
        yield colour, _text(text)


def _tile(value: Any, size: tuple[int, int]) -> Tile:
    left, top, right, bottom = box = tuple(value['box'])
    if not all(type(number) is int for number in box):
        raise ValueError(f'box {box!r}')
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise ValueError(f'box {box!r} on {size[0]} x {size[1]} pixels')
    if value['column'] not in (TRUTH, PREDICTED):
        raise ValueError(f'column {value["column"]!r}')
    return Tile(
        _text(value['image']),
        value['column'],
        (left, top, right, bottom),
        _text(value['note']),
    )


def _few(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError('no list')
    if len(value) > most:
        raise ValueError(f'{len(value)} entries, more than {most}')
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is no text')
    return shown(value, MAX_TEXT)
