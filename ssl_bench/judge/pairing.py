"""Which runs of a checkpoint and of a control are compared with each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ssl_bench.judge.scores import FINE_TUNED, FROZEN, Cell, Score
from ssl_bench.results import stats

Runs = Mapping[Cell, Mapping[int, float]]  # by cell and seed


@dataclass(frozen=True)
class Pairing:
    """Values of the seeds that both have in every shared cell.

    Attributes:
        cells (tuple[Cell, ...]): In which both have runs of a seed.
        seeds (tuple[int, ...]): With runs of both in all of these cells.
        own, other (tuple[float, ...]): Mean over the cells, for each seed.
        left_out (tuple[str, ...]): Cells and seeds that do not count.
    """

    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    own: tuple[float, ...]
    other: tuple[float, ...]
    left_out: tuple[str, ...]

    @property
    def samples(self) -> tuple[stats.Sample, stats.Sample]:
        """As `stats.compare` takes them."""
        own = list(zip(self.seeds, self.own))
        return own, list(zip(self.seeds, self.other))

    @property
    def means(self) -> tuple[float | None, float | None]:
        """Of the two; None without a pair."""
        if not self.seeds:
            return None, None
        return stats.mean(self.own), stats.mean(self.other)

    @property
    def spread(self) -> float | None:
        """Sample standard deviation of the differences; None below two."""
        return stats.sample_std(
            [own - other for own, other in zip(self.own, self.other)]
        )


def runs_of(scores: Iterable[Score], weights: str) -> Runs:
    """The finite values of a checkpoint or control.

    Raises:
        ValueError: A run is there twice.
    """
    found: dict[Cell, dict[int, float]] = {}
    for score in scores:
        if score.weights != weights:
            continue
        cell = found.setdefault(score.cell, {})
        if score.seed in cell:
            raise ValueError(
                f'two scores of {weights}, {cell_text(score.cell)}, seed '
                f'{score.seed}'
            )
        cell[score.seed] = score.value
    return {
        cell: {s: v for s, v in values.items() if math.isfinite(v)}
        for cell, values in found.items()
    }


def pair(own: Runs, other: Runs) -> Pairing:
    """Pair runs by seed, over the cells that both have.

    Args:
        own, other (Runs): Of a checkpoint and of a control.
    """
    planned = cells_of(own, other)
    shared = {c: {*own.get(c, ())} & {*other.get(c, ())} for c in planned}
    cells = tuple(cell for cell in planned if shared[cell])
    complete = [shared[cell] for cell in cells]
    seeds = tuple(sorted(set.intersection(*complete))) if cells else ()
    first, second = (
        tuple(stats.mean([runs[c][seed] for c in cells]) for seed in seeds)
        for runs in (own, other)
    )
    return Pairing(
        cells, seeds, first, second, _left_out(own, other, cells, seeds)
    )


def cells_of(*runs: Runs) -> list[Cell]:
    """All cells of some runs, frozen ones first, then by fraction."""
    return sorted({cell for one in runs for cell in one}, key=_order)


def _left_out(
    own: Runs, other: Runs, cells: Sequence[Cell], seeds: Sequence[int]
) -> tuple[str, ...]:
    """What does not count, and for want of which runs."""
    found = []
    for cell in cells_of(own, other):
        if cell not in cells:
            found.append(f'{cell_text(cell)} (no seed has runs of both)')
    every = {seed for runs in (own, other) for c in cells for seed in runs[c]}
    for cell in cells:
        ours, theirs = {*own[cell]}, {*other[cell]}
        lost = sorted(every - (ours & theirs))
        every -= {*lost}
        if lost:
            numbers = ', '.join(map(str, lost))
            found.append(
                f'seed{"s" * (len(lost) > 1)} {numbers} (not both have a run '
                f'{cell_text(cell)})'
            )
    return tuple(found)


def _order(cell: Cell) -> tuple[int, float]:
    return (FROZEN, FINE_TUNED).index(cell[0]), cell[1]


def percent(fraction: float) -> str:
    """``10%`` of the training images."""
    return f'{100 * fraction:.6g}%'


def cell_text(cell: Cell) -> str:
    """``fine-tuned at 10%``."""
    return f'{cell[0]} at {percent(cell[1])}'


def cells_text(cells: Sequence[Cell]) -> str:
    """``frozen at 1% and 10%, fine-tuned at 10%``."""
    modes: dict[str, list[str]] = {}
    for mode, fraction in sorted(cells, key=_order):
        modes.setdefault(mode, []).append(percent(fraction))
    if len(modes) == 2 and len({*map(tuple, modes.values())}) == 1:
        modes = {' and '.join(modes): next(iter(modes.values()))}
    return ', '.join(
        f'{mode} at {_listed(fractions)}' for mode, fractions in modes.items()
    )


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f'{", ".join(first)} and {last}' if first else last
