"""Which rows a table shows that is too long: the best and the controls."""

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

from ssl_bench.results.names import Wanted, is_random, is_supervised
from ssl_bench.results.table import Row

T = TypeVar('T')


def best_of(
    items: Sequence[T],
    most: int | None,
    row_of: Callable[[T], Row],
    controls: Sequence[str] = (),
) -> list[T]:
    """The first items, and those that others are seen against.

    The first random initialisation and the first supervised row, and the
    first of each name in ``controls``, take the last places if they are not
    among the first.

    Args:
        items (Sequence[T]): Best first.
        most (int, optional): How many there may be; None: all.
        row_of: The row of an item.
        controls (Sequence[str]): As `Wanted` reads them.
    """
    if most is None or len(items) <= most:
        return list(items)
    kinds: list[Callable[[Row], bool]] = [
        lambda row: is_random(row.method),
        lambda row: is_supervised(row.method),
    ]
    kinds += [
        functools.partial(_is_named, Wanted.parse(name)) for name in controls
    ]
    firsts = {0} | {
        next((i for i, x in enumerate(items) if kind(row_of(x))), 0)
        for kind in kinds
    }
    chosen = {*range(most)}
    for first in sorted(firsts - chosen):
        others = chosen - firsts
        if others:
            chosen = chosen - {max(others)} | {first}
    return [items[i] for i in sorted(chosen)]


def _is_named(wanted: Wanted, row: Row) -> bool:
    return wanted.fits(
        row.method, row.variant, row.pretrain_epochs, row.backbone
    )
