"""How numbers are rounded for people; files keep the full precision.

The terminal, Markdown, LaTeX, the page and the command line show these texts,
so that a number has the same digits everywhere. How many decimals a metric
has is said by its task (`tasks.facts.Metric.places`).
"""

from decimal import ROUND_HALF_UP, Context, Decimal

from ssl_bench.results.stats import Interval

EXACT = 1e15  # larger numbers have no digits behind the point


def exact(number: float) -> str:
    """Ten digits without trailing zeros, as files hold numbers."""
    return f'{number:.10g}'


def fixed(number: float, places: int, sign: str = '') -> str:
    """A number with so many decimals; halves go away from zero.

    It starts from the ten digits that files hold, so that who rounds a
    number of the CSV gets the number of the page: 17.25 is 17.3.
    """
    if not abs(number) < EXACT:
        return f'{number:{sign}.{places}f}'
    digits = Decimal(exact(number + 0.0)).quantize(  # -0.0 has no sign
        Decimal(1).scaleb(-places), ROUND_HALF_UP
    )
    return f'{digits:{sign}.{places}f}'


def signed(number: float, places: int) -> str:
    """A difference of metrics: ``+0.3``, ``-0.3``; ``-0.0`` for -0.04."""
    return fixed(number, places, '+')


def spread(mean: float, std: float | None, places: int) -> str:
    """Mean and deviation: ``57.3 ± 0.2``; ``57.3`` for one seed."""
    more = '' if std is None else f' ± {fixed(std, places)}'
    return fixed(mean, places) + more


def bounds(interval: Interval, places: int) -> str:
    """An interval of a metric: ``[56.6, 57.9]``."""
    return f'[{fixed(interval[0], places)}, {fixed(interval[1], places)}]'


def signed_bounds(interval: Interval, places: int) -> str:
    """An interval of a difference: ``[-1.4, -0.0]`` does not contain zero."""
    return f'[{signed(interval[0], places)}, {signed(interval[1], places)}]'


def rank(number: float) -> str:
    """An average rank: ``1.75``."""
    return fixed(number, 2)


def rank_bounds(interval: Interval) -> str:
    """An interval of an average rank: ``[1.00, 2.25]``."""
    return f'[{rank(interval[0])}, {rank(interval[1])}]'


def as_rank(number: float) -> str:
    """A rank on one task: ``2``, ``2.5``."""
    return exact(number)


def probability(p: float) -> str:
    """A p value: ``0.031``, ``< 0.001``."""
    return '< 0.001' if p < 0.001 else fixed(p, 3)


def as_printed(number: float, places: int) -> str:
    """A number of a paper with all of its digits: ``57.0``, ``39.82``.

    Args:
        number (float): As a file holds it, without zeros at the end.
        places (int): Decimals at least.
    """
    text = exact(number)
    digits = len(text.partition('.')[2])
    return text if digits >= places else fixed(number, places)


def short(number: float) -> str:
    """A time, a speed or a size: four digits, no exponent."""
    if abs(number) >= 1000:
        return fixed(number, 0)
    four = Context(prec=4, rounding=ROUND_HALF_UP)
    return f'{four.create_decimal(exact(number)).normalize():f}'
