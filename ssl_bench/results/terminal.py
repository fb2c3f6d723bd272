"""Grids on a terminal, cut into several tables where it is narrow."""

from collections.abc import Callable

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
HEADS = 9, 12  # columns that a heading may have over narrower numbers
NARROW = 18  # columns that names keep next to wide numbers


def _text(cell: Cell) -> Text:
    """A cell as styled lines; markup in names stays text."""
    return Text('\n').join(
        Text(part.text + ':' * (part.kind == SECTION), STYLES[part.kind])
        for part in cell
    )


def _body_width(grid: Grid, column: int) -> int:
    texts = (
        part.text
        for row in grid.body
        for part in row[column]
        if part.kind != SECTION  # may be folded
    )
    return max(map(cell_len, texts), default=0)


def _head(grid: Grid, column: int) -> str:
    """A heading; over numbers it is about as wide as they are."""
    head = grid.heads[column]
    if column < grid.keys:
        return head
    least, most = HEADS
    word = min(max(map(cell_len, head.split()), default=0), most)
    width = max(_body_width(grid, column), word, least)
    return '\n'.join(
        '\n'.join(wrap(line, width, cell_len)) for line in head.splitlines()
    )


def _width(grid: Grid, column: int) -> int:
    heads = map(cell_len, _head(grid, column).splitlines())
    return max(_body_width(grid, column), *heads, 0) + PADDING


def _room(grid: Grid, width: int) -> int:
    """Columns that the first column can have next to the numbers.

    Names are broken into several lines, numbers are not: next to all of them
    if that leaves `NARROW` columns, else next to the widest one.
    """
    own = _width(grid, 0) - PADDING
    keys = sum(_width(grid, column) for column in range(1, grid.keys))
    numbers = range(grid.keys, len(grid.heads))
    widths = [_width(grid, column) for column in numbers]
    room = width - PADDING - keys
    if room - sum(widths) >= min(NARROW, own):
        return min(room - sum(widths), own)
    return min(max(room - max(widths, default=0), NARROW // 2), own)


def split(grid: Grid, width: int) -> list[list[int]]:
    """Columns of each part that fits ``width``; the keys head every part.

    The parts have about the same number of columns.
    """
    keys = list(range(grid.keys))
    if len(grid.heads) == len(keys):
        return [keys]
    key_widths = [_width(grid, column) for column in keys]
    key_widths[0] = _room(grid, width) + PADDING
    space = width + PADDING - sum(key_widths)
    rest = range(grid.keys, len(grid.heads))
    widths = [_width(grid, column) for column in rest]
    return [keys + [rest[i] for i in piece] for piece in pieces(widths, space)]


def _table(grid: Grid, columns: list[int], width: int) -> Table:
    room = _room(grid, width)
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        left = column < grid.names
        table.add_column(
            Text(_head(grid, column)),
            overflow='fold',
            no_wrap=left and bool(column),
            max_width=None if column else room,
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
    parts = [_table(grid, columns, width) for columns in split(grid, width)]
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
    low, high = 0, min(most, lines)
    if high == most and height(make(most), console) <= lines:
        return most
    while low < high:
        middle = (low + high + 1) // 2
        if height(make(middle), console) <= lines:
            low = middle
        else:
            high = middle - 1
    return low
