"""What the leaderboard says in sentences: who leads, and is it real."""

from dataclasses import dataclass

from ssl_bench.results import headings, rounding, stats
from ssl_bench.results.names import backbone_key, is_random
from ssl_bench.results.pairs import Pairs
from ssl_bench.results.table import Board, Row, main_metrics

DECIDED, UNDECIDED, ALONE = 'decided', 'undecided', 'alone'
# a departure of runs that are to show only that everything works
TRIAL = 'trial=True'


@dataclass(frozen=True)
class Verdict:
    """A sentence about one task, backbone and protocol.

    Args:
        task, metric, network (str): What it is about; ``network`` as
            `Row.network`.
        text (str): Without the task: ``InsLoc leads MoCo v2 by 0.8
            [0.3, 1.3], 3 paired seeds``.
        kind (str): ``decided`` where the first is shown to be better than
            the second, ``undecided``, or ``alone``.
        rows (list[Row]): Those that are compared, the best mean first.
    """

    task: str
    metric: str
    network: str
    text: str
    kind: str
    rows: list[Row]


@dataclass(frozen=True)
class Reproduction:
    """How many measured numbers agree with the printed ones.

    Args:
        reproduced, within_noise, off (int): By `stats.verdict`.
        undecided (int): Numbers of one seed.
    """

    reproduced: int
    within_noise: int
    off: int
    undecided: int

    @property
    def total(self) -> int:
        """Measured numbers next to a printed one."""
        return sum((self.reproduced, self.within_noise, self.off)) + (
            self.undecided
        )

    def __str__(self) -> str:
        """``21 of 30 printed numbers reproduced, 4 within noise, 3 off``."""
        more = [
            f'{count} {name}'
            for count, name in (
                (self.within_noise, 'within noise'),
                (self.off, 'off'),
                (self.undecided, 'undecided: one seed'),
            )
            if count
        ]
        return ', '.join(
            [f'{self.reproduced} of {self.total} printed numbers reproduced']
            + more
        )


def reproduction(board: Board) -> Reproduction:
    """Count the verdicts of measured rows next to printed numbers."""
    found = [row.verdict for row in board.measured if row.verdict]
    return Reproduction(
        found.count('reproduced'),
        found.count('within noise'),
        found.count('off'),
        found.count(stats.UNDECIDED_ONE_SEED),
    )


def is_trial(row: Row) -> bool:
    """Whether a row's numbers mean nothing, as its records say."""
    return TRIAL in row.departures


def trial_note(board: Board) -> str:
    """What a reader must know first of a board with trial runs, else ''."""
    rows = board.measured
    trials = [row for row in rows if is_trial(row)]
    if not trials:
        return ''
    if len(trials) == len(rows):
        whose = 'These are trial runs'
    else:
        whose = f'{len(trials)} of {len(rows)} measured rows are trial runs'
    return (
        f'{whose} ({TRIAL}): a few steps, to show that everything works. '
        'Their numbers mean nothing.'
    )


def verdicts(board: Board) -> list[Verdict]:
    """A sentence for each task, backbone and protocol, in main metrics.

    Trial runs have none.
    """
    mains, pairs = main_metrics(board), Pairs(board)
    found = []
    for group in board.groups:
        first = group.rows[0]
        if (
            is_trial(first)
            or mains.get(first.task) != first.metric
            or headings.higher_is_better(first.task, first.metric) is None
        ):
            continue
        by_backbone: dict[str, list[Row]] = {}
        for row in group.rows:
            key = backbone_key(row.backbone)
            by_backbone.setdefault(key, []).append(row)
        found += [_verdict(rows, pairs) for rows in by_backbone.values()]
    return sorted(
        found,
        key=lambda v: (headings.task_order(v.task), -len(v.rows), v.network),
    )


def _verdict(rows: list[Row], pairs: Pairs) -> Verdict:
    text, kind = _sentence(rows, pairs)
    first = rows[0]
    return Verdict(first.task, first.metric, first.network, text, kind, rows)


def _sentence(rows: list[Row], pairs: Pairs) -> tuple[str, str]:
    """The sentence of some rows, best mean first, and its kind."""
    if len(rows) == 1:
        return f'{rows[0].short_name} alone: nothing to compare with', ALONE
    able = [row for row in rows if len(row.values) > 1]
    if len(able) < 2:
        who = 'one seed each' if not able else 'one seed of the others'
        return f'undecided: {who}', UNDECIDED
    leader, second = able[:2]
    parts = [_pair(leader, second, pairs)]
    control = next((row for row in able[2:] if is_random(row.method)), None)
    if control is not None and not is_random(leader.method):
        parts.append(_pair(leader, control, pairs))
    found = pairs.between(leader, second)
    decided = found is not None and found.decided
    single = len(rows) - len(able)
    if single:
        parts.append(f'{single} with one seed left out')
    return '; '.join(parts), DECIDED if decided else UNDECIDED


def _pair(row: Row, other: Row, pairs: Pairs) -> str:
    """``InsLoc leads MoCo v2 by 0.8 [0.3, 1.3], 3 paired seeds``."""
    found = pairs.between(row, other)
    names = row.short_name, other.short_name
    if found is None:
        return f'{names[0]} and {names[1]} are not compared'
    if found.interval is None:
        return f'undecided: {names[0]} and {names[1]}, {found.reason}'
    unit = _unit(row)
    if not found.decided:
        gap = rounding.signed(found.difference, row.places)
        bounds = rounding.signed_bounds(found.interval, row.places)
        return (
            f'undecided: {names[0]} and {names[1]} differ by {gap} '
            f'{bounds}{unit}, {_seeds(found)}'
        )
    low, high = found.interval
    if found.difference < 0:
        low, high = -high, -low
    leads = 'leads' if found.answer == stats.BETTER else 'trails'
    return (
        f'{names[0]} {leads} {names[1]} by '
        f'{rounding.fixed(abs(found.difference), row.places)} '
        f'{rounding.bounds((low, high), row.places)}{unit}, {_seeds(found)}'
    )


def _unit(row: Row) -> str:
    """A unit other than percent: `` metres``."""
    rule = headings.metric_rule(row.task, row.metric)
    plain = rule is None or rule.unit in ('', headings.PERCENT)
    return '' if plain or rule is None else f' {rule.unit}'


def _seeds(found: stats.Comparison) -> str:
    own, other = found.n
    return (
        f'{own} paired seeds' if found.paired else f'{own} and {other} seeds'
    )
