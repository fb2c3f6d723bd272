"""The methods x tasks table as a grid, with what its marks mean."""

from collections.abc import Iterator, Sequence

from ssl_bench.results import headings, rounding
from ssl_bench.results.best_of import best_of
from ssl_bench.results.grid import (
    DEPARTED_MARK,
    NONE,
    SECTION,
    Cell,
    Grid,
    Part,
    published_text,
    spread,
)
from ssl_bench.results.matrix import Line, Matrix, matrices
from ssl_bench.results.table import Board, Row
from ssl_bench.results.verdicts import trial_note

TITLE = 'Methods and tasks'
BEST_MARK = '*'
# What the marks of a table mean, by a text that is in it.
LEGEND = {
    BEST_MARK: f'{BEST_MARK} no other method is shown to be better, and some '
    'are shown to be worse.',
    DEPARTED_MARK: f"{DEPARTED_MARK} other settings or data than the task's "
    'protocol or than most rows.',
}


def matrix_grid(
    found: Sequence[Matrix],
    *,
    title: str = TITLE,
    full: bool = False,
    marks: bool = False,
    most: int | None = None,
    hint: str = '',
    controls: Sequence[str] = (),
) -> Grid:
    """Methods down, tasks across; several networks below each other.

    Args:
        found (Sequence[Matrix]): At least one.
        title (str): Above the table.
        full (bool): With the deviation of each mean.
        marks (bool): The best rows have `BEST_MARK`, for an output without
            bold letters.
        most (int, optional): Methods of each network that are shown.
        hint (str): How to see the others.
        controls (Sequence[str]): Methods that are always shown, as `best_of`
            takes them.
    """
    tasks = _tasks(found)
    body: list[list[Cell]] = []
    ranked = any(matrix.ranks for matrix in found)
    width = 1 + ranked + len(tasks)
    for matrix in found:
        if len(found) > 1:
            section: list[Cell] = [[Part(matrix.network, SECTION)]]
            body.append(section + [[] for _ in range(width - 1)])
        for line in best_of(matrix.lines, most, _row_of, controls):
            cells = [
                _cell(line.rows.get(task), matrix, full, marks)
                for task in tasks
            ]
            rank: list[Cell] = [[Part(line.rank)]] if ranked else []
            body.append([[Part(line.name, 'name')], *rank, *cells])
    more = sum(len(m.lines[most:]) for m in found) if most else 0
    heads = [_head(found, task) for task in tasks]
    return Grid(
        title,
        ['method', *(['rank'] if ranked else []), *heads],
        body,
        keys=1 + ranked,
        notes=[
            *([f'and {more} more: {hint}'] if more else []),
            ' '.join(_notes(found, body, marks)),
        ],
        sparse=True,
    )


def _row_of(line: Line) -> Row:
    return next(iter(line.rows.values()))


def combined(board: Board, marks: bool = False) -> Grid:
    """All networks of a board in one table, with deviations.

    Args:
        board (Board): What was read.
        marks (bool): As `matrix_grid` takes it.
    """
    grid = matrix_grid(matrices(board), full=True, marks=marks)
    grid.notes.append(trial_note(board))
    return grid


def _tasks(found: Sequence[Matrix]) -> list[str]:
    tasks = {task for matrix in found for task in matrix.tasks}
    return sorted(tasks, key=headings.task_order)


def _head(found: Sequence[Matrix], task: str) -> str:
    """The title of a task and its metric."""
    row = next(
        line.rows[task]
        for matrix in found
        for line in matrix.lines
        if task in line.rows
    )
    lower = headings.higher_is_better(task, row.metric) is False
    return (
        f'{headings.heading(task).title}\n'
        + headings.metric_title(task, row.metric)
        + (', lower is better' if lower else '')
    )


def _cell(row: Row | None, matrix: Matrix, full: bool, marks: bool) -> Cell:
    """``58.5*``; with the seeds where they are not as many as elsewhere."""
    if row is None:
        return [Part(NONE)]
    if not row.values or row.mean is None:
        printed = published_text(row.published) if row.published else NONE
        return [Part(printed, 'published')]
    text = spread(row) if full else rounding.fixed(row.mean, row.places)
    text += BEST_MARK if marks and row.best else ''
    text += DEPARTED_MARK if id(row) in matrix.other else ''
    if len(row.values) != matrix.seeds:
        text += f' ({len(row.values)})'
    return [Part(text, 'best' if row.best else 'measured')]


def _notes(
    found: Sequence[Matrix], body: list[list[Cell]], marks: bool
) -> Iterator[str]:
    """What the marks mean that are in the table."""
    texts = [p for line in body for cell in line[1:] for p in cell]
    seeds = {matrix.seeds for matrix in found} - {0}
    one = len(seeds) == 1
    usual = f'{next(iter(seeds))} seed{"s"[: seeds != {1}]}' if one else ''
    many = f'Means of {usual}' if one else 'Means over the seeds'
    other = any(part.text.endswith(')') for part in texts)
    if other:
        of_one = any(part.text.endswith('(1)') for part in texts)
        decides = ', one of which decides nothing' if of_one else ''
        many += f', else of as many as in brackets{decides}'
    elif seeds == {1}:
        many += ', which decides nothing'
    if seeds:
        yield f'{many}.'
    if marks and any(BEST_MARK in part.text for part in texts):
        yield LEGEND[BEST_MARK]
    elif not marks and any(part.kind == 'best' for part in texts):
        yield LEGEND[BEST_MARK].replace(BEST_MARK, 'Bold:', 1)
    if any(DEPARTED_MARK in part.text for part in texts):
        yield LEGEND[DEPARTED_MARK]
    yield from _rank_notes(found)
    left_out = sum(matrix.left_out for matrix in found)
    if left_out:
        yield f'{left_out} rows of other settings are not in this table.'


def _rank_notes(found: Sequence[Matrix]) -> Iterator[str]:
    """How many tasks the average ranks are of, and when they are apart."""
    for matrix in found:
        if matrix.ranks is None:
            continue
        critical = matrix.ranks.critical
        where = f' of {matrix.network}' if len(found) > 1 else ''
        apart = (
            'no difference is enough to tell methods apart'
            if critical is None
            else f'those less than {rounding.rank(critical)} apart are not '
            'told apart'
        )
        yield (
            f'rank{where}: average over {len(matrix.ranks.tasks)} tasks; '
            f'{apart}.'
        )
