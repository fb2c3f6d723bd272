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


def test_values_equal_but_for_rounding_have_no_interval():
    assert stats.interval([0.1 + 0.2, 0.3]) is None


def test_a_small_deviation_of_large_values_is_exact():
    assert stats.sample_std([1e9, 1e9 + 1, 1e9 + 2]) == 1
    assert stats.sample_std([0.1] * 5) == 0


def seeded(values, first=0):
    return list(enumerate(values, first))


def of_two(a, b, higher=True):
    [found] = stats.compare([a, b], [(0, 1)], higher)
    return found


def test_shared_seeds_are_paired_as_in_scipy():
    a = [(0, 50.2), (1, 51.0), (2, 50.7), (7, 99.0)]
    b = [(0, 49.0), (1, 50.5), (2, 49.1), (8, 1.0)]
    found = of_two(a, b)
    test = scipy.stats.ttest_rel([50.2, 51.0, 50.7], [49.0, 50.5, 49.1])
    assert (found.paired, found.n, found.tests) == (True, (3, 3), 1)
    assert found.difference == pytest.approx(1.1)
    assert found.interval == pytest.approx(tuple(test.confidence_interval()))
    assert found.p == found.adjusted == pytest.approx(test.pvalue)
    assert (found.answer, found.reason) == ('undecided', '')


@pytest.mark.parametrize('sizes', [(2, 2), (3, 3), (5, 2), (2, 7), (4, 9)])
def test_other_seeds_are_compared_by_welch_as_in_scipy(sizes):
    dice = random.Random(str(sizes))
    a, b = ([dice.gauss(50, 3) for _ in range(size)] for size in sizes)
    for shared in (0, 1):  # a single common seed is no pair
        found = of_two(seeded(a), seeded(b, len(a) - shared))
        test = scipy.stats.ttest_ind(a, b, equal_var=False)
        assert (found.paired, found.n) == (False, sizes)
        assert found.difference == pytest.approx(
            sum(a) / len(a) - sum(b) / len(b)
        )
        assert found.p == pytest.approx(test.pvalue, rel=1e-9)
        assert found.interval == pytest.approx(
            tuple(test.confidence_interval(0.95)), rel=1e-9
        )


@pytest.mark.parametrize('seed', range(30))
def test_one_test_alone_decides_as_its_interval_does(seed):
    dice = random.Random(seed)
    a = [(i, dice.gauss(50, 1)) for i in range(2 + seed % 4)]
    b = [(i + seed % 3, dice.gauss(52, 1)) for i in range(2 + seed % 3)]
    found = of_two(a, b)
    low, high = found.interval
    assert found.decided == (found.p < 0.05) == (not low <= 0 <= high)
    assert of_two(b, a) == found.turned()
    assert of_two(a, b, higher=False).answer == of_two(b, a).answer


def test_better_is_lower_for_errors():
    low, high = seeded([48.0, 48.3, 48.1]), seeded([50.0, 50.2, 50.2])
    assert of_two(low, high, False).answer == 'better'
    assert of_two(low, high, True).answer == 'worse'
    unknown = of_two(low, high, None)
    assert unknown.answer == 'undecided'
    assert unknown.reason == 'not known whether higher is better'
    assert unknown.p < 0.05 and unknown.interval


@pytest.mark.parametrize(
    'a, b',
    [
        ([(0, 90.0)], [(0, 10.0)]),
        ([(0, 90.0)], [(1, 10.0)]),
        ([(0, 90.0)], [(0, 10.0), (1, 10.1), (2, 9.9)]),
        ([(3, 90.0)], [(0, 10.0), (1, 10.1), (2, 9.9)]),
    ],
)
def test_one_seed_decides_nothing(a, b):
    """A single run was once taken as exact."""
    found = of_two(a, b)
    assert (found.answer, found.reason) == ('undecided', 'one seed')
    assert found.difference == pytest.approx(80.0)
    assert found.interval is found.p is found.adjusted is None
    assert found.tests == 0
    assert stats.UNDECIDED_ONE_SEED == 'undecided: one seed'


