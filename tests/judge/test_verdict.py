"""What a judgement says of scores: checked by hand, and by simulation."""

import math
from dataclasses import replace

import judge_null
import pytest
from judge_null import World
from scipy import stats as scipy_stats

from ssl_bench.judge.answers import BETTER, CAP, NO_DIFFERENCE, TOO_FEW, WORSE
from ssl_bench.judge.scores import FINE_TUNED, FROZEN, Score
from ssl_bench.judge.verdict import half_width, lines, more_seeds, verdicts

UNIT = 'points of top1'
CELLS = ((FROZEN, 0.1), (FINE_TUNED, 1.0))


def scores_of(label, values, control='', cells=CELLS, rate=None):
    """Values by seed; the same in every cell."""
    return [
        Score(label, control, *cell, seed, value, rate)
        for cell in cells
        for seed, value in enumerate(values)
    ]


def judged(own, other, control='random', higher=True):
    """The one verdict of a checkpoint and a control."""
    scores = scores_of('a.pth', own) + scores_of('c', other, control)
    (found,) = verdicts(scores, higher, UNIT)
    return found


def test_random_weights_are_compared_by_the_interval_of_one_new_draw():
    found = judged([70, 72, 71], [60, 60, 60])
    differences = [10, 12, 11]
    t = scipy_stats.t.ppf(0.975, 2)
    half = t * 1.0 * math.sqrt(1 + 1 / 3)  # their deviation is 1
    assert found.found.interval == pytest.approx((11 - half, 11 + half))
    # the same as a two-sample t test of one value against n values
    p = scipy_stats.ttest_ind([0.0], differences).pvalue
    assert found.found.p == pytest.approx(p)
    assert found.answer == BETTER and found.seeds == (0, 1, 2)


def test_a_file_of_supervised_weights_is_compared_in_the_same_way():
    own, other = [70, 72, 71.5], [65, 70, 68]
    found = judged(own, other, 'supervised').found
    assert found.interval == judged(own, other).found.interval


def test_lower_can_be_better():
    assert judged([1, 1.1, 1], [5, 5.2, 5.1], higher=False).answer == BETTER
    assert judged([1, 1.1, 1], [5, 5.2, 5.1], higher=True).answer == WORSE


def test_sentences_word_for_word():
    better = judged([70, 72, 71], [60, 60, 60])
    assert better.sentence == (
        'a.pth is better than the random weights c: +11.0 points of top1 '
        '[+6.0, +16.0], 3 seeds, mean over frozen at 10%, fine-tuned at 100%.'
    )
    waiting = judged([63, 64, 62], [60, 60, 60])
    assert waiting.answer == TOO_FEW and waiting.more == 3
    assert waiting.sentence.startswith(
        'Not enough runs to tell a.pth from the random weights c: +3.0'
    )
    assert waiting.sentence.endswith(
        '; 3 more seeds would decide it, if difference and spread stay.'
    )
    never = judged([61, 64, 58], [60, 60, 60])
    assert never.answer == NO_DIFFERENCE and never.more is None
    assert never.sentence.startswith(
        'No difference shown between a.pth and the random weights c: +1.0'
    )
    assert never.sentence.endswith(
        '; 30 seeds would not decide it either, if difference and spread stay.'
    )


def test_the_number_of_seeds_it_asks_for_decides():
    """A difference of 3 with a deviation of 1: 3.04 is needed with 5."""
    t4, t5 = (scipy_stats.t.ppf(0.975, n - 1) for n in (4, 5))
    assert t4 * math.sqrt(1 + 1 / 4) > 3.0
    assert half_width(1.0, 4) == pytest.approx(t4 * math.sqrt(1.25))
    assert t5 * math.sqrt(1 + 1 / 5) == pytest.approx(3.041, abs=0.001)
    assert more_seeds(3.0, 1.0, 3, 1) == 3
    assert more_seeds(3.1, 1.0, 3, 1) == 2


def test_a_larger_difference_never_asks_for_more():
    asked = [more_seeds(gap / 10, 1.0, 3, 2) for gap in range(1, 120)]
    known = [CAP if more is None else more for more in asked]
    assert known == sorted(known, reverse=True)
    assert asked[0] is None and asked[-1] == 1
    wider = [more_seeds(3.0, s / 10, 3, 1) for s in range(1, 80)]
    known = [CAP if more is None else more for more in wider]
    assert known == sorted(known)


def test_one_seed_and_no_pair_are_not_enough():
    one = judged([90], [10])
    assert (one.answer, one.more) == (TOO_FEW, 2)
    assert 'at least 2 more seeds needed' in one.sentence
    scores = scores_of('a.pth', [90]) + [
        Score('random', 'random', FROZEN, 0.1, 5, 10.0)
    ]
    (none,) = verdicts(scores, True, UNIT)
    assert (none.answer, none.more, none.found) == (TOO_FEW, 3, None)
    assert 'no seed has runs of both' in none.sentence


def test_without_spread_nothing_is_decided():
    same = judged([62.5] * 3, [60] * 3)
    assert same.answer == TOO_FEW
    assert 'the same for every seed, so its chance is not known' in (
        same.sentence
    )
    equal = judged([60] * 3, [60] * 3)
    assert equal.answer == NO_DIFFERENCE and equal.more is None
    assert equal.sentence.endswith('the two are equal for every seed.')


