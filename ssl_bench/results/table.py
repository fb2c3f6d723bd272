"""From records to the rows of the leaderboard."""
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.results import stats, tasks
from ssl_bench.results.checks import check, without_duplicates
from ssl_bench.results.published import (Published, PublishedIndex,
                                         method_key, squeeze)
from ssl_bench.results.record import Problem, Stored

# Points by which two faithful runs may differ; docs/leaderboard.md says why.
TOLERANCE = {'AP75': 1.0, 'AP': 0.5, 'mIoU': 1.0, 'mCE': 1.0}
TOLERANCE_ELSE = 0.5


def tolerance(metric: str) -> float:
    """Points between measured and published that count as the same."""
    kind = (tasks.base_metric(metric) or metric).split('_')[-1]
    kind = kind.replace('1-mCE', 'mCE')
    return TOLERANCE.get(kind, TOLERANCE_ELSE)


def label(method: str, variant: str = '') -> str:
    """Name of a method in tables."""
    return f'{method} ({variant})' if variant else method


@dataclass
class Row:
    """One method on one task in one metric.

    Args:
        values (list[tuple[int, float]]): Seed and value of each record;
            empty when the number is only published.
        records (list[Stored]): The records behind ``values``.
        published (Published, optional): The printed number beside it.
        also_published (list[Published]): Other printings of it.
    """
    method: str
    variant: str
    backbone: str
    pretrain_data: str
    pretrain_epochs: Optional[float]
    task: str
    metric: str
    values: List[Tuple[int, float]] = field(default_factory=list)
    records: List[Stored] = field(default_factory=list)
    published: Optional[Published] = None
    also_published: List[Published] = field(default_factory=list)
    mean: Optional[float] = None
    std: Optional[float] = None
    interval: Optional[stats.Interval] = None
    difference: Optional[stats.Difference] = None
    place: Optional[float] = None

    def __post_init__(self) -> None:
        numbers = [value for _, value in self.values]
        if numbers:
            self.mean = stats.mean(numbers)
            self.std = stats.sample_std(numbers)
            self.interval = stats.interval(numbers)

    @property
    def name(self) -> str:
        """Method with its variant."""
        return label(self.method, self.variant)

    @property
    def method_id(self) -> tuple:
        """What makes two rows rows of the same method."""
        return (self.method, self.variant, self.backbone,
                self.pretrain_data, self.pretrain_epochs)

    @property
    def delta(self) -> Optional[float]:
        """Measured minus published, in points."""
        if self.mean is None or self.published is None:
            return None
        return self.mean - self.published.value

    @property
    def verdict(self) -> str:
        """``reproduced``, ``within noise``, ``off``, or empty."""
        if self.mean is None or self.published is None:
            return ''
        return stats.verdict(self.mean, self.interval, self.published.value,
                             tolerance(self.metric))

    @property
    def checkpoints(self) -> List[str]:
        """SHA-256 of the checkpoints behind the row, sorted."""
        found = {s.record['pretrain']['checkpoint_sha256']
                 for s in self.records}
        return sorted(found - {None})

    @property
    def by_seed(self) -> Dict[int, float]:
        """Seed to value, for seeds that occur once."""
        seeds = [seed for seed, _ in self.values]
        return {s: v for s, v in self.values if seeds.count(s) == 1}

    @property
    def sort_key(self) -> tuple:
        """Task, metric, best first; then names, for the same bytes."""
        value = self.published.value if self.mean is None else self.mean
        value = round(value, 9)  # -0.0000000001 is no order
        if tasks.higher_is_better(self.metric):
            value = -value
        source = '' if self.mean is not None else self.published.cited
        return (self.task, self.metric, value, self.method, self.variant,
                self.backbone, self.pretrain_data,
                self.pretrain_epochs or 0, source,
                sorted(s.record['run_id'] for s in self.records))


@dataclass
class Board:
    """The rows, and everything a reader should be warned of."""
    rows: List[Row]
    problems: List[Problem]
    baseline: Optional[str] = None

    @property
    def tasks(self) -> List[str]:
        """Ids of the tasks in it, in the order of the tables."""
        return sorted({row.task for row in self.rows}, key=tasks.task_order)

    @property
    def measured(self) -> List[Row]:
        """Rows with a measurement."""
        return [row for row in self.rows if row.values]


def _cells(stored: Iterable[Stored]) -> List[Row]:
    """Group records; another config or other data is another cell."""
    groups: Dict[tuple, List[Stored]] = {}
    for item in stored:
        record, pretrain = item.record, item.record['pretrain']
        key = (record['method'], record['variant'], record['backbone'],
               pretrain['data'] or '', pretrain['epochs'], record['task'],
               record['config_sha256'], record['data']['fingerprint'])
        groups.setdefault(key, []).append(item)
    rows = []
    for key, items in groups.items():
        items.sort(key=lambda s: (s.record['seed'], s.record['run_id']))
        for metric in sorted({m for s in items for m in s.record['metrics']}):
            of_metric = [s for s in items if metric in s.record['metrics']]
            rows.append(Row(
                *key[:6], metric, records=of_metric,
                values=[(s.record['seed'], float(s.record['metrics'][metric]))
                        for s in of_metric]))
    return rows


