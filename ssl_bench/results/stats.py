"""The statistics of the leaderboard; formulas in docs/leaderboard.md.

`compare` is the one place that says whether a method is better than another.
Tables, files and the page show its answers and compare no numbers themselves.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Interval = tuple[float, float]
Sample = Sequence[tuple[int, float]]  # seed and value of each run

CONFIDENCE = 0.95
ROUNDING = 1e-12  # a spread below this part of the mean comes from rounding

BETTER, WORSE, UNDECIDED = 'better', 'worse', 'undecided'
ONE_SEED = 'one seed'
NO_SPREAD = 'the seeds changed nothing'
NO_DIRECTION = 'not known whether higher is better'
UNDECIDED_ONE_SEED = f'{UNDECIDED}: {ONE_SEED}'


@functools.lru_cache(maxsize=256)
def t_quantile(degrees: float, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t with ``degrees`` of freedom."""
    from scipy.special import stdtrit  # a tenth of scipy.stats' import time

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def mean(values: Sequence[float]) -> float:
    """Mean by exact summation: the same for every order of ``values``."""
    return statistics.fmean(values)


def difference(own: float, other: float) -> float:
    """own - other; 0 where they differ by no more than rounding."""
    gap = own - other
    return 0.0 if abs(gap) <= ROUNDING * max(abs(own), abs(other)) else gap


def sample_std(values: Sequence[float]) -> float | None:
    """Standard deviation with n - 1; None for a single value.

    Equal values have exactly 0.
    """
    if len(values) < 2:
        return None
    if min(values) == max(values):
        return 0.0
    centre = mean(values)
    length = math.hypot(*(value - centre for value in values))
    return length / math.sqrt(len(values) - 1)


def interval(values: Sequence[float]) -> Interval | None:
    """95 % t interval of the mean; None for one value or equal values."""
    return t_interval(mean(values), sample_std(values), len(values))


def t_interval(centre: float, std: float | None, n: int) -> Interval | None:
    """As `interval`, from the mean and the deviation of ``n`` values.

    centre -/+ t(0.975, n - 1) * std / sqrt(n)

    Values that are equal, but for rounding, give None: they do not tell how
    much a run varies.
    """
    if std is None or std / math.sqrt(n) <= ROUNDING * abs(centre):
        return None
    half = t_quantile(n - 1) * std / math.sqrt(n)
    return centre - half, centre + half


