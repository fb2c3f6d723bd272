"""The formulas against scipy and against numbers worked by hand."""

import itertools
import math
import random

import pytest
import scipy.stats

from ssl_bench.results import stats

SAMPLES = [
    [
        random.Random(seed * 100 + i).uniform(0, 100)
        for i in range(2 + seed % 7)
    ]
    for seed in range(40)
]


@pytest.mark.parametrize('degrees', [1, 2, 4, 30])
def test_t_quantile(degrees):
    assert stats.t_quantile(degrees) == pytest.approx(
        scipy.stats.t.ppf(0.975, degrees), rel=1e-9
    )


def test_interval_by_hand():
    # mean 2, s = 1, t(0.975, 2) = 4.30265: 2 -/+ 4.30265 / sqrt(3)
    low, high = stats.interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((-0.48414, 4.48414), abs=1e-5)
    assert stats.sample_std([1.0, 2.0, 3.0]) == 1
    assert stats.interval([5.0]) is None and stats.sample_std([5.0]) is None


@pytest.mark.parametrize('values', SAMPLES)
def test_interval_equals_scipy(values):
    spread = scipy.stats.tstd(values)
    low, high = stats.interval(values)
    assert stats.sample_std(values) == pytest.approx(spread, abs=1e-7)
    half = (
        scipy.stats.t.ppf(0.975, len(values) - 1) * spread / len(values) ** 0.5
    )
    assert (high - low) / 2 == pytest.approx(half, abs=1e-6)


@pytest.mark.parametrize('values', SAMPLES)
def test_mean_does_not_depend_on_the_order(values):
    shuffled = values[::-1]
    assert stats.mean(values) == stats.mean(shuffled)
    assert stats.sample_std(values) == stats.sample_std(shuffled)


@pytest.mark.parametrize('values', SAMPLES)
def test_mean_and_deviation_by_exact_sums(values):
    """The formulas, written out; the mean to the last bit."""
    mean = math.fsum(values) / len(values)
    assert stats.mean(values) == mean
    squares = math.fsum((value - mean) ** 2 for value in values)
    assert stats.sample_std(values) == pytest.approx(
        math.sqrt(squares / (len(values) - 1)), rel=1e-15
    )


def test_a_small_deviation_of_large_values_is_exact():
    assert stats.sample_std([1e9, 1e9 + 1, 1e9 + 2]) == 1
    assert stats.sample_std([0.1] * 5) == 0


def test_paired_difference_equals_scipy():
    a = {0: 50.2, 1: 51.0, 2: 50.7, 7: 99.0}
    b = {0: 49.0, 1: 50.5, 2: 49.1, 8: 1.0}
    found = stats.difference(a, b)
    test = scipy.stats.ttest_rel(
        [a[i] for i in range(3)], [b[i] for i in range(3)]
    )
    expected = test.confidence_interval(0.95)
    assert found.pairs == 3
    assert found.mean == pytest.approx(1.1)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.within_noise == (test.pvalue > 0.05)


def test_difference_without_pairs():
    found = stats.difference({0: 3.0, 1: 5.0}, {2: 1.0})
    assert (found.mean, found.interval, found.pairs) == (3.0, None, 0)
    assert found.within_noise is None
    assert stats.difference({0: 3.0}, {0: 1.0}).interval is None


def test_within_noise_is_whether_the_interval_holds_zero():
    assert stats.Difference(0.1, (-0.1, 0.3), 3).within_noise is True
    assert stats.Difference(0.1, (0.05, 0.15), 3).within_noise is False


def test_tie_groups_by_hand():
    means = [10.0, 9.5, 8.0, 7.9]
    bounds = [(9.0, 11.0), (9.2, 9.8), (7.5, 8.5), None]
    groups = stats.tie_groups(means, bounds)
    assert groups == [[0, 1], [2, 3]]
    assert stats.places(groups) == [1.5, 1.5, 3.5, 3.5]


def test_overlap_is_with_the_best_of_the_group():
    # 1 overlaps 0, 2 overlaps 1 only: no chain of ties
    groups = stats.tie_groups(
        [10.0, 9.0, 8.0], [(9.4, 10.6), (8.4, 9.6), (7.4, 8.6)]
    )
    assert groups == [[0, 1], [2]]


def test_lower_is_better_turns_the_order():
    assert stats.tie_groups([50.0, 40.0], [None, None], False) == [[1], [0]]


@pytest.mark.parametrize('seed', range(20))
def test_places_equal_scipy_ranks_where_ties_are_equal_values(seed):
    values = [
        float(random.Random(seed * 10 + i).randint(0, 4)) for i in range(8)
    ]
    groups = stats.tie_groups(values, [None] * 8)
    expected = scipy.stats.rankdata([-v for v in values], 'average')
    assert stats.places(groups) == list(expected)


def test_places_sum_is_fixed():
    for order in itertools.permutations(range(4)):
        groups = [[order[0]], list(order[1:3]), [order[3]]]
        assert sum(stats.places(groups)) == 10


@pytest.mark.parametrize(
    'measured, bounds, expected',
    [
        (57.4, None, 'reproduced'),
        (57.5, None, 'reproduced'),
        (57.6, None, 'off'),
        (56.2, (55.0, 57.4), 'within noise'),
        (56.2, (56.0, 56.4), 'off'),
        (56.5, (56.4, 56.6), 'reproduced'),
    ],
)
def test_verdict(measured, bounds, expected):
    assert stats.verdict(measured, bounds, 57.0, 0.5) == expected


def test_verdict_at_the_tolerance_in_binary():
    assert stats.verdict(0.1 + 0.2, None, 0.0, 0.3) == 'reproduced'