def test_a_checkpoint_without_a_control_is_in_the_report():
    (found,) = verdicts(scores_of('a.pth', [70, 71, 72]), True, UNIT)
    assert found.answer == TOO_FEW
    assert 'from random weights: no seed has runs of both' in found.sentence


def test_only_seeds_with_all_runs_of_both_count():
    scores = scores_of('a.pth', [70, 72, 71, 73]) + scores_of(
        'random', [60, 60, 60, 60], 'random'
    )
    lost = [
        replace(score, value=math.nan)
        if (score.weights, *score.cell, score.seed)
        == ('a.pth', FROZEN, 0.1, 3)
        else score
        for score in scores
    ]
    (found,) = verdicts(lost, True, UNIT)
    assert found.seeds == (0, 1, 2) and found.found.difference == 11.0
    assert found.sentence.endswith(
        '; left out: seed 3 (not both have a run frozen at 10%).'
    )


def test_a_cell_of_one_only_is_not_averaged():
    scores = scores_of('a.pth', [70, 72, 71]) + scores_of(
        'random', [60, 60, 60], 'random', CELLS[:1]
    )
    (found,) = verdicts(scores, True, UNIT)
    assert found.cells == CELLS[:1]
    assert 'left out: fine-tuned at 100% (no seed has runs of both)' in (
        found.sentence
    )


def test_seeds_are_paired_by_their_number_and_not_by_their_order():
    ahead = scores_of('a.pth', [70, 80, 90])
    control = scores_of('random', [60, 71, 80.5], 'random')
    expected = verdicts(ahead + control, True, UNIT)
    turned = verdicts(ahead[::-1] + control, True, UNIT)
    assert turned == expected
    assert expected[0].found.difference == pytest.approx(9.5)


def test_several_checkpoints_share_the_error_of_five_percent():
    """p of each is multiplied by how many are not decided yet (Holm)."""
    control = scores_of('random', [60, 60, 60], 'random')
    own = scores_of('a.pth', [70, 72, 71])
    (alone,) = verdicts(own + control, True, UNIT)
    assert alone.found.p == pytest.approx(0.01084, abs=1e-5)
    rest = [
        score
        for i in range(4)
        for score in scores_of(f'b{i}.pth', [61, 64, 58])
    ]
    found = verdicts(own + rest + control, True, UNIT)
    assert found[0].found.adjusted == pytest.approx(5 * alone.found.p)
    assert found[0].answer == TOO_FEW
    assert 'its interval alone leaves out 0, but it is one of 5' in (
        found[0].sentence
    )


def test_a_run_twice_is_refused():
    scores = scores_of('a.pth', [70, 71])
    with pytest.raises(ValueError, match='two scores of a.pth, frozen at 10'):
        verdicts(scores + scores[:1], True, UNIT)


@pytest.mark.parametrize(
    'wrong', [dict(control='x'), dict(mode='x'), dict(fraction=10.0)]
)
def test_scores_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match='no kind|no mode|not in'):
        replace(scores_of('a.pth', [1.0])[0], **wrong)


def test_lines_are_of_one_cell_with_their_rates():
    scores = scores_of('a.pth', [70, 72, 71], rate=0.1) + scores_of(
        'random', [60, 61, 60], 'random', rate=0.01
    )
    found = lines(scores, True)
    assert [line.cell for line in found] == list(CELLS)
    assert found[0].means == pytest.approx((71, 181 / 3))
    assert found[0].rates == ((0.1,), (0.01,))
    assert found[0].found.tests == 2
    assert found[0].found.adjusted == pytest.approx(2 * found[0].found.p)


def test_a_name_cannot_write_to_the_terminal():
    scores = scores_of('a\x1b[31m\n.pth', [1, 2, 3]) + scores_of(
        'random', [1, 2, 4], 'random'
    )
    text = verdicts(scores, True, UNIT)[0].sentence
    assert text.isprintable()


NULLS = [
    'weights alone vary',
    'weights and runs vary alike',
    'scores of 40 test images',
    'supervised, one rate for all seeds',
]


@pytest.mark.slow
@pytest.mark.parametrize('seeds', [3, 5])
@pytest.mark.parametrize('checkpoints', [1, 3])
@pytest.mark.parametrize('name', NULLS)
def test_false_better_is_at_most_five_percent(name, checkpoints, seeds):
    """Of any checkpoint. By two-sided tests 2.5% are expected at most."""
    world = judge_null.WORLDS[name]
    found = list(judge_null.answers(world, seeds, checkpoints, 1000))
    assert judge_null.rate(found, BETTER) <= 0.05
    assert judge_null.rate(found, WORSE) <= 0.05


@pytest.mark.slow
def test_the_plain_paired_interval_would_be_too_narrow():
    """Why the interval is another one: the simulation tells."""
    world = judge_null.WORLDS['weights alone vary']
    assert judge_null.plain_rate(world, 5, 500) > 0.1


@pytest.mark.slow
def test_a_clear_effect_is_found():
    found = list(judge_null.answers(World(), 5, 3, 300, effect=8.0))
    assert sum(one == [BETTER] * 3 for one in found) > 0.95 * len(found)
    found = list(judge_null.answers(World(), 5, 1, 300, effect=-8.0))
    assert judge_null.rate(found, WORSE) > 0.95
