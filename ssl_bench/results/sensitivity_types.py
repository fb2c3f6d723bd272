"""What a report on sensitivity is made of: conditions, changes, studies.

Formulas and rules are in docs/leaderboard.md.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.results import headings, stats
from ssl_bench.results.table import Row

SETTINGS, PRETRAINING, TASKS = 'settings', 'pretraining', 'tasks'
ALL = 'all backbones'
OWN = "the protocol's settings"
FLIP = 'flip'
TIE = 'tie: within the spread over seeds'
EQUAL = 'tie: equal means in one'
EQUAL_BOTH = 'tie: equal means in both'
OPEN = 'open'  # then the reason of `stats.Comparison`
HOLDS, BREAKS = 'holds', 'does not hold'
Method = tuple[Any, ...]  # what makes two rows of one method
Answers = Callable[[Row, Row], stats.Comparison]


@dataclass(frozen=True)
class Condition:
    """The rows of one setting.

    Args:
        name (str): What departs; `OWN` where nothing does.
        settings (dict[str, str]): What departs, by its key.
        rows (dict[Method, Row]): One for each method.
        answers (Answers): What the tables say of two of the rows.
    """

    name: str
    settings: dict[str, str]
    rows: dict[Method, Row]
    answers: Answers

    @functools.cached_property
    def sign(self) -> float:
        """-1 where less is better, else 1."""
        row = next(iter(self.rows.values()))
        higher = headings.higher_is_better(row.task, row.metric)
        return -1.0 if higher is False else 1.0

    @functools.cached_property
    def places(self) -> int:
        """Decimals of its numbers in tables."""
        return next(iter(self.rows.values())).places

    def compared(self, pair: tuple[Method, Method]) -> stats.Comparison:
        """What the tables say of two methods, of the first one."""
        return self.answers(*(self.rows[method] for method in pair))

    def gap(self, pair: tuple[Method, Method]) -> float:
        """Difference of the means, positive where the first one is better."""
        own, other = (self.rows[method].mean or 0.0 for method in pair)
        return self.sign * stats.difference(own, other)

    def varies(self, other: 'Condition') -> list[str]:
        """The keys of the settings that differ, sorted."""
        keys = {*self.settings, *other.settings}
        return sorted(
            key
            for key in keys
            if self.settings.get(key) != other.settings.get(key)
        )


@dataclass(frozen=True)
class PairChange:
    """Two methods that are equal, or that two conditions order differently.

    Args:
        methods (tuple[Method, Method]): The first is the better one of the
            first condition; where they are equal there, of the second.
        first, second (Comparison): The first method minus the second one,
            in each condition.
        verdict (str): `FLIP`: each condition shows another one to be better;
            `TIE`, `EQUAL`, `EQUAL_BOTH`; `OPEN` and why no test could
            decide.
    """

    methods: tuple[Method, Method]
    first: stats.Comparison
    second: stats.Comparison
    verdict: str


@dataclass(frozen=True)
class Change:
    """The rankings of two conditions, over the methods that both have.

    Args:
        methods (list[Method]): Two or more.
        tau (float, optional): Kendall's tau-b of the means; None for fewer
            than three methods, and where all are equal in a condition.
        ties (int): Pairs of methods with equal means in either condition.
        pairs (list[PairChange]): Those that are equal, or whose order is
            not the same.
    """

    first: Condition
    second: Condition
    methods: list[Method]
    tau: float | None
    ties: int
    pairs: list[PairChange]

    @property
    def turned(self) -> list[PairChange]:
        """Pairs whose means have the opposite order, flips or not."""
        equal = EQUAL, EQUAL_BOTH
        return [pair for pair in self.pairs if pair.verdict not in equal]

    @property
    def flips(self) -> list[PairChange]:
        """Pairs of which each condition shows another one to be better."""
        return [pair for pair in self.pairs if pair.verdict == FLIP]


@dataclass(frozen=True)
class SeedPair:
    """Two methods whose order is not the same for all common seeds.

    Args:
        methods (tuple[Method, Method]): The first one has the better mean.
        ahead, equal, behind (int): Seeds for which the first one is better,
            equal, worse.
        answer (Comparison): The first minus the second, over all seeds.
    """

    methods: tuple[Method, Method]
    ahead: int
    equal: int
    behind: int
    answer: stats.Comparison


@dataclass(frozen=True)
class Seeds:
    """The rankings that single seeds give, within one condition.

    Args:
        taus (dict): Two seeds to Kendall's tau-b of the methods that have
            both; None as in `Change`.
        pairs (list[SeedPair]): Those whose order is not the same.
    """

    condition: Condition
    taus: dict[tuple[int, int], float | None]
    pairs: list[SeedPair]

    @property
    def seeds(self) -> list[int]:
        """Those that are compared."""
        return sorted({seed for pair in self.taus for seed in pair})

    @property
    def known(self) -> list[float]:
        """The values of tau."""
        return [tau for tau in self.taus.values() if tau is not None]


@dataclass
class Study:
    """What was compared of one metric of a task, for one backbone.

    Args:
        kind (str): `SETTINGS` of the task, `PRETRAINING`, or `TASKS`.
        task, metric (str): Empty for `TASKS`.
        backbone (str): Or `ALL`.
        conditions (list[Condition]): The headline first; for `TASKS` there
            is none.
        changes (list[Change]): Of all pairs of conditions that have two
            methods in common, one of them with another row in each.
        seeds (list[Seeds]): Of each condition that has several.
        labels (dict[Method, str]): Names for people.
    """

    kind: str
    task: str
    metric: str
    backbone: str
    conditions: list[Condition]
    changes: list[Change] = field(default_factory=list)
    seeds: list[Seeds] = field(default_factory=list)
    labels: dict[Method, str] = field(default_factory=dict)

    @property
    def headline(self) -> Condition:
        """The protocol's own settings, or those closest to them."""
        return self.conditions[0]

    @property
    def order(self) -> list[Method]:
        """The headline order, best mean first."""
        rows = self.headline.rows
        return sorted(rows, key=lambda method: rows[method].sort_key)

    @property
    def from_headline(self) -> list[Change]:
        """The comparisons of the headline with another condition."""
        return [c for c in self.changes if c.first is self.headline]

    @property
    def answer(self) -> str:
        """`HOLDS`, `HOLDS` within the spread, `BREAKS`, or `OPEN`."""
        found = {p.verdict for c in self.from_headline for p in c.pairs}
        found.discard(EQUAL_BOTH)
        if not self.from_headline:
            return OPEN
        if FLIP in found:
            return BREAKS
        if any(verdict.startswith(OPEN) for verdict in found):
            return OPEN
        return f'{HOLDS} within the spread over seeds' if found else HOLDS

    @property
    def not_covered(self) -> list[tuple[Method, str]]:
        """Methods that one condition has only, with its name."""
        found: dict[Method, list[str]] = {}
        for condition in self.conditions:
            for method in condition.rows:
                found.setdefault(method, []).append(condition.name)
        return [
            (method, names[0])
            for method, names in found.items()
            if len(names) == 1 and len(self.conditions) > 1
        ]
