"""Methods x tasks: the main metric of every task, by backbone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.results import rounding
from ssl_bench.results.names import backbone_key
from ssl_bench.results.ranking import RankTable, main_protocols, rank_tables
from ssl_bench.results.record import FULL
from ssl_bench.results.row_names import row_names
from ssl_bench.results.table import Board, Protocol, Row, all_main_metrics
from ssl_bench.results.verdicts import is_trial


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
    """One for each backbone and kind of training, the most measured first.

    Rows that were only printed are in them where the board has any. A cell
    has the row of the fewest departures from the task's protocol.
    """
    mains = all_main_metrics(board)
    networks: dict[tuple[str, str], list[Row]] = {}
    for row in board.rows:
        if mains[row.task] == row.metric:
            key = backbone_key(row.backbone), row.trained or FULL
            networks.setdefault(key, []).append(row)
    # one line has one rank: that of papers' tasks, where there is one
    tables = sorted(rank_tables(board), key=lambda table: not table.custom)
    ranks = {(backbone_key(t.backbone), t.trained): t for t in tables}
    order = {task: i for i, task in enumerate(board.tasks)}
    found = [
        _matrix(rows, order, ranks.get(key)) for key, rows in networks.items()
    ]
    return sorted(found, key=_size)


def _size(matrix: Matrix) -> tuple[int, int, str]:
    """Sort key: the most measured cells first, then the most cells."""
    rows = [row for line in matrix.lines for row in line.rows.values()]
    return -sum(bool(row.values) for row in rows), -len(rows), matrix.network


def _matrix(
    rows: list[Row], order: dict[str, int], table: RankTable | None
) -> Matrix:
    measured = [row for row in rows if row.values]
    protocols = main_protocols(measured)
    chosen: dict[Any, dict[str, Row]] = {}
    for row in sorted(rows, key=lambda row: _usual(row, protocols)):
        printed = None if row.values else row.published
        paper = (
            (printed.reported_in, printed.pretrain_batch) if printed else ()
        )
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
        len(measured) - sum(bool(row.values) for row in kept),
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
    able = [row for row in rows if id(row) in places]
    # one seed decides nothing, so it decides no order where others do
    several = [row for row in able if len(row.values) > 1]
    own = [places[id(row)] for row in several or able]
    return (
        not any(row.values for row in rows),
        not several,
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
