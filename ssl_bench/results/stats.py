"""The statistics of the leaderboard; formulas in docs/leaderboard.md."""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Interval = tuple[float, float]

CONFIDENCE = 0.95


@functools.lru_cache(maxsize=256)
def t_quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t with ``degrees`` of freedom."""
    from scipy.special import stdtrit  # a tenth of scipy.stats' import time

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def mean(values: Sequence[float]) -> float:
    """Mean by exact summation: the same for every order of ``values``."""
    return statistics.fmean(values)


def sample_std(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1; None for a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def interval(values: Sequence[float]) -> Interval | None:
    """95 % t interval of the mean; None for a single value."""
    return t_interval(mean(values), sample_std(values), len(values))


def t_interval(centre: float, std: float | None, n: int) -> Interval | None:
    """As `interval`, from the mean and the deviation of ``n`` values.

    centre -/+ t(0.975, n - 1) * std / sqrt(n)
    """
    if std is None:
        return None
    half = t_quantile(n - 1) * std / math.sqrt(n)
    return centre - half, centre + half


@dataclass(frozen=True)
class Difference:
    """A method minus the baseline, in the metric's points.

    Args:
        mean (float): Mean over the common seeds, or of the two means when
            no seed is common.
        interval (tuple, optional): 95 % of the paired differences; None
            with fewer than two common seeds.
        pairs (int): Number of common seeds.
    """

    mean: float
    interval: Interval | None
    pairs: int

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval contains zero; None without an interval."""
        if self.interval is None:
            return None
        return self.interval[0] <= 0 <= self.interval[1]


def difference(
    values: dict[int, float], baseline: dict[int, float]
) -> Difference:
    """Compare two methods seed by seed.

    Args:
        values (dict): Seed to value of the method.
        baseline (dict): Seed to value of the baseline.
    """
    common = sorted(values.keys() & baseline.keys())
    if not common:
        return Difference(
            mean(list(values.values())) - mean(list(baseline.values())),
            None,
            0,
        )
    pairs = [values[seed] - baseline[seed] for seed in common]
    return Difference(mean(pairs), interval(pairs), len(pairs))


def tie_groups(
    means: Sequence[float],
    intervals: Sequence[Interval | None],
    higher_is_better: bool = True,
) -> list[list[int]]:
    """Split methods into groups that share a place, best group first.

    From the best mean down, a method joins the group when its interval
    overlaps the interval of the group's first (best) member; otherwise it
    opens the next group. Without an interval the mean is its own interval.

    Returns:
        list[list[int]]: Positions in ``means``.
    """
    sign = -1 if higher_is_better else 1
    order = sorted(range(len(means)), key=lambda i: (sign * means[i], i))
    bounds = [(m, m) if b is None else b for m, b in zip(means, intervals)]
    groups: list[list[int]] = []
    for i in order:
        if groups:
            low, high = bounds[groups[-1][0]]
            if bounds[i][0] <= high and low <= bounds[i][1]:
                groups[-1].append(i)
                continue
        groups.append([i])
    return groups


def places(groups: Sequence[Sequence[int]]) -> list[float]:
    """Place of each method: a tie group shares the mean of its places."""
    result = [0.0] * sum(map(len, groups))
    taken = 0
    for group in groups:
        for i in group:
            result[i] = taken + (len(group) + 1) / 2
        taken += len(group)
    return result


def verdict(
    measured: float,
    bounds: Interval | None,
    published: float,
    tolerance: float,
) -> str:
    """Compare a measured mean with a published value.

    Returns:
        str: ``reproduced`` when they differ by at most ``tolerance``
        points, ``within noise`` when the 95 % interval of the mean
        contains the published value, else ``off``.
    """
    if abs(measured - published) <= tolerance + 1e-9:  # 0.1 + 0.2 > 0.3
        return 'reproduced'
    if bounds is not None and bounds[0] <= published <= bounds[1]:
        return 'within noise'
    return 'off'