def test_differences_without_spread_decide_nothing():
    """Of a probe that has no chance in it each seed gives one number."""
    constant, other = seeded([50.1] * 3), seeded([40.1] * 3)
    for b in (other, seeded([40.1] * 2, 7), constant):
        found = of_two(constant, b)
        assert (found.answer, found.p) == ('undecided', None)
        assert found.reason == 'the seeds changed nothing'
    moved = seeded([40.1, 41.1, 43.3])
    shifted = [(seed, value + 0.1) for seed, value in moved]  # to 1e-14
    assert of_two(moved, shifted).reason == 'the seeds changed nothing'
    # the spread of one of the two is enough for a test
    found = of_two(constant, moved)
    test = scipy.stats.ttest_rel([50.1] * 3, [40.1, 41.1, 43.3])
    assert found.p == pytest.approx(test.pvalue) and found.answer == 'better'
    far = of_two(constant, seeded([40.1, 41.1, 43.3], 7))
    test = scipy.stats.ttest_ind(
        [50.1] * 3, [40.1, 41.1, 43.3], equal_var=False
    )
    assert far.p == pytest.approx(test.pvalue)
    assert stats.interval([50.1] * 3) is None


def test_a_seed_that_occurs_twice_is_not_paired():
    twice = [(0, 50.0), (0, 51.0), (1, 52.0)]
    found = of_two(twice, seeded([40.0, 41.5]))
    test = scipy.stats.ttest_ind([50, 51, 52], [40, 41.5], equal_var=False)
    assert (found.paired, found.n) == (False, (3, 2))
    assert found.p == pytest.approx(test.pvalue)


def test_holm_by_hand():
    # sorted: .005 * 5, .011 * 4, .02 * 3, .04 * 2, .13 * 1
    assert stats.holm([0.04, 0.005, 0.13, 0.011, 0.02]) == pytest.approx(
        [0.08, 0.025, 0.13, 0.044, 0.06]
    )
    # never below the one before it (.03 * 2 and .031 * 1), never above 1
    assert stats.holm([0.031, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([0.9, 0.8]) == [1, 1]
    assert stats.holm([]) == []


def test_holm_is_over_the_tests_that_were_made():
    samples = [
        seeded([50.0, 50.6, 51.1]),
        seeded([49.0, 49.9, 50.0]),
        seeded([45.0, 46.0, 46.3]),
        seeded([1.0]),
    ]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2)]
    found = stats.compare(samples, pairs, True)
    raw = [
        scipy.stats.ttest_rel(
            [v for _, v in samples[i]], [v for _, v in samples[j]]
        ).pvalue
        for i, j in pairs
        if j != 3
    ]
    tested = [item for item in found if item.p is not None]
    assert [item.p for item in tested] == pytest.approx(raw)
    assert [item.adjusted for item in tested] == pytest.approx(stats.holm(raw))
    assert {item.tests for item in tested} == {3}
    assert [item.decided for item in tested] == [
        p < 0.05 for p in stats.holm(raw)
    ]
    assert found[2].reason == 'one seed'


def test_chance_alone_is_rarely_called_a_difference():
    """Five equal methods, three seeds: some pair in at most 5 % of tables."""
    dice, wrong = random.Random(0), 0
    pairs = list(itertools.combinations(range(5), 2))
    for _ in range(400):
        samples = [
            seeded([dice.gauss(50, 1) for _ in range(3)]) for _ in range(5)
        ]
        found = stats.compare(samples, pairs, True)
        wrong += any(item.decided for item in found)
    assert wrong <= 400 * 0.05 + 3 * (400 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize(
    'values, expected',
    [
        ([57.3, 57.4, 57.5], 'reproduced'),
        ([57.4, 57.5, 57.6], 'reproduced'),
        ([57.5, 57.6, 57.7], 'off'),
        ([55.9, 56.2, 56.6], 'within noise'),
        ([56.1, 56.2, 56.3], 'off'),
        ([56.2, 56.2, 56.2], 'off'),
        ([57.0], 'undecided: one seed'),
        ([90.0], 'undecided: one seed'),
    ],
)
def test_verdict(values, expected):
    assert stats.verdict(values, 57.0, 0.5) == expected


def test_verdict_at_the_tolerance_in_binary():
    assert stats.verdict([0.1 + 0.2] * 2, 0.0, 0.3) == 'reproduced'
