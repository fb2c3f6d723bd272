"""How numbers are rounded for people; files keep the full precision.

The terminal, Markdown, LaTeX, the page and the command line show these texts,
so that a number has the same digits everywhere.
"""

from ssl_bench.results.stats import Interval


def _fixed(number: float, digits: int, sign: str = '') -> str:
    text = f'{number:{sign}.{digits}f}'
    # no minus before a zero
    return text if float(text) else text.replace('-', sign)


def value(number: float) -> str:
    """A metric: ``57.3``."""
    return _fixed(number, 1)


def signed(number: float) -> str:
    """A difference of metrics: ``+0.3``, ``-0.3``."""
    return _fixed(number, 1, '+')


def spread(mean: float, std: float | None) -> str:
    """Mean and deviation: ``57.3 ± 0.2``; ``57.3`` for one seed."""
    return value(mean) + ('' if std is None else f' ± {value(std)}')


def bounds(interval: Interval) -> str:
    """An interval of metrics: ``56.6 to 57.9``."""
    return f'{value(interval[0])} to {value(interval[1])}'


def rank(number: float) -> str:
    """An average rank: ``1.75``."""
    return _fixed(number, 2)


def as_printed(number: float) -> str:
    """A number of a paper with all of its digits: ``57.0``, ``39.82``."""
    text = f'{number:.10g}'
    return text if '.' in text else f'{text}.0'


def short(number: float) -> str:
    """A time, a speed or a size: four digits."""
    return f'{number:.4g}'
