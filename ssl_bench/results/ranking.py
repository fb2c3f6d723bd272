"""Average ranks over tasks: who is ranked, how surely, and who is apart.

Methods are ranked within one backbone, what was trained of it, one protocol of
each task, and a set of tasks that all of them were measured on.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ssl_bench.results import headings, stats
from ssl_bench.results.names import backbone_key
from ssl_bench.results.record import FULL
from ssl_bench.results.table import (
    Board,
    MethodId,
    Protocol,
    Row,
    main_metrics,
    trained_text,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DRAWS = 2000  # of the means, for the intervals of ranks
SHUFFLES = 20_000  # of the ranks, for the critical difference
CELLS = 4_000_000  # numbers held at a time
LETTERS = 'abcdefghijklmnopqrstuvwxyz'


@dataclass(frozen=True)
class Ranking:
    """A method's ranks over tasks, each task by the mean of its main metric.

    Args:
        ranks (dict[str, float]): Task to rank; 1 is the best.
        average (float): Mean of the ranks.
        interval (tuple): 95 % interval of it over seeds.
        letters (str): Methods without a common letter are apart: their
            average ranks differ by the critical difference or more.
        changes (list[str]): What its pretraining changed.
    """

    name: str
    method_id: MethodId
    ranks: dict[str, float]
    average: float
    interval: stats.Interval
    letters: str
    changes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RankTable:
    """The ranked methods of one backbone and one kind of training.

    The best one is first.

    Args:
        tasks (list[str]): Tasks that all of them have.
        rankings (list[Ranking]): Two or more.
        critical (float, optional): Critical difference of average ranks;
            None: with so few tasks and methods no difference is enough.
        left_out (list[str]): Methods that are not ranked, and why.
        trained (str): What was trained of the backbone.
        custom (bool): Whether the tasks are a user's own.
    """

    backbone: str
    tasks: list[str]
    rankings: list[Ranking]
    critical: float | None
    left_out: list[str] = field(default_factory=list)
    trained: str = FULL
    custom: bool = False

    @property
    def network(self) -> str:
        """The backbone, what was trained of it, and whose tasks."""
        whose = 'own tasks' if self.custom else ''
        parts = self.backbone, trained_text(self.trained), whose
        return ', '.join(filter(None, parts))


def rank_tables(board: Board) -> list[RankTable]:
    """Average ranks by backbone and by what was trained of it.

    A user's own tasks and data are ranked apart from those of papers.

    None where fewer than 2 x 2 can be ranked.
    """
    mains = main_metrics(board)
    groups: dict[tuple[str, str, bool], list[Row]] = {}
    for row in board.measured:
        higher = headings.higher_is_better(row.task, row.metric)
        if row.metric == mains[row.task] and higher is not None:
            custom = headings.is_custom(row.task)
            key = backbone_key(row.backbone), row.trained, custom
            groups.setdefault(key, []).append(row)
    found = [_rank_table(board, rows) for rows in groups.values()]
    tables = [table for table in found if table is not None]
    return sorted(
        tables, key=lambda t: (t.custom, -len(t.rankings), t.network)
    )


def _rank_table(board: Board, rows: list[Row]) -> RankTable | None:
    protocols = main_protocols(rows)
    able: dict[MethodId, dict[str, Row]] = {}
    others: dict[MethodId, str] = {}
    for row in rows:
        others.setdefault(row.method_id, row.described)
        if row.protocol == protocols[row.task] and len(row.values) > 1:
            able.setdefault(row.method_id, {})[row.task] = row
    tasks = _common_tasks([frozenset(own) for own in able.values()])
    chosen = {
        method: by_task
        for method, by_task in able.items()
        if tasks and tasks <= by_task.keys()
    }
    if len(chosen) < 2:
        return None
    ordered = [task for task in board.tasks if task in tasks]
    cells = [[own[task] for task in ordered] for own in chosen.values()]
    ranks = _ranks_of_means(cells)  # (methods, tasks)
    averages = ranks.mean(1)
    intervals = _intervals(cells)
    critical = critical_difference(len(cells), len(ordered))
    order = sorted(
        range(len(cells)), key=lambda i: (averages[i], str(cells[i][0].method))
    )
    letters = letter_groups([float(averages[i]) for i in order], critical)
    rankings = [
        Ranking(
            cells[i][0].short_name,
            cells[i][0].method_id,
            dict(zip(ordered, ranks[i].tolist())),
            float(averages[i]),
            intervals[i],
            group,
            cells[i][0].pretrain_departures,
        )
        for i, group in zip(order, letters)
    ]
    left_out = sorted(
        f'{described}: {_why_left_out(able.get(method, {}), ordered)}'
        for method, described in others.items()
        if method not in chosen
    )
    return RankTable(
        rows[0].backbone,
        ordered,
        rankings,
        critical,
        left_out,
        rows[0].trained,
        headings.is_custom(ordered[0]),
    )


def _why_left_out(own: dict[str, Row], tasks: Sequence[str]) -> str:
    lacking = [task for task in tasks if task not in own]
    return 'no two seeds of this protocol on ' + ', '.join(lacking)


def main_protocols(rows: Iterable[Row]) -> dict[str, Protocol]:
    """The protocol of each task: fewest departures, then most methods."""
    seen: dict[str, dict[Protocol, int]] = {}
    for row in rows:
        of_task = seen.setdefault(row.task, {})
        of_task[row.protocol] = of_task.get(row.protocol, 0) + 1
    return {
        task: min(found, key=lambda p: (len(p[0]), -found[p], p))
        for task, found in seen.items()
    }


def _common_tasks(owned: Sequence[frozenset[str]]) -> frozenset[str]:
    """The set of tasks that ranks the most: methods times tasks.

    Two tasks or more that two methods or more have; empty without any.
    """
    candidates = {frozenset(own) for own in owned}
    candidates |= {a & b for a in candidates for b in candidates}
    if owned:
        candidates.add(frozenset.intersection(*owned))

    def size(tasks: frozenset[str]) -> tuple[int, int, list[str]]:
        methods = sum(tasks <= own for own in owned)
        return methods * len(tasks), methods, sorted(tasks)

    usable = [
        tasks
        for tasks in candidates
        if len(tasks) > 1 and sum(tasks <= own for own in owned) > 1
    ]
    return max(usable, key=size, default=frozenset())


def rank(values: 'Floats') -> 'Floats':
    """Ranks along the last axis, 1 for the smallest; ties share the mean.

    Args:
        values (array): (..., k).

    Returns:
        array: Of the same shape.
    """
    import numpy as np

    order = np.sort(values, axis=-1)
    flat = values.reshape(-1, values.shape[-1])
    ranks = [
        np.searchsorted(row, own, 'left') + np.searchsorted(row, own, 'right')
        for row, own in zip(order.reshape(flat.shape), flat)
    ]
    result: Floats = (np.array(ranks) + 1.0) / 2
    return result.reshape(values.shape)


def _signed_means(cells: list[list[Row]]) -> 'Floats':
    """Means, (methods, tasks), turned so that the smallest is the best."""
    import numpy as np

    signs = [
        1 if headings.higher_is_better(row.task, row.metric) is False else -1
        for row in cells[0]
    ]
    means = np.array([[row.mean or 0.0 for row in own] for own in cells])
    turned: Floats = np.round(means, 9) * np.array(signs)
    return turned


def _ranks_of_means(cells: list[list[Row]]) -> 'Floats':
    return rank(_signed_means(cells).T).T


def _intervals(cells: list[list[Row]]) -> list[stats.Interval]:
    """95 % intervals of the average ranks, by a parametric bootstrap.

    Each mean is drawn again from the t distribution of its own interval,
    mean + t(n - 1) * std / sqrt(n), the draws are ranked on each task, and the
    ranks averaged; the interval holds the middle 95 % of these averages
    (ranks by simulation: Goldstein and Spiegelhalter, JRSS A, 1996; Marshall
    and Spiegelhalter, BMJ, 1998). The generator's seed is fixed.
    """
    import numpy as np

    means = _signed_means(cells)
    counts = np.array([[len(row.values) for row in own] for own in cells])
    errors = np.array([[row.std or 0.0 for row in own] for own in cells])
    errors = errors / np.sqrt(counts)
    dice = np.random.default_rng(0)
    total = np.zeros((DRAWS, len(cells)))
    for task in range(means.shape[1]):
        noise = dice.standard_t(counts[:, task] - 1.0, (DRAWS, len(cells)))
        total += rank(means[:, task] + errors[:, task] * noise)
    tail = (1 - stats.CONFIDENCE) / 2
    low, high = np.quantile(total / means.shape[1], [tail, 1 - tail], axis=0)
    return list(zip(low.tolist(), high.tolist()))


def critical_difference(methods: int, tasks: int) -> float | None:
    """Smallest difference of two average ranks that is not by chance.

    If all methods were equal, the ranks of each task were in any order with
    the same probability. The critical difference is the smallest one that the
    best and the worst average rank then reach in at most 5 % of the cases: the
    all-pairs comparison of Friedman's rank sums by Wilcoxon, Nemenyi and
    McDonald-Thompson (Hollander and Wolfe, 1999, Sec. 7.3). Demsar (JMLR,
    2006) uses its normal approximation, which finds too much with few tasks:
    four wins of four would be enough. Here it is computed from all orders of
    the ranks, or from 20,000 random ones with a fixed seed.

    Returns:
        float | None: None when not even the largest difference, ``methods`` -
        1, is rare enough: there are too few tasks.
    """
    import numpy as np

    spans = _spans(methods, tasks)
    sums, counts = np.unique(spans, return_counts=True)
    tails = counts[::-1].cumsum()[::-1]  # how often at least so much
    rare = sums[tails <= (1 - stats.CONFIDENCE) * len(spans) * (1 + 1e-9)]
    largest = tasks * (methods - 1.0)
    if len(rare):
        return float(rare[0]) / tasks
    return None if sums[-1] == largest else float(sums[-1] + 1) / tasks


def _spans(methods: int, tasks: int) -> 'Floats':
    """Largest less smallest sum of ranks, if the ranks are by chance.

    Of every order on every task where these are at most 20,000 (the order on
    the first task is free), else of as many random ones.
    """
    import numpy as np

    ranks = np.arange(1.0, methods + 1)
    if math.factorial(methods) ** (tasks - 1) <= SHUFFLES:
        orders = np.array(list(itertools.permutations(ranks)))
        totals = orders[:1]
        for _ in range(tasks - 1):
            totals = (totals[:, None] + orders).reshape(-1, methods)
        exact: Floats = np.ptp(totals, axis=1)
        return exact
    dice = np.random.default_rng(0)
    spans = []
    step = max(1, min(SHUFFLES, CELLS // (methods * tasks)))
    for start in range(0, SHUFFLES, step):
        size = min(step, SHUFFLES - start), tasks, methods
        order = dice.permuted(np.broadcast_to(ranks, size), axis=-1)
        spans.append(np.ptp(order.sum(1), axis=-1))
    return np.concatenate(spans)


def letter_groups(
    averages: Sequence[float], critical: float | None
) -> list[str]:
    """Letters of each method: those with a common one are not apart.

    Args:
        averages (Sequence[float]): Average ranks, best first.
        critical (float, optional): None: nobody is apart.

    Returns:
        list[str]: ``a``, ``ab``, ``b`` for three of which the first and the
        last are apart.
    """
    letters = [''] * len(averages)
    reached, used = -1, 0
    for i, first in enumerate(averages):
        last = max(
            j
            for j in range(i, len(averages))
            if critical is None or averages[j] - first < critical - 1e-9
        )
        if last > reached:
            name = LETTERS[used % 26] + str(used // 26 or '')
            for j in range(i, last + 1):
                letters[j] += name
            reached, used = last, used + 1
    return letters
