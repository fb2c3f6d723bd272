"""What is shown of a checkpoint, and the sentence that says so."""

from collections.abc import Iterator
from dataclasses import dataclass

from ssl_bench.errors import shown
from ssl_bench.judge.pairing import cells_text
from ssl_bench.judge.scores import Cell
from ssl_bench.results import rounding, stats, wording

BETTER, WORSE = stats.BETTER, stats.WORSE
NO_DIFFERENCE, TOO_FEW = 'no difference shown', 'not enough runs'
CAP = 30  # seeds; no more are asked for
NAME = 60  # characters of a label in a sentence


@dataclass(frozen=True)
class Versus:
    """A checkpoint and what it is compared with.

    Attributes:
        weights, control (str): Labels of the two.
        kind (str): ``random`` or ``supervised``.
    """

    weights: str
    control: str
    kind: str

    @property
    def control_text(self) -> str:
        """``random weights``, or the label of supervised weights."""
        name = shown(self.control, NAME)
        if self.control == self.kind:
            return f'{name} weights'
        return f'the {self.kind} weights {name}'


@dataclass(frozen=True)
class Verdict:
    """What is shown of a checkpoint against a control.

    Attributes:
        versus (Versus): The two.
        answer (str): ``better``, ``worse``, ``no difference shown`` or ``not
            enough runs``.
        found (stats.Comparison, optional): The checkpoint minus the control,
            averaged over the cells; None without a pair of runs.
        seeds (tuple[int, ...]): That were paired.
        cells (tuple[Cell, ...]): Modes and fractions that were averaged.
        more (int, optional): Seeds to add, with which the difference and its
            spread would decide if they stayed as they are; None after a
            decision, or if `CAP` seeds in all would not decide.
        left_out (tuple[str, ...]): Cells and seeds that did not count.
        unit (str): What a difference is counted in: ``points of top1``.
        places (int): Decimals in the sentence.
    """

    versus: Versus
    answer: str
    found: stats.Comparison | None
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    more: int | None
    left_out: tuple[str, ...]
    unit: str
    places: int

    @property
    def sentence(self) -> str:
        """All of this for people, with a full stop."""
        return '; '.join([self._claim(), *self._remarks()]) + '.'

    def _claim(self) -> str:
        """``moco.pth is better than random weights: +3.1 points ...``."""
        name, control = shown(self.versus.weights, NAME), self.versus
        start = {
            BETTER: f'{name} is better than {control.control_text}',
            WORSE: f'{name} is worse than {control.control_text}',
            NO_DIFFERENCE: 'No difference shown between '
            f'{name} and {control.control_text}',
            TOO_FEW: f'Not enough runs to tell {name} from '
            f'{control.control_text}',
        }[self.answer]
        if self.found is None:
            return f'{start}: no seed has runs of both'
        gap = rounding.signed(self.found.difference, self.places)
        unit = shown(self.unit)
        bounds = ''
        if self.found.interval is not None:
            limits = rounding.signed_bounds(self.found.interval, self.places)
            bounds = f' {limits}'
        n = len(self.seeds)
        return (
            f'{start}: {gap} {unit}{bounds}, {n} seed{"s" * (n > 1)}, '
            f'{"mean over " * (len(self.cells) > 1)}{cells_text(self.cells)}'
        )

    def _remarks(self) -> Iterator[str]:
        """Why it is not decided, what would decide, what does not count."""
        found = self.found
        if found and not found.decided and found.reason == stats.NO_SPREAD:
            yield (
                'the difference is the same for every seed, so its chance is '
                'not known'
                if found.difference
                else 'the two are equal for every seed'
            )
        elif found and found.p is not None and wording.reason(found):
            yield (
                f'its interval alone leaves out 0, but it is '
                f'{wording.reason(found)}'
            )
        if self.more:
            yield self._more_text(self.more)
        elif self.answer == NO_DIFFERENCE and found and found.difference:
            yield (
                f'{CAP} seeds would not decide it either, if difference and '
                'spread stay'
            )
        if self.left_out and self.cells:
            yield f'left out: {", ".join(self.left_out)}'

    def _more_text(self, more: int) -> str:
        seeds = f'{more} more seed{"s" * (more > 1)}'
        if self.found is None or self.found.interval is None:
            return f'at least {seeds} needed'
        return f'{seeds} would decide it, if difference and spread stay'


@dataclass(frozen=True)
class Line:
    """A checkpoint and a control in one mode and fraction.

    Attributes:
        versus (Versus): The two.
        cell (Cell): Mode and fraction.
        means (tuple): Mean over the paired seeds of the checkpoint and of the
            control; None without a pair.
        rates (tuple): The learning rates that were chosen for each.
        seeds (tuple[int, ...]): That were paired.
        found (stats.Comparison, optional): As of a `Verdict`; all lines are
            one family of tests.
    """

    versus: Versus
    cell: Cell
    means: tuple[float | None, float | None]
    rates: tuple[tuple[float, ...], tuple[float, ...]]
    seeds: tuple[int, ...]
    found: stats.Comparison | None
