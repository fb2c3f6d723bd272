"""Methods x tasks: the main metric of every task in one table."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ssl_bench.results import headings, rounding
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
from ssl_bench.results.names import (
    Wanted,
    backbone_key,
    is_random,
    is_supervised,
)
from ssl_bench.results.ranking import RankTable, main_protocols, rank_tables
from ssl_bench.results.record import FULL
from ssl_bench.results.row_names import row_names
from ssl_bench.results.table import Board, Protocol, Row, main_metrics
from ssl_bench.results.verdicts import is_trial, trial_note

T = TypeVar('T')

TITLE = 'Methods and tasks'
BEST_MARK = '*'
# What the marks of a table mean, by a text that is in it.
LEGEND = {
    BEST_MARK: '* no other method is shown to be better, and one to be worse.',
    DEPARTED_MARK: f"{DEPARTED_MARK} other settings or data than the task's "
    'protocol or than most rows.',
}


@dataclass(frozen=True)
class Line:
    """A method of the table.

    Args:
        name (str): Tells it from the other methods of its network.
        rows (dict[str, Row]): Task to what is shown of it.
        rank (str): The average rank; empty where it is not ranked.
    """

    name: str
    rows: dict[str, Row]
    rank: str = ''


@dataclass(frozen=True)
class Matrix:
    """The methods of one backbone and one kind of training.

    Args:
        network (str): As `Row.network`.
        tasks (list[str]): Those that any of the methods has.
        lines (list[Line]): The best average position first.
        other (set[int]): ``id`` of the rows that `is_other`.
        ranks (RankTable, optional): What the average ranks are of.
        seeds (int): How many most of the cells have.
        left_out (int): Rows of other settings that are in no cell.
    """

    network: str
    tasks: list[str]
    lines: list[Line]
    other: set[int]
    ranks: RankTable | None
    seeds: int
    left_out: int


def matrices(board: Board) -> list[Matrix]:
    """One for each backbone and kind of training, the largest first.

    Rows that were only printed are in them where the board has any. A cell
    has the row of the fewest departures from the task's protocol.
    """
    mains = main_metrics(board)
    networks: dict[tuple[str, str], list[Row]] = {}
    for row in board.rows:
        if mains.get(row.task) == row.metric:
            key = backbone_key(row.backbone), row.trained or FULL
            networks.setdefault(key, []).append(row)
    ranks = {
        (backbone_key(t.backbone), t.trained): t for t in rank_tables(board)
    }
    order = {task: i for i, task in enumerate(board.tasks)}
    found = [
        _matrix(rows, order, ranks.get(key)) for key, rows in networks.items()
    ]
    return sorted(
        found, key=lambda m: (-sum(len(x.rows) for x in m.lines), m.network)
    )


def _matrix(
    rows: list[Row], order: dict[str, int], table: RankTable | None
) -> Matrix:
    measured = [row for row in rows if row.values]
    protocols = main_protocols(measured)
    chosen: dict[Any, dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: _usual(row, protocols)):
        printed = None if row.values else row.published
        paper = printed.reported_in if printed else ''
        line = chosen.setdefault((row.method_id, paper), {})
        line.setdefault(row.task, row)
    kept = [row for line in chosen.values() for row in line.values()]
    names = row_names([next(iter(line.values())) for line in chosen.values()])
    lines = [
        _line(name, line, table) for name, line in zip(names, chosen.values())
    ]
    other = {id(r) for r in kept if r.values and is_other(r, protocols)}
    places = _places([row for row in kept if id(row) not in other])
    lines.sort(key=lambda line: _order(line, places))
    counts = Counter(len(row.values) for row in kept if row.values)
    tasks = {row.task for row in kept}
    return Matrix(
        (measured or rows)[0].network,
        sorted(tasks, key=order.__getitem__),
        lines,
        other,
        table,
        max(counts, key=lambda n: (counts[n], n), default=0),
        len(rows) - len(kept),
    )


def is_other(row: Row, protocols: dict[str, Protocol]) -> bool:
    """Whether a measured row departs from its protocol or from most rows.

    Trial runs do not: a note says it of all of them.

    Args:
        protocols: Of `main_protocols`.
    """
    if row.protocol != protocols[row.task]:
        return True
    return bool(row.departures) and not is_trial(row)


def _usual(row: Row, protocols: dict[str, Protocol]) -> tuple[Any, ...]:
    """Sort key: rows of the protocol that most have come first."""
    return (
        row.values != [] and row.protocol != protocols[row.task],
        bool(row.recipe),
        row.sort_key,
    )


def _line(name: str, rows: dict[str, Row], table: RankTable | None) -> Line:
    method = next(iter(rows.values())).method_id
    measured = any(row.values for row in rows.values())
    for ranking in table.rankings if table and measured else ():
        if ranking.method_id == method:
            return Line(name, rows, rounding.rank(ranking.average))
    return Line(name, rows)


def _order(line: Line, places: dict[int, int]) -> tuple[Any, ...]:
    """Sort key: the best average position; printed rows are the last."""
    rows = line.rows.values()
    own = [places[id(row)] for row in rows if id(row) in places]
    return (
        not any(row.values for row in rows),
        not own,
        sum(own) / len(own) if own else 0.0,
        line.name,
    )


def _places(rows: Sequence[Row]) -> dict[int, int]:
    """Row to its position on its task, for an order of methods."""
    found: dict[int, int] = {}
    counts: Counter[str] = Counter()
    for row in sorted(rows, key=lambda row: row.sort_key):
        found[id(row)] = counts[row.task]
        counts[row.task] += 1
    return found


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
            else f'less than {rounding.rank(critical)} tells nobody apart'
        )
        yield (
            f'rank{where}: average over {len(matrix.ranks.tasks)} tasks, '
            f'{apart}.'
        )
