"""From records to the rows of the leaderboard."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.errors import shown
from ssl_bench.results import headings, stats
from ssl_bench.results.names import backbone_name, backbone_spelling, label
from ssl_bench.results.published import Published
from ssl_bench.results.record import FULL, Problem, Record, Stored

# method, variant, backbone, pretraining data, pretraining epochs
MethodId = tuple[str, str, str, str, float | None]
# departures, hash of the task's settings, fingerprint of the data, what was
# trained of the backbone
Protocol = tuple[tuple[str, ...], str, str, str]

Pair = tuple[int, int]

UNBEATEN, BEATEN = 'unbeaten', 'beaten'


@dataclass
class Row:
    """One method on one task in one metric.

    Args:
        backbone (str): As a record or a paper writes it; the row has it as
            `names.backbone_name` does.
        values (list[tuple[int, float]]): Seed and value of each record;
            empty when the number is only published.
        records (list[Stored]): The records behind ``values``.
        published (Published, optional): The printed number next to it.
        also_published (list[Published]): Other printings of it.
        mean, std, interval (optional): Of ``values``.
        difference (Comparison, optional): With the baseline.
        leader (Row, optional): The row with the best mean among those it
            is compared with; None for itself.
        to_leader (Comparison, optional): With that row.
        place (int, optional): One more than the rows that are shown to be
            better; None where nothing is shown.
        standing (str): ``unbeaten`` or ``beaten`` by one of the rows it
            is compared with, ``undecided`` where none of them is shown to be
            better than another, ``undecided: one seed``; empty for a row
            that is alone, printed, or of a task that is not installed.
    """

    method: str
    variant: str
    backbone: str
    pretrain_data: str
    pretrain_epochs: float | None
    task: str
    metric: str
    values: list[tuple[int, float]] = field(default_factory=list)
    records: list[Stored] = field(default_factory=list)
    published: Published | None = None
    also_published: list[Published] = field(default_factory=list)
    mean: float | None = None
    std: float | None = None
    interval: stats.Interval | None = None
    difference: stats.Comparison | None = None
    leader: 'Row | None' = None
    to_leader: stats.Comparison | None = None
    place: int | None = None
    standing: str = ''

    def __post_init__(self) -> None:
        self.backbone = backbone_name(self.backbone)
        numbers = [value for _, value in self.values]
        if numbers:
            self.mean = stats.mean(numbers)
            self.std = stats.sample_std(numbers)
            self.interval = stats.t_interval(self.mean, self.std, len(numbers))

    @property
    def name(self) -> str:
        """Method with its variant, without what its pretraining changed."""
        if not self.records:
            return label(self.method, self.variant)
        return label(self.method, self.records[0].record['variant'])

    @property
    def short_name(self) -> str:
        """The name, and whether the pretraining departed from its config."""
        return self.name + (', changed' if self.pretrain_departures else '')

    @property
    def described(self) -> str:
        """Name, backbone and pretraining: what makes it this method."""
        more = [self.backbone, self.pretrain_data]
        if self.pretrain_epochs is not None:
            more.append(f'{self.pretrain_epochs:g} epochs')
        name = label(self.method, self.variant)
        return f'{name} [{", ".join(filter(None, more))}]'

    @property
    def departures(self) -> list[str]:
        """What its records say differs from the task's protocol, sorted."""
        return sorted({t for s in self.records for t in departures(s.record)})

    @property
    def pretrain_departures(self) -> list[str]:
        """What they say differs from the pretraining config, sorted."""
        return sorted(
            {t for s in self.records for t in pretrain_departures(s.record)}
        )

    @property
    def pretrain_batch(self) -> float | None:
        """Images per step of the pretraining, if all records say the same."""
        found = {s.record['pretrain']['batch'] for s in self.records}
        return found.pop() if len(found) == 1 else None

    @property
    def all_departures(self) -> list[str]:
        """Those of the pretraining and of the task."""
        return [
            *(f'pretraining: {text}' for text in self.pretrain_departures),
            *self.departures,
        ]

    @property
    def recipe(self) -> str:
        """The recipe of the task, empty for its own settings."""
        return recipe(self.records[0].record) if self.records else ''

    @property
    def trained(self) -> str:
        """What was trained of the backbone; empty for a printed row."""
        return trained(self.records[0].record) if self.records else ''

    @property
    def trained_text(self) -> str:
        """``train lora:8``; empty where the task's protocol decides."""
        return trained_text(self.trained)

    @property
    def network(self) -> str:
        """The backbone, and what was trained of it."""
        return ', '.join(filter(None, (self.backbone, self.trained_text)))

    @property
    def best(self) -> bool:
        """Whether no other row is shown to be better, and one to be worse."""
        return self.standing == UNBEATEN

    @property
    def protocol(self) -> Protocol:
        """Rows are compared with those that have the same one."""
        record = self.records[0].record if self.records else {}
        return (
            tuple(self.departures),
            record.get('config_sha256', ''),
            record.get('data', {}).get('fingerprint') or '',
            trained(record),
        )

    @property
    def method_id(self) -> MethodId:
        """Two rows with the same one are of the same method."""
        return (
            self.method,
            self.variant,
            self.backbone,
            self.pretrain_data,
            self.pretrain_epochs,
        )

    @property
    def places(self) -> int:
        """Decimals of its numbers in tables."""
        return headings.places(self.task, self.metric)

    @property
    def delta(self) -> float | None:
        """Measured minus published, in the metric's unit."""
        if self.mean is None or self.published is None:
            return None
        return stats.difference(self.mean, self.published.value)

    @property
    def verdict(self) -> str:
        """As `stats.verdict` says of the published value, or empty."""
        rule = headings.metric_rule(self.task, self.metric)
        if self.mean is None or self.published is None or rule is None:
            return ''
        return stats.verdict(
            [value for _, value in self.values],
            self.published.value,
            rule.tolerance,
        )

    @property
    def checkpoints(self) -> list[str]:
        """SHA-256 of the checkpoints behind the row, sorted."""
        found = {
            s.record['pretrain']['checkpoint_sha256'] for s in self.records
        }
        return sorted(found - {None})

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """Task, metric, best first; then names, for the same bytes."""
        value, source = self.mean, ''
        if value is None and self.published is not None:
            value, source = self.published.value, self.published.cited
        value = round(value or 0.0, 9)  # -0.0000000001 is not an order
        if headings.higher_is_better(self.task, self.metric) is not False:
            value = -value
        return (
            self.task,
            self.metric,
            value,
            self.method,
            self.variant,
            self.backbone,
            self.pretrain_data,
            self.pretrain_epochs or 0,
            source,
            sorted(s.record['run_id'] for s in self.records),
        )


