"""What the scores of a judgement show; formulas in docs/judge.md."""

from collections.abc import Iterator, Sequence

from ssl_bench.judge.answers import (
    CAP,
    NO_DIFFERENCE,
    TOO_FEW,
    Line,
    Verdict,
    Versus,
)
from ssl_bench.judge.pairing import Pairing, Runs, cells_of, pair, runs_of
from ssl_bench.judge.scores import RANDOM, SUPERVISED, Cell, Score
from ssl_bench.results import stats

LEAST = 3  # seeds, where the spread is not known yet


def verdicts(
    scores: Sequence[Score], higher_is_better: bool, unit: str, places: int = 1
) -> list[Verdict]:
    """Compare every checkpoint with every control.

    Args:
        scores (Sequence[Score]): Of all runs; a value that is not finite is
            a missing one.
        higher_is_better (bool): Of the metric.
        unit (str): What a difference is counted in: ``points of top1``.
        places (int): Decimals in the sentences.

    Returns:
        list[Verdict]: Checkpoints in their order; of each, random weights
        before supervised ones.

    Raises:
        ValueError: A run is there twice.
    """
    pairs = [(versus, pair(*runs)) for versus, runs in _comparisons(scores)]
    tested = _compare(pairs, higher_is_better)
    waiting = sum(not (one and one.decided) for one in tested)
    found = []
    for (versus, paired), comparison in zip(pairs, tested):
        answer, more = _answer(paired, comparison, waiting)
        found.append(
            Verdict(
                versus,
                answer,
                comparison,
                paired.seeds,
                paired.cells,
                more,
                paired.left_out,
                unit,
                places,
            )
        )
    return found


def lines(scores: Sequence[Score], higher_is_better: bool) -> list[Line]:
    """Compare within each mode and fraction.

    Args:
        scores, higher_is_better: As `verdicts`.

    Raises:
        ValueError: A run is there twice.
    """
    rows = [
        (versus, cell, pair(*({cell: r.get(cell, {})} for r in runs)))
        for versus, runs in _comparisons(scores)
        for cell in cells_of(*runs)
    ]
    tested = _compare([(row[0], row[2]) for row in rows], higher_is_better)
    return [
        Line(
            versus,
            cell,
            paired.means,
            (
                _rates(scores, versus.weights, cell),
                _rates(scores, versus.control, cell),
            ),
            paired.seeds,
            comparison,
        )
        for (versus, cell, paired), comparison in zip(rows, tested)
    ]


def _comparisons(
    scores: Sequence[Score],
) -> Iterator[tuple[Versus, tuple[Runs, Runs]]]:
    """Every checkpoint with every control, and the runs of both."""
    labels = {score.weights: score.control for score in scores}
    runs = {label: runs_of(scores, label) for label in labels}
    controls = [
        (label, kind)
        for wanted in (RANDOM, SUPERVISED)
        for label, kind in labels.items()
        if kind == wanted
    ]
    for weights, kind in labels.items():
        if kind:
            continue
        for control, which in controls or [(RANDOM, RANDOM)]:
            versus = Versus(weights, control, which)
            yield versus, (runs[weights], runs.get(control, {}))


def _compare(
    pairs: Sequence[tuple[Versus, Pairing]], higher_is_better: bool
) -> list[stats.Comparison | None]:
    """Test all pairs as one family; None for one without values."""
    able = [i for i, (_, paired) in enumerate(pairs) if paired.seeds]
    samples = [sample for i in able for sample in pairs[i][1].samples]
    tested = stats.compare(
        samples,
        [(2 * k, 2 * k + 1) for k in range(len(able))],
        higher_is_better,
        new_draw=True,
    )
    found: list[stats.Comparison | None] = [None] * len(pairs)
    for k, i in enumerate(able):
        found[i] = tested[k]
    return found


def _answer(
    paired: Pairing, found: stats.Comparison | None, waiting: int
) -> tuple[str, int | None]:
    """The answer, and how many more seeds would decide.

    Args:
        waiting (int): Comparisons of the family that are not decided.
    """
    if found is None or found.reason == stats.ONE_SEED:
        return TOO_FEW, LEAST - len(paired.seeds)
    if found.decided:
        return found.answer, None
    if found.reason:  # no spread
        if found.difference:
            return TOO_FEW, LEAST - 1
        return NO_DIFFERENCE, None
    more = more_seeds(
        found.difference, paired.spread or 0.0, len(paired.seeds), waiting
    )
    return (NO_DIFFERENCE if more is None else TOO_FEW), more


def half_width(spread: float, n: int, tests: int = 1) -> float:
    """Half of the interval that a difference has to be larger than.

    Args:
        spread (float): Sample standard deviation of the differences.
        n (int): Paired seeds, 2 at least.
        tests (int): By which a p value is multiplied (Holm, Bonferroni).
    """
    error = spread * (1 + 1 / n) ** 0.5
    level = 1 - (1 - stats.CONFIDENCE) / tests
    return stats.t_quantile(n - 1, level) * error


def more_seeds(
    difference: float, spread: float, n: int, tests: int
) -> int | None:
    """How many seeds to add until the present numbers decide.

    Args:
        difference, spread (float): Of the paired differences as they are.
        n, tests: As `half_width`.

    Returns:
        int | None: None where `CAP` seeds in all do not.
    """
    for total in range(n + 1, CAP + 1):
        if abs(difference) > half_width(spread, total, tests):
            return total - n
    return None


def _rates(
    scores: Sequence[Score], label: str, cell: Cell
) -> tuple[float, ...]:
    return tuple(
        sorted(
            {
                score.rate
                for score in scores
                if (score.weights, score.cell) == (label, cell)
                and score.rate is not None
            }
        )
    )
