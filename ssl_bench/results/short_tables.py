"""Short tables for a terminal: a task on one screen, a line per method."""

import functools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ssl_bench.results import headings, rounding, stats
from ssl_bench.results.best_of import best_of
from ssl_bench.results.grid import (
    DEPARTED_MARK,
    MARKS,
    NONE,
    SECTION,
    Cell,
    Grid,
    Part,
    comparison,
    published_text,
    spread,
)
from ssl_bench.results.matrix import is_other
from ssl_bench.results.matrix_grid import LEGEND as MATRIX_LEGEND
from ssl_bench.results.names import backbone_key
from ssl_bench.results.ranking import main_protocols
from ssl_bench.results.record import FULL
from ssl_bench.results.row_names import row_names
from ssl_bench.results.table import Board, Row, all_main_metrics

ONE_SEED, NO_SPREAD = 'one seed', 'no spread'
LEGEND = (
    'mean ± standard deviation over n seeds; [..]: 95% interval of the mean.'
)
PLACE_LEGEND = 'place: one more than the methods shown to be better.'
VERDICTS_LEGEND = (
    'published: as printed (measured minus printed; = within the tolerance, '
    '≈ within the interval, ≠ off; no mark: one seed).'
)
NOT_CHECKED = '? not checked in its source.'


@dataclass(frozen=True)
class ShortTable:
    """The rows of one task, by network, from which a grid takes the best.

    Args:
        sections (dict[str, list[Row]]): Network to rows, best first; those
            of other settings, then those that were only printed, follow.
        other (set[int]): ``id`` of the rows that `matrix.is_other`.
        baseline (str, optional): What the differences are against.
    """

    task: str
    metric: str
    sections: dict[str, list[Row]]
    other: set[int]
    baseline: str | None

    @property
    def longest(self) -> int:
        """Rows of the largest network."""
        return max(map(len, self.sections.values()))

    def grid(self, most: int | None = None, parts: int | None = None) -> Grid:
        """The table.

        Args:
            most (int, optional): Rows of each network that are shown.
            parts (int, optional): Networks that are shown.
        """
        controls = [self.baseline] if self.baseline else []
        shown = {
            network: best_of(rows, most, lambda row: row, controls)
            for network, rows in list(self.sections.items())[:parts]
        }
        rows = [row for own in shown.values() for row in own]
        columns = self._columns(rows)
        body: list[list[Cell]] = []
        for network, own in shown.items():
            if len(self.sections) > 1:
                empty: list[Cell] = [[] for _ in columns]
                body.append([[Part(network, SECTION)], *empty])
            # names are those of the whole table, however much is shown
            names = self._names[network]
            for row in own:
                name = names[id(row)]
                mark = DEPARTED_MARK if id(row) in self.other else ''
                cells = [_CELLS[column](row) for column in columns]
                body.append([[Part(name + mark, 'name')], *cells])
        more = sum(map(len, self.sections.values())) - len(rows)
        hint = f'and {more} more: --tasks {shlex.quote(self.task)}'
        return Grid(
            f'{headings.heading(self.task).title} ({self.task})',
            ['method', *(self._head(column) for column in columns)],
            body,
            notes=[hint] if more else [],
        )

    @functools.cached_property
    def _names(self) -> dict[str, dict[int, str]]:
        """By network, ``id`` of a row to its name.

        The mark tells the other rows apart.
        """
        found: dict[str, dict[int, str]] = {}
        for network, rows in self.sections.items():
            names = found.setdefault(network, {})
            for marked in (False, True):
                same = [r for r in rows if (id(r) in self.other) == marked]
                names.update(zip(map(id, same), row_names(same)))
        return found

    def _columns(self, rows: Sequence[Row]) -> list[str]:
        columns = ['n', 'value', 'interval']
        if any(row.place is not None for row in rows):
            columns.append('place')
        if any(row.published for row in rows):
            columns.append('published')
        if any(row.difference for row in rows):
            columns.append('difference')
        return columns

    def _head(self, column: str) -> str:
        lower = headings.higher_is_better(self.task, self.metric) is False
        heads = {
            'value': headings.metric_title(self.task, self.metric)
            + (' (lower is better)' if lower else ''),
            'interval': '95% interval',
            'difference': f'minus {self.baseline}',
        }
        return heads.get(column, column)


def _interval(row: Row) -> Cell:
    text = ''
    if row.values:
        text = ONE_SEED if len(row.values) == 1 else NO_SPREAD
    if row.interval is not None:
        text = rounding.bounds(row.interval, row.places)
    return [Part(text, 'interval')]


def _published(row: Row) -> Cell:
    if row.published is None:
        return []
    text = f'{published_text(row.published)} {comparison(row)}'
    return [Part(text.rstrip(), 'published')]


def _difference(row: Row) -> Cell:
    """``+1.2 [+0.3, +2.1] better``."""
    found = row.difference
    if found is None:
        return []
    parts = [rounding.signed(found.difference, row.places)]
    if found.interval is not None:
        parts.append(rounding.signed_bounds(found.interval, row.places))
        parts.append(found.answer)
    elif found.reason == stats.ONE_SEED:
        parts.append(ONE_SEED)
    else:
        parts.append(NO_SPREAD)
    return [Part(' '.join(parts), 'difference')]


def _value(row: Row) -> Cell:
    return [Part(spread(row) or NONE, 'best' if row.best else 'measured')]


_CELLS = {
    'n': lambda row: [Part(str(len(row.values) or ''))],
    'value': _value,
    'interval': _interval,
    'place': lambda row: [Part('' if row.place is None else str(row.place))],
    'published': _published,
    'difference': _difference,
}


def short_table(board: Board, task: str) -> ShortTable:
    """The rows of a task in its main metric."""
    metric = all_main_metrics(board)[task]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in board.rows:
        if (row.task, row.metric) == (task, metric):
            key = backbone_key(row.backbone), row.trained or FULL
            groups.setdefault(key, []).append(row)
    sections, other = {}, set()
    for rows in sorted(groups.values(), key=_size):
        measured = [row for row in rows if row.values]
        protocols = main_protocols(measured)
        strange = {id(row) for row in measured if is_other(row, protocols)}
        rows.sort(
            key=lambda row: (not row.values, id(row) in strange, row.sort_key)
        )
        sections[rows[0].network] = rows
        other |= strange
    return ShortTable(task, metric, sections, other, board.baseline)


def _size(rows: list[Row]) -> tuple[int, int, str]:
    measured = sum(bool(row.values) for row in rows)
    return -measured, -len(rows), rows[0].network


def legend(board: Board, tables: Sequence[ShortTable]) -> str:
    """What the columns and marks of these tables mean, once for all."""
    return ' '.join(_legend(board, tables))


def _legend(board: Board, tables: Sequence[ShortTable]) -> Iterator[str]:
    rows = [
        row
        for table in tables
        for own in table.sections.values()
        for row in own
    ]
    if any(len(row.values) > 1 for row in rows):
        yield LEGEND
    if any(row.place is not None for row in rows):
        yield PLACE_LEGEND
    if any(MARKS[row.verdict] for row in rows):
        yield VERDICTS_LEGEND
    if any(row.published and not row.published.verified for row in rows):
        yield NOT_CHECKED
    if any(table.other for table in tables):
        yield MATRIX_LEGEND[DEPARTED_MARK]
    if board.baseline:
        yield f'minus {board.baseline}: with the 95% interval of it.'
