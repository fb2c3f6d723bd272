"""What the leaderboard prints on a terminal: the answer, then a screen a task.

Nothing is longer than the screen: who wants the rest names a task or asks for
the details.
"""

import io
import sys
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssl_bench.results import headings
from ssl_bench.results.grid import DEPARTED_MARK, Grid, grids
from ssl_bench.results.matrix import Matrix, matrices
from ssl_bench.results.matrix_grid import TITLE, combined, matrix_grid
from ssl_bench.results.short_tables import ShortTable, legend, short_table
from ssl_bench.results.table import Board
from ssl_bench.results.terminal import height, largest, split, to_rich
from ssl_bench.results.verdicts import (
    ALONE,
    Verdict,
    count_methods,
    reproduction,
    trial_note,
    verdicts,
)

LEAST = 12  # lines of a screen, however low the terminal is
ALL_METHODS = '--table'
DETAILS = '--details'


def output() -> Console:
    """Standard output; what its encoding does not have is a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors='replace')
    return Console(highlight=False)


def screen_of(console: Console) -> int:
    """Lines that are seen at a time, one of them for the prompt."""
    return max(console.height - 1, LEAST)


def show(
    board: Board,
    wanted: Sequence[str],
    console: Console | None = None,
    brief: bool = False,
) -> None:
    """Print the sentences, the methods x tasks table, and each task.

    Args:
        board (Board): What was read.
        wanted (Sequence[str]): Tasks that were named: all of their rows are
            shown, however many.
        console (Console, optional): Where to; standard output.
        brief (bool): Without the tasks, where there are several.
    """
    console = console or output()
    lines = screen_of(console)
    tables = [short_table(board, task) for task in board.tasks]
    other = {row for table in tables for row in table.other}
    console.print(_answer(board, other, console, lines))
    for together in _together(matrices(board)) if len(tables) > 1 else ():
        console.print(_matrices(together, console, lines))
    if brief and len(tables) > 1:
        return
    for table in tables:
        most = None if table.task in wanted else lines
        console.print(_task(table, console, most))
    if tables:
        console.print(Text(legend(board, tables), 'dim'))


def show_table(board: Board, console: Console | None = None) -> None:
    """Print the methods x tasks table alone, with every method."""
    console = console or output()
    console.print(to_rich(combined(board, marks=True), console.width))


def show_details(board: Board, console: Console | None = None) -> None:
    """Print every table with its metrics, remarks and the rule of tests."""
    console = console or output()
    console.print(_answer(board, set(), console, None))
    show_grids([combined(board, marks=True), *grids(board)], console)


def show_grids(found: Sequence[Grid], console: Console | None = None) -> None:
    """Print tables as wide as the terminal allows, however long."""
    console = console or output()
    for grid in found:
        console.print(to_rich(grid, console.width))


def _answer(
    board: Board, other: set[int], console: Console, lines: int | None
) -> RenderableType:
    """How much was measured, who leads, and what was reproduced.

    Args:
        other (set[int]): ``id`` of the rows that have a mark.
        lines (int, optional): Of the screen; None: everything.
    """
    measured = board.measured
    methods = count_methods(measured)
    networks = len({row.backbone for row in measured})
    tasks = len({row.task for row in measured})
    runs = len({s.record['run_id'] for row in measured for s in row.records})
    parts: list[RenderableType] = [
        Text(
            f'{_count(methods, "method")}, {_count(networks, "backbone")}, '
            f'{_count(tasks, "task")}, {_count(runs, "run")}',
            'bold',
        )
    ]
    note = trial_note(board)
    if note:
        parts.append(Text(note, 'bold yellow'))
    score = reproduction(board)
    if score.total:
        parts.append(Text(f'{score}.'))
    found = verdicts(board)
    told = [verdict for verdict in found if verdict.kind != ALONE]
    if told:
        most = len(told)
        if lines is not None:
            rest = lines - sum(height(part, console) for part in parts) - 1
            most = largest(
                lambda n: _sentences(told, other, n), most, rest, console
            )
        parts.append(_sentences(told, other, max(most, 1)))
    elif found:
        parts.append(Text('Nothing to compare: one method of each network.'))
    return Group(*parts, '')


def _count(number: int, name: str) -> str:
    return f'{number} {name}{"s"[: number != 1]}'


def _sentences(
    told: Sequence[Verdict], other: set[int], most: int
) -> RenderableType:
    """Sentences, each with its task and, where it matters, the network."""
    several: dict[str, set[str]] = {}
    for verdict in told:
        several.setdefault(verdict.task, set()).add(verdict.network)
    shown = Table.grid(padding=(0, 1, 0, 0))
    for verdict in told[:most]:
        where = headings.heading(verdict.task).title
        if len(several[verdict.task]) > 1:
            where += f', {verdict.network}'
        where += DEPARTED_MARK if id(verdict.rows[0]) in other else ''
        shown.add_row('-', Text.assemble((where, 'bold'), f': {verdict.text}'))
    if len(told) > most:
        shown.add_row('', f'and {len(told) - most} more: {DETAILS}')
    return shown


def _together(found: Sequence[Matrix]) -> list[list[Matrix]]:
    """Networks that share a table: those that have the tasks of a larger."""
    groups: list[list[Matrix]] = []
    for matrix in found:
        same = [own for own in groups if {*matrix.tasks} <= {*own[0].tasks}]
        if same:
            same[0].append(matrix)
        else:
            groups.append([matrix])
    return groups


def _matrices(
    found: Sequence[Matrix], console: Console, lines: int
) -> RenderableType:
    """A table of some networks, the best methods of each if it is long."""
    network = f', {found[0].network}' if len(found) == 1 else ''

    def make(most: int) -> RenderableType:
        grid = matrix_grid(
            found,
            title=f'{TITLE}{network}',
            marks=True,
            most=most,
            hint=ALL_METHODS,
        )
        return to_rich(grid, console.width)

    longest = max(len(matrix.lines) for matrix in found)
    grid = matrix_grid(found, marks=True, most=lines)
    screens = len(split(grid, console.width))
    most = largest(make, longest, lines * screens, console)
    return make(max(most, 3))


def _task(
    table: ShortTable, console: Console, lines: int | None
) -> RenderableType:
    """The table of a task, the best rows of each network if it is long."""
    if lines is None:
        return to_rich(table.grid(), console.width)
    most = largest(
        lambda n: to_rich(table.grid(n), console.width),
        table.longest,
        lines,
        console,
    )
    if most:
        return to_rich(table.grid(most), console.width)
    parts = largest(
        lambda n: to_rich(table.grid(1, n), console.width),
        len(table.sections),
        lines,
        console,
    )
    return to_rich(table.grid(1, max(parts, 1)), console.width)
