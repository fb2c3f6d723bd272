"""How numbers are rounded for people; files keep the full precision.

The terminal, Markdown, LaTeX, the page and the command line show these texts,
so that a number has the same digits everywhere.
"""

from ssl_bench.results.stats import Interval


def value(number: float) -> str:
    """A metric: ``57.3``."""
    return f'{number:.1f}'


def signed(number: float) -> str:
    """A difference of metrics: ``+0.3``, ``-0.3``; ``-0.0`` for -0.04."""
    return f'{number:+.1f}'


def spread(mean: float, std: float | None) -> str:
    """Mean and deviation: ``57.3 ± 0.2``; ``57.3`` for one seed."""
    return value(mean) + ('' if std is None else f' ± {value(std)}')


def bounds(interval: Interval) -> str:
    """An interval of a metric: ``56.6 to 57.9``."""
    return f'{value(interval[0])} to {value(interval[1])}'


def signed_bounds(interval: Interval) -> str:
    """An interval of a difference: ``-1.4 to -0.0`` does not contain zero."""
    return f'{signed(interval[0])} to {signed(interval[1])}'


def rank(number: float) -> str:
    """An average rank: ``1.75``."""
    return f'{number:.2f}'


def as_printed(number: float) -> str:
    """A number of a paper with all of its digits: ``57.0``, ``39.82``."""
    text = f'{number:.10g}'
    return text if '.' in text else f'{text}.0'


def short(number: float) -> str:
    """A time, a speed or a size: four digits, no exponent."""
    return f'{number:.0f}' if abs(number) >= 1000 else f'{number:.4g}'
