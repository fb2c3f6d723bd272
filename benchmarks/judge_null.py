"""How often `ssl-bench judge` is wrong, and how often it finds an effect.

Scores are drawn from a model of a judgement, and `ssl_bench.judge.verdicts`
decides on them as it does on those of runs. Prints the tables of
docs/judge.md; with the default number of draws it takes some minutes.

    python benchmarks/judge_null.py [--draws 10000]

A score is the sum of what a seed's subset of the images is worth (the same for
all weights), what the weights are worth, in part the same in every cell, and
the chance of the one run. The weights of the control are drawn for each seed,
those of a checkpoint once. Without an effect the weights of a checkpoint are
one more draw of random weights (and supervised weights are as good).
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ssl_bench.judge.answers import BETTER, NO_DIFFERENCE, TOO_FEW, WORSE
from ssl_bench.judge.scores import (
    FINE_TUNED,
    FROZEN,
    RANDOM,
    SUPERVISED,
    Score,
)
from ssl_bench.judge.verdict import verdicts
from ssl_bench.results import stats

CELLS = tuple(
    (mode, fraction)
    for mode in (FROZEN, FINE_TUNED)
    for fraction in (0.1, 1.0)
)
SEEDS = 3, 5
CHECKPOINTS = 1, 3
LEVEL = 60.0  # points


class World(NamedTuple):
    """Where scores come from; standard deviations in points.

    Attributes:
        weights (float): Of the worth of random weights, of which a half of
            the variance is common to the cells.
        run (float): Of the chance of a run.
        subset (float): Of the worth of a seed's images.
        images (int): Test images, to whose steps scores are rounded; 0: not.
        tails (int): Degrees of freedom of Student's t that the worth of
            weights is drawn from; 0: normal.
        rate (float): Of what the choice of one learning rate for all seeds
            of a checkpoint or control and cell adds.
        control (str): ``random`` or ``supervised``.
    """

    weights: float = 1.0
    run: float = 1.0
    subset: float = 2.0
    images: int = 0
    tails: int = 0
    rate: float = 0.0
    control: str = RANDOM


WORLDS = {
    'weights alone vary': World(run=0.0),
    'weights and runs vary alike': World(),
    'runs vary most': World(weights=0.25),
    'scores of 40 test images': World(images=40),
    'heavy tails (t, 3 degrees)': World(run=0.5, tails=3),
    'one rate for all seeds': World(rate=0.5),
    'supervised control': World(control=SUPERVISED),
    'supervised, one rate for all seeds': World(rate=0.5, control=SUPERVISED),
}


def draw(
    rng: np.random.Generator,
    world: World,
    seeds: int,
    checkpoints: int,
    effect: float = 0.0,
) -> list[Score]:
    """The scores of one judgement.

    Args:
        rng (np.random.Generator): Advanced.
        world (World): What varies.
        seeds, checkpoints (int): How many.
        effect (float): Points by which each checkpoint is better than what
            random weights are worth on average.
    """
    cells = len(CELLS)

    def worth(count: int) -> np.ndarray:
        """Of weights, (count, cells)."""
        size = (count, cells + 1)
        values = (
            rng.standard_t(world.tails, size)
            / (world.tails / (world.tails - 2)) ** 0.5
            if world.tails
            else rng.standard_normal(size)
        )
        return world.weights * (values[:, :1] + values[:, 1:]) / 2**0.5

    subset = world.subset * rng.standard_normal((seeds, cells))
    rows = []
    for number in range(checkpoints + 1):
        control = world.control if number == checkpoints else ''
        label = control or f'checkpoint {number}'
        fixed = not control
        own = worth(1 if fixed else seeds)
        if world.control == SUPERVISED:
            own = np.zeros((1, cells))
        values = (
            LEVEL
            + effect * fixed
            + subset
            + own
            + world.rate * rng.standard_normal(cells)
            + world.run * rng.standard_normal((seeds, cells))
        )
        if world.images:
            step = 100 / world.images
            values = np.round(values / step) * step
        rows += [
            Score(label, control, *cell, seed, float(values[seed, i]))
            for seed in range(seeds)
            for i, cell in enumerate(CELLS)
        ]
    return rows


def answers(
    world: World,
    seeds: int,
    checkpoints: int,
    draws: int,
    effect: float = 0.0,
    start: int = 0,
) -> Iterator[list[str]]:
    """What `verdicts` says of each checkpoint, in every draw."""
    rng = np.random.default_rng([start, seeds, checkpoints])
    for _ in range(draws):
        scores = draw(rng, world, seeds, checkpoints, effect)
        yield [one.answer for one in verdicts(scores, True, 'points')]


def rate(found: list[list[str]], answer: str) -> float:
    """Share of the draws in which any checkpoint gets an answer."""
    return sum(answer in one for one in found) / len(found)


def plain_rate(world: World, seeds: int, draws: int) -> float:
    """False 'better' of the plain paired t test, of one checkpoint."""
    rng = np.random.default_rng([1, seeds])
    wrong = 0
    for _ in range(draws):
        scores = draw(rng, world, seeds, 1)
        values = np.array([score.value for score in scores])
        own, other = values.reshape(2, seeds, -1).mean(2)
        samples = [[*enumerate(own)], [*enumerate(other)]]
        wrong += stats.compare(samples, [(0, 1)], True).answer(0) == BETTER
    return wrong / draws


def print_null(draws: int) -> None:
    """Rates of false 'better' (and 'worse') of any checkpoint, by world."""
    heads = [
        f'{checkpoints} checkpoint{"s" * (checkpoints > 1)}, {seeds} seeds'
        for checkpoints in CHECKPOINTS
        for seeds in SEEDS
    ]
    heads += [f'plain t, {seeds} seeds' for seeds in SEEDS]
    print(f'| scores | {" | ".join(heads)} |')
    print(f'| :-- {"| --: " * len(heads)}|')
    for name, world in WORLDS.items():
        cells = []
        for checkpoints in CHECKPOINTS:
            for seeds in SEEDS:
                found = list(answers(world, seeds, checkpoints, draws))
                better, worse = (
                    100 * rate(found, answer) for answer in (BETTER, WORSE)
                )
                cells.append(f'{better:.1f} ({worse:.1f})')
        cells += [
            f'{100 * plain_rate(world, seeds, draws):.1f}' for seeds in SEEDS
        ]
        print(f'| {name} | {" | ".join(cells)} |', flush=True)


def print_power(draws: int) -> None:
    """What is said of one checkpoint that is better."""
    print('| effect | seeds | better | not enough runs | no difference |')
    print('| --: | --: | --: | --: | --: |')
    world = World()
    for effect in (2.0, 4.0, 8.0):
        for seeds in (3, 5, 10):
            found = list(answers(world, seeds, 1, draws, effect))
            shares = (
                f'{100 * rate(found, answer):.0f}%'
                for answer in (BETTER, TOO_FEW, NO_DIFFERENCE)
            )
            print(
                f'| {effect:.0f} | {seeds} | {" | ".join(shares)} |',
                flush=True,
            )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--draws', type=int, default=10_000)
    args = parser.parse_args()
    print_null(args.draws)
    print()
    print_power(args.draws)


if __name__ == '__main__':
    main()
