"""The table of a judgement: a line for each mode and fraction."""

from collections.abc import Sequence

from ssl_bench.errors import shown
from ssl_bench.judge.answers import NAME, Line, Versus
from ssl_bench.judge.pairing import percent
from ssl_bench.judge.scores import Study
from ssl_bench.results import rounding, stats
from ssl_bench.results.grid import NONE, Cell, Grid, Part

HEADS = ('mode', 'n', 'own', 'control', 'difference', 'answer', 'rates')
LEGEND = (
    'n: seeds that both have. own, control: means over them. difference: own '
    'minus control, with its 95% interval, that of one more draw of weights. '
    "answer: after Holm's correction for all lines. "
    'rates: learning rates that were chosen for both.'
)


def line_grids(lines: Sequence[Line], study: Study) -> list[Grid]:
    """A table for each pair; the legend is under the last one.

    Args:
        lines (Sequence[Line]): Those of a pair are next to each other.
        study (Study): What they are of.
    """
    found: dict[Versus, Grid] = {}
    lower = '' if study.higher_is_better else ' (lower is better)'
    for line in lines:
        versus = line.versus
        title = (
            f'{shown(study.metric, NAME)}{lower}: '
            f'{shown(versus.weights, NAME)} against {versus.control_text}'
        )
        grid = found.setdefault(versus, Grid(title, list(HEADS), []))
        grid.body.append(_row(line, study.places))
    grids = list(found.values())
    if grids:
        grids[-1].notes.append(LEGEND)
    return grids


def _row(line: Line, places: int) -> list[Cell]:
    own, control = (
        NONE if mean is None else rounding.fixed(mean, places)
        for mean in line.means
    )
    found = line.found
    gap, answer = NONE, NONE
    if found is not None:
        gap = rounding.signed(found.difference, places)
        if found.interval is not None:
            gap += f' {rounding.signed_bounds(found.interval, places)}'
        answer = found.answer
    return [
        [Part(f'{line.cell[0]} {percent(line.cell[1])}', 'name')],
        [Part(str(len(line.seeds)))],
        [Part(own, 'measured')],
        [Part(control, 'measured')],
        [Part(gap, 'difference')],
        [Part(answer, 'best' if answer == stats.BETTER else 'plain')],
        [Part(' / '.join(map(_rates, line.rates)))],
    ]


def _rates(rates: Sequence[float]) -> str:
    """``0.1``, or ``0.1-0.3`` where seeds have different ones."""
    if not rates:
        return NONE
    low, high = (f'{rate:.3g}' for rate in (rates[0], rates[-1]))
    return low if low == high else f'{low}-{high}'
