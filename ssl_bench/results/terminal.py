"""Grids on a terminal, cut into several tables where it is narrow."""

import textwrap

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ssl_bench.results.grid import Cell, Grid

STYLES = {
    'name': '',
    'measured': 'bold',
    'best': 'bold green',
    'interval': 'dim',
    'published': 'dim',
    'difference': 'cyan',
    'plain': '',
}
PADDING = 3  # spaces and the line next to a column
HEAD = 12  # characters that a heading may have over narrower numbers
NARROW = 18  # characters that names keep next to wide numbers


def _text(cell: Cell) -> Text:
    """A cell as styled lines; markup in names stays text."""
    return Text('\n').join(Text(part.text, STYLES[part.kind]) for part in cell)


def _body_width(grid: Grid, column: int) -> int:
    texts = (part.text for row in grid.body for part in row[column])
    return max(map(len, texts), default=0)


def _head(grid: Grid, column: int) -> str:
    """A heading; over numbers it is about as wide as they are."""
    head = grid.heads[column]
    if column < grid.keys:
        return head
    words = map(len, head.split())
    width = max(_body_width(grid, column), *words, HEAD)
    return '\n'.join(
        textwrap.fill(line, width, break_on_hyphens=False)
        for line in head.splitlines()
    )


def _width(grid: Grid, column: int) -> int:
    heads = map(len, _head(grid, column).splitlines())
    return max(_body_width(grid, column), *heads, 0) + PADDING


def _room(grid: Grid, width: int) -> int:
    """Characters that the first column can have next to the numbers.

    Names are broken into several lines, numbers are not: next to all of them
    if that leaves `NARROW` characters, else next to the widest one.
    """
    own = _width(grid, 0) - PADDING
    keys = sum(_width(grid, column) for column in range(1, grid.keys))
    numbers = range(grid.keys, len(grid.heads))
    widths = [_width(grid, column) for column in numbers]
    room = width - 2 * PADDING - keys
    if room - sum(widths) >= NARROW:
        return min(room - sum(widths), own)
    return min(max(room - max(widths, default=0), NARROW // 2), own)


def split(grid: Grid, width: int) -> list[list[int]]:
    """Columns of each part that fits ``width``; the keys head every part.

    The parts have about the same number of columns.
    """
    keys = list(range(grid.keys))
    if len(grid.heads) == len(keys):
        return [keys]
    rest = list(range(grid.keys, len(grid.heads)))
    key_widths = [_width(grid, column) for column in keys]
    key_widths[0] = _room(grid, width) + PADDING
    space = width - PADDING - sum(key_widths)
    widths = [_width(grid, column) for column in rest]
    for count in range(1, len(rest) + 1):
        size = -(-len(rest) // count)
        if count == len(rest) or all(
            sum(widths[i : i + size]) <= space
            for i in range(0, len(rest), size)
        ):
            break
    return [keys + rest[i : i + size] for i in range(0, len(rest), size)]


def _table(grid: Grid, columns: list[int], width: int) -> Table:
    room = _room(grid, width)
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        left = column < grid.names
        table.add_column(
            Text(_head(grid, column)),
            overflow='fold',
            no_wrap=left and bool(column),
            max_width=None if column else room,
            justify='left' if left else 'right',
        )
    for row in grid.body:
        table.add_row(*(_text(row[column]) for column in columns))
    return table


def to_rich(grid: Grid, width: int) -> Group:
    """A grid as a ``rich`` renderable, its notes below.

    Args:
        width (int): Characters of the terminal.
    """
    parts = [_table(grid, columns, width) for columns in split(grid, width)]
    notes = [Text(note, 'dim') for note in grid.notes]
    return Group(Text(grid.title, 'bold'), *parts, *notes)