@dataclass(frozen=True)
class Group:
    """Rows of one task, metric, protocol, and what tests said of them.

    Args:
        rows (list[Row]): The best mean first.
        tested (list): Families of tests: positions in ``rows`` of each pair,
            and its answer about the first of the two. A pair is in one
            family only.
    """

    rows: list[Row]
    tested: list[tuple[list[Pair], stats.Family]]


@dataclass
class Board:
    """The rows, and everything a reader should be warned of.

    Args:
        groups (list[Group]): Every comparison of measured rows; `pairs.Pairs`
            finds one.
    """

    rows: list[Row]
    problems: list[Problem]
    baseline: str | None = None
    groups: list[Group] = field(default_factory=list)

    @property
    def tasks(self) -> list[str]:
        """Ids of the tasks in it, in the order of the tables."""
        return sorted({row.task for row in self.rows}, key=headings.task_order)

    @property
    def measured(self) -> list[Row]:
        """Rows with a measurement."""
        return [row for row in self.rows if row.values]


def departures(record: Record) -> tuple[str, ...]:
    """What differs from the task's protocol, sorted."""
    return tuple(sorted(map(_clean, record.get('departures', []))))


def pretrain_departures(record: Record) -> tuple[str, ...]:
    """What differs from the config of the pretraining, sorted."""
    found = record['pretrain'].get('departures', [])
    return tuple(sorted(map(_clean, found)))


def variant(record: Record) -> str:
    """The variant, with what its pretraining changed: another method."""
    return '; '.join(
        filter(None, (record['variant'], *pretrain_departures(record)))
    )


def recipe(record: Record) -> str:
    """The recipe of the task, empty for its own settings."""
    return _clean(record.get('extra', {}).get('recipe') or '')


def trained(record: Record) -> str:
    """What was trained of the backbone; `FULL`: as the task says."""
    return _clean(record.get('trained') or FULL)


def trained_text(kind: str) -> str:
    """``train lora:8``; empty where the task's protocol decides."""
    return '' if kind in ('', FULL) else f'train {kind}'


def _clean(text: str) -> str:
    """A text of a record in one printable line: no output has another."""
    return text if text.isprintable() else shown(text, len(text) * 10)


def cells(stored: Iterable[Stored]) -> list[Row]:
    """Group records: a row for each config, recipe, data and kind of training.

    The kind is what was trained of the backbone. A network that records write
    in two ways is one.
    """
    stored = list(stored)
    written = sorted({s.record['backbone'] for s in stored})
    spelled = {backbone_spelling(name): name for name in reversed(written)}
    groups: dict[tuple[Any, ...], list[Stored]] = {}
    for item in stored:
        record, pretrain = item.record, item.record['pretrain']
        key = (
            record['method'],
            variant(record),
            spelled[backbone_spelling(record['backbone'])],
            pretrain['data'] or '',
            pretrain['epochs'],
            record['task'],
            record['config_sha256'],
            record['data']['fingerprint'],
            recipe(record),
            trained(record),
            departures(record),
            pretrain_departures(record),
        )
        groups.setdefault(key, []).append(item)
    rows = []
    for key, items in groups.items():
        items.sort(key=lambda s: (s.record['seed'], s.record['run_id']))
        for metric in sorted({m for s in items for m in s.record['metrics']}):
            of_metric = [s for s in items if metric in s.record['metrics']]
            rows.append(
                Row(
                    _clean(key[0]),
                    _clean(key[1]),
                    _clean(key[2]),
                    _clean(key[3]),
                    key[4],
                    _clean(key[5]),
                    _clean(metric),
                    records=of_metric,
                    values=[
                        (s.record['seed'], float(s.record['metrics'][metric]))
                        for s in of_metric
                    ],
                )
            )
    return rows


def main_metrics(board: Board) -> dict[str, str]:
    """Task to the measured metric that ranks it."""
    found: dict[str, str] = {}
    for row in board.measured:
        best = found.setdefault(row.task, row.metric)
        found[row.task] = min(
            best,
            row.metric,
            key=lambda metric: headings.metric_order(row.task, metric),
        )
    return {task: found[task] for task in board.tasks if task in found}


def all_main_metrics(board: Board) -> dict[str, str]:
    """As `main_metrics`; of a task that nobody measured, a printed metric."""
    found = main_metrics(board)
    printed: dict[str, set[str]] = {}
    for row in board.rows:
        if row.task not in found:
            printed.setdefault(row.task, set()).add(row.metric)
    for task, metrics in printed.items():
        found[task] = min(
            metrics, key=lambda metric: headings.metric_order(task, metric)
        )
    return found
