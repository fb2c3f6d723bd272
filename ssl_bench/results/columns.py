"""Columns of the matrix: a task, as it was set up.

Rows of one column and backbone are compared with each other, except where
two recipes share their settings.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from ssl_bench.results import headings
from ssl_bench.results.names import backbone_key
from ssl_bench.results.table import Board, Row, main_metrics

ROBUSTNESS, IMAGE, DENSE = 'Robustness', 'Image-level', 'Dense'
OTHER = 'Other'
# `tasks.table.Task.group` to the heading above the columns
AREAS = dict(
    detection=DENSE,
    segmentation=DENSE,
    depth=DENSE,
    correspondence=DENSE,
    classification=IMAGE,
    features=IMAGE,
    robustness=ROBUSTNESS,
)
ORDER = (DENSE, IMAGE, ROBUSTNESS, OTHER)
EARLIER = 'earlier settings or data'


@dataclass(frozen=True)
class Column:
    """Rows of a task whose settings belong together.

    What was trained of the backbone is not part of it: that is a part of the
    matrix's rows. Nor are the hashes of settings and data: of each backbone,
    the newest ones are in the first column, and those before in columns of
    their own.

    Args:
        task, metric (str): The metric is the task's main one.
        recipe (str): Of the task, empty for its own settings.
        departures (tuple[str, ...]): What the user changed.
        earlier (int): How many newer settings or data there are.
    """

    task: str
    metric: str
    recipe: str = ''
    departures: tuple[str, ...] = ()
    earlier: int = 0

    @property
    def key(self) -> str:
        """A short name that no other column has: of addresses."""
        if not self.notes:
            return self.task
        text = repr((self.recipe, self.departures, self.earlier))
        return f'{self.task}~{sha256(text.encode()).hexdigest()[:8]}'

    @property
    def area(self) -> str:
        """Heading above the column."""
        return AREAS.get(headings.heading(self.task).group, OTHER)

    @property
    def notes(self) -> list[str]:
        """What sets it apart from the task's own settings."""
        earlier = EARLIER + (f' ({self.earlier})' if self.earlier > 1 else '')
        return [
            *([f'recipe {self.recipe}'] if self.recipe else []),
            *self.departures,
            *([earlier] if self.earlier else []),
        ]

    @property
    def title(self) -> str:
        """The task's heading, with what sets the column apart."""
        title = headings.heading(self.task).title
        notes = '; '.join(self.notes)
        return f'{title} ({notes})' if notes else title

    @property
    def sort_key(self) -> tuple[object, ...]:
        """By area, then as tasks are, then the task's own settings first."""
        return (
            ORDER.index(self.area),
            headings.task_order(self.task),
            self.earlier,
            len(self.departures),
            self.recipe,
            self.departures,
        )


class Columns:
    """Finds the column of a row.

    Args:
        board (Board): Its measured rows, in the main metric of their task.
    """

    def __init__(self, board: Board) -> None:
        mains = main_metrics(board)
        rows = [r for r in board.measured if mains[r.task] == r.metric]
        families: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            families.setdefault(_family(row), []).append(row)
        self._columns: dict[int, Column] = {}
        for members in families.values():
            order = _newest_first(members)
            for row in members:
                self._columns[id(row)] = Column(
                    row.task,
                    row.metric,
                    row.recipe,
                    tuple(row.departures),
                    order.index(_settings(row)),
                )
        self.rows = rows

    def of(self, row: Row) -> Column | None:
        """The column of a row; None for one that has none."""
        return self._columns.get(id(row))

    @property
    def all(self) -> list[Column]:
        """Every column, in the order of the matrix."""
        return sorted(
            set(self._columns.values()), key=lambda column: column.sort_key
        )


def _family(row: Row) -> tuple[object, ...]:
    """Rows that differ by no more than hashes of settings and data."""
    departures = tuple(row.departures)
    return network(row), row.task, row.recipe, departures


def network(row: Row) -> tuple[str, str]:
    """The backbone in one spelling, and what was trained of it."""
    return backbone_key(row.backbone), row.trained


def _settings(row: Row) -> tuple[str, str]:
    _, config, data, _ = row.protocol
    return config, data


def _newest_first(rows: list[Row]) -> list[tuple[str, str]]:
    """Settings by the end of their last run; the newest are first."""
    last: dict[tuple[str, str], datetime] = {}
    for row in rows:
        key = _settings(row)
        ends = [_moment(item.record['finished']) for item in row.records]
        last[key] = max([*ends, *filter(None, [last.get(key)])])
    return sorted(last, key=lambda key: (last[key], key), reverse=True)


def _moment(text: str) -> datetime:
    """A record's time, which was checked; one without a zone is local."""
    moment = datetime.fromisoformat(text.replace('Z', '+00:00'))
    return moment if moment.tzinfo else moment.astimezone()
