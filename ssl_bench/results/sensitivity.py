"""Whether a ranking holds under other settings, other seeds, other tasks.

Formulas and rules are in docs/leaderboard.md. The answers between two rows
are those of the tables: `stats.compare` gives them, over the same family.
"""

import itertools
from collections.abc import Sequence

from ssl_bench.errors import UserError
from ssl_bench.results import headings, stats
from ssl_bench.results.names import backbone_key
from ssl_bench.results.sensitivity_settings import (
    labels,
    pretrainings,
    settings,
)
from ssl_bench.results.sensitivity_types import (
    ALL,
    EQUAL,
    EQUAL_BOTH,
    FLIP,
    OPEN,
    PRETRAINING,
    SETTINGS,
    TASKS,
    TIE,
    Change,
    Condition,
    Method,
    PairChange,
    SeedPair,
    Seeds,
    Study,
)
from ssl_bench.results.table import Board, Row, main_metrics

MIN_RANKED = 3  # methods that Kendall's tau is computed of
NOTHING_VARIES = (
    'nothing to compare: of every task and backbone the records have one '
    'setting and one seed, or one method. Records that vary: ssl-bench '
    'transfer CHECKPOINT ... --tasks TASK --seeds 0 1 2, and the same with '
    '--cfg-options optim_wrapper.optimizer.lr=0.02'
)


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
            conditions = settings(members)
            for study in (
                Study(SETTINGS, task, metric, backbone, conditions),
                Study(
                    PRETRAINING,
                    task,
                    metric,
                    backbone,
                    pretrainings(conditions[0]),
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
    study.labels = labels(rows)
    for first, second in itertools.combinations(study.conditions, 2):
        change = compare_conditions(first, second)
        if change is not None:
            study.changes.append(change)
    if study.kind == PRETRAINING:
        return bool(study.changes)
    of_seeds = [compare_seeds(condition) for condition in study.conditions]
    study.seeds = [one for one in of_seeds if one.taus]
    return len(study.conditions) > 1 or bool(study.seeds)


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
    study.labels = labels(rows)
    for first, second in itertools.combinations(study.conditions, 2):
        change = compare_conditions(first, second)
        if change is not None and len(change.methods) >= MIN_RANKED:
            study.changes.append(change)
