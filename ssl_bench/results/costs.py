"""What a row cost, and which rows nothing cheaper beats: Pareto fronts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.results import headings, rounding, stats
from ssl_bench.results.names import is_random
from ssl_bench.results.record import Record
from ssl_bench.results.table import Row

LONG = 7200.0  # seconds: longer times are shown in hours
Parts = tuple[dict[str, Any], dict[str, Any] | None]


@dataclass(frozen=True)
class Kind:
    """A way to count cost.

    Args:
        id (str): In the page's data and its address.
        title (str): Without the unit.
        unit (str): ``s`` becomes ``h`` where times are long.
        of: From the cost of the transfer and of the pretraining; None:
            not recorded.
    """

    id: str
    title: str
    unit: str
    of: Callable[[Parts], float | None]


def _transfer(field: str) -> Callable[[Parts], float | None]:
    return lambda parts: parts[0].get(field)


def _pretrain(field: str) -> Callable[[Parts], float | None]:
    return lambda parts: parts[1].get(field) if parts[1] else None


def _both(field: str) -> Callable[[Parts], float | None]:
    def total(parts: Parts) -> float | None:
        first, second = _transfer(field)(parts), _pretrain(field)(parts)
        known = first is not None and second is not None
        return first + second if known else None  # type: ignore[operator]

    return total


def _images(parts: Parts) -> float | None:
    seconds, speed = (
        parts[0].get(name) for name in ('train_seconds', 'images_per_second')
    )
    return seconds * speed if seconds and speed else None


KINDS = (
    Kind(
        'transfer_hours',
        'GPU hours of the transfer',
        'GPU hours',
        _transfer('gpu_hours'),
    ),
    Kind(
        'transfer_wall',
        'wall time of the transfer',
        's',
        _transfer('train_seconds'),
    ),
    Kind(
        'pretrain_hours',
        'GPU hours of the pretraining',
        'GPU hours',
        _pretrain('gpu_hours'),
    ),
    Kind(
        'pretrain_wall',
        'wall time of the pretraining',
        's',
        _pretrain('train_seconds'),
    ),
    Kind(
        'both_hours',
        'GPU hours of pretraining and transfer',
        'GPU hours',
        _both('gpu_hours'),
    ),
    Kind(
        'both_wall',
        'wall time of pretraining and transfer',
        's',
        _both('train_seconds'),
    ),
    Kind(
        'transfer_memory',
        'peak memory of the transfer',
        'MiB',
        _transfer('peak_memory_mib'),
    ),
    Kind(
        'pretrain_memory',
        'peak memory of the pretraining',
        'MiB',
        _pretrain('peak_memory_mib'),
    ),
    Kind('images', 'training images seen in the transfer', '', _images),
)
EPOCHS = Kind('epochs', 'pretraining epochs', '', lambda parts: None)


def pretraining_cost(record: Record) -> dict[str, Any] | None:
    """What the pretraining of a record cost; None: not recorded.

    Random initialisation has no pretraining: it took no time.
    """
    found: dict[str, Any] | None = record['pretrain'].get('cost')
    if found is None and is_random(record['method']):
        return dict(train_seconds=0.0, gpu_hours=0.0)
    return found


def costs(row: Row) -> dict[str, float]:
    """Kind to what a run of the row cost on average.

    The mean is over the records that say it. Times are in seconds.
    """
    found: dict[str, float] = {}
    parts = [
        (s.record['cost'], pretraining_cost(s.record)) for s in row.records
    ]
    for kind in KINDS:
        known = [v for v in map(kind.of, parts) if v is not None]
        if known:
            found[kind.id] = stats.mean(known)
    if row.pretrain_epochs is not None and row.records:
        found[EPOCHS.id] = row.pretrain_epochs
    return found


@dataclass(frozen=True)
class Measure:
    """A kind of cost in the unit of one board.

    Args:
        kind (Kind): Which.
        title (str): For an axis: ``wall time of the transfer, hours``.
        factor (float): From the value in `costs`.
        unit (str): After a number; may be empty.
    """

    kind: Kind
    title: str
    factor: float
    unit: str

    def value(self, found: dict[str, float]) -> float | None:
        """The cost in this unit; None: not recorded."""
        value = found.get(self.kind.id)
        return None if value is None else value * self.factor

    def text(self, value: float) -> str:
        """``3.61 GPU hours``."""
        return f'{rounding.short(value)} {self.unit}'.strip()


def measures(found: Iterable[dict[str, float]]) -> list[Measure]:
    """The kinds that some rows have, each with one unit for all.

    Args:
        found: The costs of each row. A kind whose costs are all zero says
            nothing and is left out.
    """
    largest: dict[str, float] = {}
    for own in found:
        for name, value in own.items():
            largest[name] = max(value, largest.get(name, 0.0))
    return [
        _measure(kind, largest[kind.id])
        for kind in (*KINDS, EPOCHS)
        if largest.get(kind.id)
    ]


def _measure(kind: Kind, largest: float) -> Measure:
    if kind.unit != 's':
        named = kind.unit and kind.unit not in kind.title
        title = f'{kind.title}, {kind.unit}' if named else kind.title
        return Measure(kind, title, 1.0, kind.unit)
    if largest > LONG:
        return Measure(kind, f'{kind.title}, hours', 1 / 3600, 'h')
    return Measure(kind, f'{kind.title}, seconds', 1.0, 's')


def front(rows: Sequence[Row], spent: Sequence[float | None]) -> list[int]:
    """Positions of the rows on the Pareto front, the cheapest first.

    A row is on it when no other has a better mean for the same cost or less,
    or the same mean for less. Rows of one seed, rows without this cost, and
    metrics without a direction are left out; one row alone is no front.

    Args:
        rows (Sequence[Row]): Of one task, metric, protocol and backbone.
        spent (Sequence): The cost of each.
    """
    if not rows:
        return []
    higher = headings.higher_is_better(rows[0].task, rows[0].metric)
    if higher is None:
        return []
    sign = -1 if higher else 1
    able = sorted(
        (cost, sign * round(row.mean, 9), i)
        for i, (row, cost) in enumerate(zip(rows, spent))
        if cost is not None and row.mean is not None and len(row.values) > 1
    )
    if len(able) < 2:
        return []
    found: list[int] = []
    best: float | None = None
    last: tuple[float, float] | None = None
    for cost, value, i in able:
        if best is None or value < best or (cost, value) == last:
            found.append(i)
            best, last = value, (cost, value)
    return found
