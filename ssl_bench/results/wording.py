"""The answers of `stats` in words: the same on every output."""

from ssl_bench.results import rounding, stats
from ssl_bench.results.table import BEATEN, UNBEATEN, Row

STANDINGS = {
    UNBEATEN: 'no other method is shown to be better',
    BEATEN: 'another method is shown to be better',
    stats.UNDECIDED: 'no method is shown to be better than another',
}
RULE = (
    'Better and worse: below 5% by the paired t test over common seeds '
    "(Welch's where fewer than two are common), after Holm's correction "
    'for all comparisons of the metric, backbone and protocol; [..] is the '
    '95% interval of the one difference. n=3: common seeds; n=3+2: seeds of '
    'each. One seed decides nothing.'
)


def interval(row: Row) -> str:
    """``[56.6, 57.9], n=3``: the 95% interval of a measured mean."""
    n = len(row.values)
    return bounds(row) + (f', n={n}' if n > 1 else '')


def bounds(row: Row) -> str:
    """``[56.6, 57.9]``: the interval alone, or why there is none."""
    if not row.values:
        return ''
    if len(row.values) == 1:
        return stats.UNDECIDED_ONE_SEED
    if row.interval is None:
        return stats.NO_SPREAD
    return rounding.bounds(row.interval, row.places)


def seeds(found: stats.Comparison) -> str:
    """``n=3`` common seeds, or ``n=3+2`` seeds of each."""
    own, other = found.n
    return f'n={own}' if found.paired else f'n={own}+{other}'


def reason(found: stats.Comparison) -> str:
    """Why a test decided nothing, where its interval does not tell."""
    if found.reason or found.decided or found.p is None:
        return found.reason
    alone = found.p < 1 - stats.CONFIDENCE
    return f'one of {found.tests} comparisons' if alone else ''


def comparison(found: stats.Comparison, places: int) -> str:
    """``better by 1.2 [0.3, 2.1], n=3``; also when it decides nothing.

    By how much it is better or worse has no sign; a difference that is
    undecided has the sign of this row minus the other, in the metric's
    unit. Where it would be decided alone and is not after Holm's
    correction, the number of comparisons is named.
    """
    gap = rounding.signed(found.difference, places)
    if found.interval is None:
        return f'{found.answer}: {found.reason} ({gap}), {seeds(found)}'
    if not found.decided:
        text = f'{gap} {rounding.signed_bounds(found.interval, places)}'
        why = f'; {reason(found)}' if reason(found) else ''
        return f'{found.answer}: {text}, {seeds(found)}{why}'
    low, high = found.interval
    if found.difference < 0:
        low, high = -high, -low
    return (
        f'{found.answer} by {rounding.fixed(abs(found.difference), places)} '
        f'{rounding.bounds((low, high), places)}, {seeds(found)}'
    )


def against(name: str, found: stats.Comparison, places: int) -> str:
    """``worse than InsLoc by 1.2 [0.3, 2.1], n=3``."""
    text = comparison(found, places)
    if not found.decided:
        return f'{name}: {text}'
    return text.replace(' by ', f' than {name} by ', 1)


def test(found: stats.Comparison) -> str:
    """``paired t test, p 0.012, after Holm 0.036 (3 comparisons)``."""
    if found.p is None or found.adjusted is None:
        return ''
    name = 'paired t test' if found.paired else "Welch's t test"
    return (
        f'{name}, p {rounding.probability(found.p)}, after Holm '
        f'{rounding.probability(found.adjusted)} ({found.tests} comparisons)'
    )


def standing(row: Row) -> str:
    """``1: no other method is shown to be better``; empty when alone."""
    place = '' if row.place is None else f'{row.place}: '
    return place + STANDINGS.get(row.standing, row.standing)
