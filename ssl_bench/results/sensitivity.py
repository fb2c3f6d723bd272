"""Whether a ranking holds under other settings, other seeds, other tasks.

Formulas and rules are in docs/leaderboard.md. The answers between two rows
are those of the tables: `stats.compare` gives them, over the same family.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.results import headings, stats
from ssl_bench.results.names import backbone_key
from ssl_bench.results.record import FULL
from ssl_bench.results.table import Board, Row, main_metrics

SETTINGS, PRETRAINING, TASKS = 'settings', 'pretraining', 'tasks'
ALL = 'all backbones'
OWN = "the protocol's settings"
FLIP = 'flip'
TIE = 'tie: within the spread over seeds'
EQUAL = 'tie: equal means in one'
EQUAL_BOTH = 'tie: equal means in both'
OPEN = 'open'  # then the reason of `stats.Comparison`
HOLDS, BREAKS = 'holds', 'does not hold'
MIN_RANKED = 3  # methods that Kendall's tau is computed of
NOTHING_VARIES = (
    'nothing to compare: of every task and backbone the records have one '
    'setting and one seed, or one method. Records that vary: ssl-bench '
    'transfer CHECKPOINT ... --tasks TASK --seeds 0 1 2, and the same with '
    '--cfg-options optim_wrapper.optimizer.lr=0.02'
)

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


def studies(board: Board) -> list[Study]:
    """Everything that the rows of a board say of their rankings.

    Args:
        board (Board): Of `build`, without a baseline.

    Returns:
        list[Study]: By task, metric and backbone. Metrics whose direction is
        not known are left out, and so are backbones with one method.

    Raises:
        UserError: Nothing varies.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in board.measured:
        if headings.higher_is_better(row.task, row.metric) is not None:
            groups.setdefault((row.task, row.metric), []).append(row)
    places = {task: i for i, task in enumerate(board.tasks)}
    found: list[Study] = []
    headlines: dict[str, dict[str, Condition]] = {}
    mains = main_metrics(board)
    for (task, metric), rows in sorted(
        groups.items(),
        key=lambda item: (places[item[0][0]], headings.metric_order(*item[0])),
    ):
        for backbone, members in _by_backbone(rows):
            conditions = _settings(members)
            for study in (
                Study(SETTINGS, task, metric, backbone, conditions),
                Study(
                    PRETRAINING,
                    task,
                    metric,
                    backbone,
                    _pretrainings(conditions[0]),
                ),
            ):
                if _fill(study):
                    found.append(study)
            if metric == mains[task]:
                headlines.setdefault(backbone, {})[task] = conditions[0]
    found += _between_tasks(headlines)
    if not found:
        raise UserError(NOTHING_VARIES)
    return found


