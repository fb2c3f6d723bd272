"""Grids on a terminal, cut into several tables where it is narrow."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssl_bench.results.grid import SECTION, Cell, Grid
from ssl_bench.results.wrapping import pieces, wrap

STYLES = {
    'name': '',
    'measured': 'bold',
    'best': 'bold green',
    'interval': 'dim',
    'published': 'dim',
    'difference': 'cyan',
    'plain': '',
    SECTION: 'italic',
}
PADDING = 2  # spaces next to a column
HEADS = 18, 14, 11, 9  # columns that a heading may have over narrow numbers
MOST = 12  # columns of a word that is not cut
NARROW = 18  # columns that names keep next to wide numbers


def _text(cell: Cell) -> Text:
    """A cell as styled lines; markup in names stays text."""
    return Text('\n').join(
        Text(part.text + ':' * (part.kind == SECTION), STYLES[part.kind])
        for part in cell
    )


@dataclass(frozen=True)
class Layout:
    """How a grid is set in columns.

    Args:
        width (int): Columns of the terminal.
        head (int): Columns that a heading may have over narrower numbers.
    """

    grid: Grid
    width: int
    head: int

    @functools.cached_property
    def bodies(self) -> list[int]:
        """Columns that the cells below each heading take."""
        return [
            max(
                (
                    cell_len(part.text)
                    for row in self.grid.body
                    for part in row[column]
                    if part.kind != SECTION  # may be folded
                ),
                default=0,
            )
            for column in range(len(self.grid.heads))
        ]

    @functools.cached_property
    def heads(self) -> list[str]:
        """Headings; over numbers they are about as wide as these."""
        return [
            head if i < self.grid.keys else self._head(head, self.bodies[i])
            for i, head in enumerate(self.grid.heads)
        ]

    def _head(self, head: str, body: int) -> str:
        word = max(map(cell_len, head.split()), default=0)
        width = max(body, min(word, MOST), self.head)
        return '\n'.join(
            '\n'.join(wrap(line, width, cell_len))
            for line in head.splitlines()
        )

    @functools.cached_property
    def widths(self) -> list[int]:
        """Columns of each column, with the padding."""
        return [
            max([body, *map(cell_len, head.splitlines())]) + PADDING
            for body, head in zip(self.bodies, self.heads)
        ]

    @functools.cached_property
    def room(self) -> int:
        """Columns that the first column can have next to the numbers.

        Names are broken into several lines, numbers are not: next to all of
        them if that leaves `NARROW` columns, else next to the widest one.
        """
        own = self.widths[0] - PADDING
        keys = self.grid.keys
        numbers = self.widths[keys:]
        room = self.width - PADDING - sum(self.widths[1:keys])
        if room - sum(numbers) >= min(NARROW, own):
            return min(room - sum(numbers), own)
        return min(max(room - max(numbers, default=0), NARROW // 2), own)

    def split(self) -> list[list[int]]:
        """Columns of each part that fits; the keys head every part."""
        keys = list(range(self.grid.keys))
        rest = range(self.grid.keys, len(self.grid.heads))
        own = self.room + PADDING + sum(self.widths[1 : self.grid.keys])
        space = self.width + PADDING - own
        found = pieces([self.widths[column] for column in rest], space)
        return [keys + [rest[i] for i in piece] for piece in found] or [keys]


def layout(grid: Grid, width: int) -> Layout:
    """The widest headings with which a grid is in the fewest parts."""
    made = [Layout(grid, width, head) for head in HEADS]
    return min(made, key=lambda one: len(one.split()))


def split(grid: Grid, width: int) -> list[list[int]]:
    """Columns of each part that fits ``width``; the keys head every part.

    The parts have about the same number of columns.
    """
    return layout(grid, width).split()


def _table(columns: list[int], made: Layout) -> Table:
    grid = made.grid
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        left = column < grid.names
        table.add_column(
            Text(made.heads[column]),
            overflow='fold',
            no_wrap=left and bool(column),
            max_width=None if column else made.room,
            justify='left' if left else 'right',
        )
    for row in grid.rows(columns):
        table.add_row(*(_text(row[column]) for column in columns))
    return table


def to_rich(grid: Grid, width: int) -> Group:
    """A grid as a ``rich`` renderable, its notes below.

    Args:
        width (int): Columns of the terminal.
    """
    made = layout(grid, width)
    parts = [_table(columns, made) for columns in made.split()]
    apart: list[RenderableType] = []
    for part in parts:
        apart += ['', part] if apart else [part]
    notes = [Text(note, 'dim') for note in grid.notes if note]
    return Group(Text(grid.title, 'bold'), *apart, *notes, '')


def height(shown: RenderableType, console: Console) -> int:
    """Lines that something takes on a terminal."""
    return len(console.render_lines(shown, pad=False))


def largest(
    make: Callable[[int], RenderableType],
    most: int,
    lines: int,
    console: Console,
) -> int:
    """The largest number of rows, 1 to ``most``, that fits some lines.

    Args:
        make: What is shown with so many rows.
        most (int): Rows that there are.
        lines (int): Lines that there may be.

    Returns:
        int: 0 where not even one row fits.
    """
    low, high = 0, max(min(most, lines), 0)
    over = height(make(high), console) - lines if high else 0
    if over <= 0:
        return high
    # every row has a line at least, most have one
    middle, high = max(high - over, 0), high - 1
    while low < high:
        middle = min(max(middle, low + 1), high)
        if height(make(middle), console) <= lines:
            low, middle = middle, middle + 1
        else:
            high, middle = middle - 1, (low + middle) // 2
    return low