class Comparison(NamedTuple):
    """One row minus another, in the metric's points, and what it shows.

    Attributes:
        difference (float): Mean over the shared seeds when it is paired,
            else of the two means.
        interval (tuple, optional): 95 % t interval of this difference
            alone; None with one seed or without spread.
        n (tuple[int, int]): Values of each that were used; the number of
            pairs, twice, when it is paired.
        paired (bool): By seed; else Welch's test.
        p (float, optional): Two-sided, of this test alone.
        adjusted (float, optional): The same after Holm's correction for
            all tests of the family.
        tests (int): Size of the family.
        answer (str): ``better``, ``worse`` or ``undecided``.
        reason (str): Why no test could decide; empty after a test.
    """

    difference: float
    interval: Interval | None
    n: tuple[int, int]
    paired: bool
    p: float | None
    adjusted: float | None
    tests: int
    answer: str
    reason: str

    @property
    def decided(self) -> bool:
        """Whether one is shown to be better than the other."""
        return self.answer != UNDECIDED

    def turned(self) -> 'Comparison':
        """The same test, told of the other row."""
        low, high = self.interval or (0.0, 0.0)
        return self._replace(
            difference=-self.difference,
            interval=(-high, -low) if self.interval else None,
            n=(self.n[1], self.n[0]),
            answer={BETTER: WORSE, WORSE: BETTER}.get(
                self.answer, self.answer
            ),
        )


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values: Holm 1979, the step-down form of Bonferroni's.

    The i-th smallest of m values is multiplied by m - i + 1, is at least
    as large as the one before it, and at most 1.
    """
    import numpy as np

    values = np.array(p, float)
    order = np.argsort(values, kind='stable')
    steps = values[order] * np.arange(len(values), 0, -1)
    values[order] = np.minimum(np.maximum.accumulate(steps), 1)
    result: list[float] = values.tolist()
    return result


class Family(Sequence[Comparison]):
    """Comparisons that are tested together; made by `compare`.

    A table of a hundred methods has thousands of them: each becomes an object
    when it is asked for.

    Args:
        tests: What `_tests` found of each pair.
        higher_is_better (bool, optional): Of the metric.
    """

    def __init__(self, tests: '_Tests', higher_is_better: bool | None) -> None:
        import numpy as np

        self._tests = tests
        self._higher = higher_is_better
        self._adjusted = np.full(len(tests.usable), np.nan)
        self._adjusted[tests.usable] = holm(tests.p[tests.usable].tolist())
        self._size = int(tests.usable.sum())
        decided = self._adjusted < 1 - CONFIDENCE  # NaN is not
        if higher_is_better is None:
            decided[:] = False
        self.decided: list[int] = np.flatnonzero(decided).tolist()
        self._decided = frozenset(self.decided)

    def __len__(self) -> int:
        return len(self._adjusted)

    def answer(self, i: int) -> str:
        """``better``, ``worse`` or ``undecided``: the first of pair ``i``."""
        if i not in self._decided:
            return UNDECIDED
        above = (self._tests.difference[i] > 0) == self._higher
        return BETTER if above else WORSE

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[j] for j in range(len(self))[i]]
        tests = self._tests
        difference = float(tests.difference[i])
        n = int(tests.n[i, 0]), int(tests.n[i, 1])
        if not tests.usable[i]:
            alone = not tests.paired[i] and min(n) < 2
            reason = ONE_SEED if alone else NO_SPREAD
            return Comparison(
                difference,
                None,
                n,
                bool(tests.paired[i]),
                None,
                None,
                self._size,
                UNDECIDED,
                reason,
            )
        half = float(tests.half[i])
        return Comparison(
            difference,
            (difference - half, difference + half),
            n,
            bool(tests.paired[i]),
            float(tests.p[i]),
            float(self._adjusted[i]),
            self._size,
            self.answer(i),
            NO_DIRECTION if self._higher is None else '',
        )


def compare(
    samples: Sequence[Sample],
    pairs: Sequence[tuple[int, int]],
    higher_is_better: bool | None,
    new_draw: bool = False,
) -> Family:
    """Compare rows of one task and metric with each other.

    Two rows with two common seeds or more are compared seed by seed (paired
    t test); others by Welch's t test, which needs two seeds of each. The
    tests are one family: their p values are corrected by Holm's method,
    and what is then below 0.05 is decided. Differences without any spread
    decide nothing, nor does a single seed.

    Args:
        samples: Seeds and values of each row. A seed that occurs twice in a
            row is not paired.
        pairs: Positions in ``samples``; the answer is about the first.
        higher_is_better (bool, optional): None: not known, decides nothing.
        new_draw (bool): The first row of each pair is one draw (one
            pretraining, say) where the second may have a new one for each
            seed. Whether the first is more than one more such draw is
            tested: the variance of a paired difference is s^2 (1 + 1/n),
            not s^2 / n.

    Returns:
        Family: A `Comparison` for each of ``pairs``.
    """
    return Family(_tests(samples, pairs, new_draw), higher_is_better)


class _Tests(NamedTuple):
    """What `_tests` found; each has a row per pair."""

    difference: 'Floats'
    half: 'Floats'  # of the interval
    n: 'NDArray[np.int64]'  # (pairs, 2)
    paired: 'NDArray[np.bool_]'
    p: 'Floats'
    usable: 'NDArray[np.bool_]'


def _by_seed(samples: Sequence[Sample]) -> 'Floats':
    """Values in a column per seed, (rows, seeds); NaN without a run."""
    import numpy as np

    seeds = sorted({seed for sample in samples for seed, _ in sample})
    columns = {seed: i for i, seed in enumerate(seeds)}
    table = np.full((len(samples), len(seeds)), np.nan)
    for row, sample in enumerate(samples):
        if len({seed for seed, _ in sample}) == len(sample):
            for seed, value in sample:
                table[row, columns[seed]] = value
            continue
        own = [seed for seed, _ in sample]
        for seed, value in sample:
            if own.count(seed) == 1:
                table[row, columns[seed]] = value
    return table


def _tests(
    samples: Sequence[Sample],
    pairs: Sequence[tuple[int, int]],
    new_draw: bool = False,
) -> _Tests:
    """The t test of every pair, all at once."""
    import numpy as np
    from scipy.special import stdtr, stdtrit

    first, second = np.array(pairs, int).reshape(-1, 2).T
    table = _by_seed(samples)
    count = np.array([len(sample) for sample in samples])
    values = [[value for _, value in sample] for sample in samples]
    means = np.array([mean(own) for own in values])
    errors = np.array(  # squared standard error of each mean
        [(sample_std(own) or 0.0) ** 2 / len(own) for own in values]
    )
    with np.errstate(all='ignore'):
        gaps = table[first] - table[second]
        common = ~np.isnan(gaps)
        shared = common.sum(1)
        paired = shared > 1
        gap = np.where(common, gaps, 0).sum(1) / shared
        rest = np.where(common, gaps - gap[:, None], 0)
        own, other = errors[first], errors[second]
        difference = np.where(paired, gap, means[first] - means[second])
        size = np.maximum(abs(means[first]), abs(means[second]))
        difference[abs(difference) <= ROUNDING * size] = 0
        square = np.where(
            paired, (rest**2).sum(1) / (shared - 1) / shared, own + other
        )
        if new_draw:
            square = np.where(paired, square * (shared + 1), square)
        degrees = np.where(
            paired,
            shared - 1.0,
            (own + other) ** 2
            / (own**2 / (count[first] - 1) + other**2 / (count[second] - 1)),
        )
        error = np.sqrt(square)
        able = paired | (np.minimum(count[first], count[second]) > 1)
        usable = able & (error > ROUNDING * size)
        p = 2 * stdtr(degrees, -abs(difference) / error)
        half = stdtrit(degrees, 0.5 + CONFIDENCE / 2) * error
        usable &= np.isfinite(p) & np.isfinite(half)
    n = np.where(
        paired[:, None],
        shared[:, None],
        np.stack([count[first], count[second]], 1),
    )
    return _Tests(difference, half, n, paired, p, usable)


def verdict(
    values: Sequence[float], published: float, tolerance: float
) -> str:
    """Compare a measured mean with a published value.

    Returns:
        str: ``undecided: one seed`` for a single value; ``reproduced`` when
        the mean and the published value differ by at most ``tolerance``
        points, ``within noise`` when the 95 % interval of the mean contains
        the published value, else ``off``.
    """
    if len(values) < 2:
        return UNDECIDED_ONE_SEED
    if abs(mean(values) - published) <= tolerance + 1e-9:  # 0.1 + 0.2 > 0.3
        return 'reproduced'
    bounds = interval(values)
    if bounds is not None and bounds[0] <= published <= bounds[1]:
        return 'within noise'
    return 'off'