def _join(rows: List[Row], mode: str, wanted: Sequence[str],
          methods: Sequence[str], index: PublishedIndex) -> List[Row]:
    """Put printed numbers beside the rows; ``all`` adds their own rows."""
    if mode == 'none':
        return rows
    used = set()
    for row in rows:
        found = index.matches(*row.method_id, row.task, row.metric)
        if found:
            row.published, row.also_published = found[0], found[1:]
            used.add(found[0])
    if mode == 'own':
        return rows
    shown = set(wanted) or {row.task for row in rows}
    return rows + [
        Row(item.method, item.variant, item.backbone, item.pretrain_data,
            item.pretrain_epochs, item.task, item.metric, published=item)
        for item in index.rows
        if item.task in shown and item not in used
        and _chosen(item.method, item.variant, methods)]


def _chosen(method: str, variant: str, methods: Sequence[str]) -> bool:
    names = {method_key(method), squeeze(label(method, variant))}
    return not methods or any(
        method_key(m) in names or squeeze(m) in names for m in methods)


def _filter(stored: List[Stored], wanted: Sequence[str],
            methods: Sequence[str]) -> List[Stored]:
    """Keep chosen tasks and methods.

    Raises:
        UserError: A name that neither records nor papers have.
    """
    for task in wanted:
        if task not in tasks.PUBLISHED_ONLY:
            tasks.check_task(task)
    known = {s.record['method'] for s in stored}
    known |= {label(s.record['method'], s.record['variant']) for s in stored}
    known |= {row.method for row in PublishedIndex().rows}
    keys = {squeeze(name) for name in known} | set(map(method_key, known))
    for name in methods:
        if squeeze(name) not in keys and method_key(name) not in keys:
            raise unknown_name('method', name, known)
    return [s for s in stored
            if (not wanted or s.record['task'] in wanted)
            and _chosen(s.record['method'], s.record['variant'], methods)]


def _compare(rows: List[Row], baseline: str) -> None:
    """Fill in each row's difference to the baseline of its task.

    Raises:
        UserError: No measured row has that name.
    """
    bases: Dict[tuple, Row] = {}
    for row in rows:
        if row.values and _chosen(row.method, row.variant, [baseline]):
            key = row.task, row.metric
            if key in bases and bases[key].method_id != row.method_id:
                raise UserError(
                    f'baseline {baseline!r} fits both {bases[key].name} and '
                    f'{row.name} ({row.pretrain_data}, '
                    f'{row.pretrain_epochs} epochs) on {row.task}; name one '
                    'with its variant')
            bases.setdefault(key, row)
    if not bases:
        raise unknown_name('baseline', baseline,
                           {row.name for row in rows if row.values})
    for row in rows:
        base = bases.get((row.task, row.metric))
        if row.values and base is not None and row is not base:
            row.difference = stats.difference(
                row.by_seed or dict(row.values),
                base.by_seed or dict(base.values))


def _rank(rows: List[Row]) -> None:
    """Give each measured row its place among those of its task."""
    groups: Dict[tuple, List[Row]] = {}
    for row in rows:
        if row.values:
            groups.setdefault((row.task, row.metric), []).append(row)
    for (_, metric), members in groups.items():
        ties = stats.tie_groups([row.mean for row in members],
                                [row.interval for row in members],
                                tasks.higher_is_better(metric))
        for row, place in zip(members, stats.places(ties)):
            row.place = place


def build(stored: List[Stored], problems: Sequence[Problem] = (), *,
          wanted: Sequence[str] = (), methods: Sequence[str] = (),
          baseline: Optional[str] = None, published: str = 'all',
          index: Optional[PublishedIndex] = None) -> Board:
    """Compute the leaderboard; a pure function of its arguments.

    Args:
        stored (list[Stored]): Valid records.
        problems (Sequence[Problem]): What reading them already found.
        wanted (Sequence[str]): Task ids to keep; all when empty.
        methods (Sequence[str]): Methods to keep, with or without variant.
        baseline (str, optional): Method that others are compared with.
        published (str): ``all`` printed numbers of the tasks, those of the
            measured rows (``own``), or ``none``.
        index (PublishedIndex, optional): Printed numbers to use.

    Returns:
        Board: Rows in the order of the CSV, and warnings.

    Raises:
        UserError: Unknown task, method or baseline.
    """
    chosen, conflicts = without_duplicates(_filter(stored, wanted, methods))
    rows = _cells(chosen)
    warnings = conflicts + check(chosen, methods)
    _rank(rows)
    if baseline:
        _compare(rows, baseline)
    rows = _join(rows, published, wanted, methods, index or PublishedIndex())
    rows.sort(key=lambda row: row.sort_key)
    return Board(rows, [*problems, *warnings], baseline)
