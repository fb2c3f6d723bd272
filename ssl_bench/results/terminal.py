"""Grids on a terminal, cut into several tables where it is narrow."""

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


def _text(cell: Cell) -> Text:
    """A cell as styled lines; markup in names stays text."""
    return Text('\n').join(Text(part.text, STYLES[part.kind]) for part in cell)


def _width(grid: Grid, column: int) -> int:
    lines = [
        *grid.heads[column].splitlines(),
        *(part.text for row in grid.body for part in row[column]),
    ]
    return max(map(len, lines), default=0) + PADDING


def split(grid: Grid, width: int) -> list[list[int]]:
    """Columns of each part that fits ``width``; the keys head every part.

    The parts have about the same number of columns.
    """
    keys = list(range(grid.keys))
    if len(grid.heads) == len(keys):
        return [keys]
    rest = list(range(grid.keys, len(grid.heads)))
    space = width - PADDING - sum(_width(grid, column) for column in keys)
    widths = [_width(grid, column) for column in rest]
    for count in range(1, len(rest) + 1):
        size = -(-len(rest) // count)
        if count == len(rest) or all(
            sum(widths[i : i + size]) <= space
            for i in range(0, len(rest), size)
        ):
            break
    return [keys + rest[i : i + size] for i in range(0, len(rest), size)]


def _table(grid: Grid, columns: list[int], title: str | None) -> Table:
    table = Table(
        title=title and Text(title, 'bold'),
        box=box.SIMPLE_HEAD,
        title_justify='left',
    )
    for column in columns:
        left = column < grid.names
        table.add_column(
            Text(grid.heads[column]),
            overflow='fold',
            no_wrap=left,
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
    parts = [
        _table(grid, columns, None if i else grid.title)
        for i, columns in enumerate(split(grid, width))
    ]
    return Group(*parts, *(Text(note, 'dim') for note in grid.notes))