def _by_backbone(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Rows of each backbone, and of all of them where there are several."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(backbone_key(row.backbone), []).append(row)
    found = [(own[0].backbone, own) for own in groups.values()]
    found.sort(key=lambda item: item[0])
    return found + ([(ALL, list(rows))] if len(found) > 1 else [])


def _fill(study: Study) -> bool:
    """Compare the conditions and the seeds of a study.

    Returns:
        bool: Whether there is anything to show.
    """
    rows = {m: r for c in study.conditions for m, r in c.rows.items()}
    if len(rows) < 2:
        return False
    study.labels = _labels(rows)
    for first, second in itertools.combinations(study.conditions, 2):
        change = compare_conditions(first, second)
        if change is not None:
            study.changes.append(change)
    if study.kind == PRETRAINING:
        return bool(study.changes)
    of_seeds = [compare_seeds(condition) for condition in study.conditions]
    study.seeds = [one for one in of_seeds if one.taus]
    return len(study.conditions) > 1 or bool(study.seeds)


def _labels(rows: dict[Method, Row]) -> dict[Method, str]:
    """The shortest names that tell all methods apart."""
    forms: tuple[Callable[[Row], str], ...] = (
        lambda row: row.short_name,
        lambda row: f'{row.short_name} [{row.backbone}]',
        lambda row: row.described,
    )
    for form in forms:
        found = {method: form(row) for method, row in rows.items()}
        if len({*found.values()}) == len(rows):
            break
    return found


def _settings(rows: Sequence[Row]) -> list[Condition]:
    """The rows by the settings of the task; the headline first.

    It is the condition with the fewest departures, then the most methods.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((*row.protocol, row.recipe), []).append(row)
    departed = {key: _departed(own[0]) for key, own in groups.items()}
    order = sorted(
        groups, key=lambda key: (len(departed[key]), -len(groups[key]), key)
    )
    found = []
    for key in order:
        same = [k for k in groups if departed[k] == departed[key]]
        more = _told_apart(groups[key][0], [groups[k] for k in same])
        names = [*map(_text, departed[key].items())] or [OWN]
        found.append(
            Condition(
                '; '.join([*names, *map(_text, more.items())]),
                departed[key] | more,
                {row.method_id: row for row in groups[key]},
                _answers(groups[key]),
            )
        )
    return found


def _departed(row: Row) -> dict[str, str]:
    """What departs from the task's protocol, by its key."""
    parts = (text.partition('=') for text in row.departures)
    found = {key: value for key, _, value in parts}
    if row.recipe:
        found['recipe'] = row.recipe
    if row.trained not in ('', FULL):
        found['train'] = row.trained
    return found


def _told_apart(row: Row, groups: Iterable[Sequence[Row]]) -> dict[str, str]:
    """What tells rows apart whose records name the same departures."""
    found = {}
    protocols = [rows[0].protocol for rows in groups]
    if len({protocol[2] for protocol in protocols}) > 1:
        data = row.records[0].record['data']
        found['data'] = (
            f'{data["name"]} ({row.protocol[2][:8] or "not known"})'
        )
    if len({protocol[1] for protocol in protocols}) > 1:
        found['config'] = row.protocol[1][:8]
    return found


def _text(item: tuple[str, str]) -> str:
    key, value = item
    if key in ('recipe', 'train', 'data', 'config'):
        return f'{key} {value}'
    return f'{key}={value}' if value else key


def _pretrainings(headline: Condition) -> list[Condition]:
    """The rows of one setting by epochs and changes of the pretraining.

    Methods without epochs, such as random initialisation, are in all of them.
    The first has no changes, then the most methods, then the most epochs.
    """
    always: dict[Method, Row] = {}
    groups: dict[tuple[float, tuple[str, ...]], dict[Method, Row]] = {}
    for row in headline.rows.values():
        method = row.name, row.method, row.backbone, row.pretrain_data
        changes = tuple(row.pretrain_departures)
        if row.pretrain_epochs is None and not changes:
            always[method] = row
        else:
            key = row.pretrain_epochs or 0, changes
            groups.setdefault(key, {})[method] = row
    order = sorted(
        groups, key=lambda k: (len(k[1]), -len(groups[k]), -k[0], k[1])
    )
    return [
        Condition(
            '; '.join((f'{key[0]:g} epochs', *key[1])),
            {'epochs': f'{key[0]:g}'}
            | {name.partition('=')[0]: name for name in key[1]},
            always | groups[key],
            headline.answers,
        )
        for key in order
    ]


def _answers(rows: Sequence[Row]) -> Answers:
    """What is shown of each pair of rows; all of them are one family."""
    places = {id(row): i for i, row in enumerate(rows)}
    pairs = list(itertools.combinations(range(len(rows)), 2))
    numbers = {pair: i for i, pair in enumerate(pairs)}
    higher = headings.higher_is_better(rows[0].task, rows[0].metric)
    family = stats.compare([row.values for row in rows], pairs, higher)

    def between(first: Row, second: Row) -> stats.Comparison:
        i, j = places[id(first)], places[id(second)]
        found: stats.Comparison = family[numbers[min(i, j), max(i, j)]]
        return found if i < j else found.turned()

    return between


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b of two lists of numbers of the same methods.

    tau-b = (C - D) / sqrt((n0 - n1) (n0 - n2)) with C concordant and D
    discordant pairs, n0 = n (n - 1) / 2 pairs, and n1, n2 those that are equal
    in the first and in the second list (Kendall, Biometrika, 1945).

    Returns:
        float | None: None for fewer than three methods, and where all of them
        are equal in a list.
    """
    import numpy as np
    from scipy.stats import kendalltau

    if len(first) < MIN_RANKED:
        return None
    tau = kendalltau(np.round(first, 9), np.round(second, 9)).statistic
    return None if np.isnan(tau) else float(tau)


def compare_conditions(first: Condition, second: Condition) -> Change | None:
    """The rankings of two conditions; None where there is nothing to compare.

    That is without two common methods, and where all of these have the same
    row in both, as those that no pretraining changes.
    """
    methods = [method for method in first.rows if method in second.rows]
    alike = all(first.rows[m] is second.rows[m] for m in methods)
    if len(methods) < 2 or alike:
        return None
    ties, changed = 0, []
    for pair in itertools.combinations(methods, 2):
        gaps = [first.gap(pair), second.gap(pair)]
        ties += 0.0 in gaps
        found = _pair_change(first, second, pair, gaps)
        if found is not None:
            changed.append(found)
    values = [
        [c.sign * (c.rows[m].mean or 0.0) for m in methods]
        for c in (first, second)
    ]
    return Change(first, second, methods, kendall(*values), ties, changed)


def _pair_change(
    first: Condition,
    second: Condition,
    pair: tuple[Method, Method],
    gaps: Sequence[float],
) -> PairChange | None:
    """How the order of two methods changes; None where it does not.

    Args:
        gaps: `Condition.gap` of both.
    """
    answers = first.compared(pair), second.compared(pair)
    flip = {a.answer for a in answers} == {stats.BETTER, stats.WORSE}
    if not flip and gaps[0] * gaps[1] > 0:
        return None
    if (gaps[0] or gaps[1]) < 0:
        pair = pair[1], pair[0]
        answers = answers[0].turned(), answers[1].turned()
    reasons = [a.reason for a in answers if a.reason]
    if flip:
        verdict = FLIP
    elif 0.0 in gaps:
        verdict = EQUAL if any(gaps) else EQUAL_BOTH
    else:
        verdict = f'{OPEN}: {reasons[0]}' if reasons else TIE
    return PairChange(pair, answers[0], answers[1], verdict)


def compare_seeds(condition: Condition) -> Seeds:
    """The rankings that single seeds give.

    A seed that a row has twice, as of two checkpoints, is not used of it.
    """
    values = {
        method: {
            seed: value
            for seed, value in row.values
            if [s for s, _ in row.values].count(seed) == 1
        }
        for method, row in condition.rows.items()
    }
    seeds = sorted({seed for own in values.values() for seed in own})
    taus = {}
    for one, two in itertools.combinations(seeds, 2):
        both = [own for own in values.values() if one in own and two in own]
        if len(both) > 1:
            taus[one, two] = kendall(
                [own[one] for own in both], [own[two] for own in both]
            )
    pairs = [
        found
        for pair in itertools.combinations(values, 2)
        if (found := _seed_pair(condition, values, pair))
    ]
    return Seeds(condition, taus, pairs)


def _seed_pair(
    condition: Condition,
    values: dict[Method, dict[int, float]],
    pair: tuple[Method, Method],
) -> SeedPair | None:
    """How two methods stand for each common seed; None where always alike."""
    if condition.gap(pair) < 0:
        pair = pair[1], pair[0]
    own, other = (values[method] for method in pair)
    gaps = [
        condition.sign * stats.difference(own[seed], other[seed])
        for seed in own
        if seed in other
    ]
    ahead = sum(gap > 0 for gap in gaps)
    behind = sum(gap < 0 for gap in gaps)
    equal = len(gaps) - ahead - behind
    if len(gaps) < 2 or len(gaps) in (ahead, behind, equal):
        return None
    return SeedPair(pair, ahead, equal, behind, condition.compared(pair))


def _between_tasks(headlines: dict[str, dict[str, Condition]]) -> list[Study]:
    """Headline rankings of tasks with three common methods, by backbone."""
    found = []
    for backbone, by_task in headlines.items():
        conditions = [
            Condition(task, {'task': task}, own.rows, own.answers)
            for task, own in by_task.items()
        ]
        study = Study(TASKS, '', '', backbone, conditions)
        _fill_tasks(study)
        if study.changes:
            found.append(study)
    return found


def _fill_tasks(study: Study) -> None:
    rows = {m: r for c in study.conditions for m, r in c.rows.items()}
    study.labels = _labels(rows)
    for first, second in itertools.combinations(study.conditions, 2):
        change = compare_conditions(first, second)
        if change is not None and len(change.methods) >= MIN_RANKED:
            study.changes.append(change)
