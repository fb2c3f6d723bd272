"""Features of all images, once for each weights; runs take rows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ssl_bench.judge.plan import JudgePlan, Weights
from ssl_bench.judge.scores import FROZEN, RANDOM
from ssl_bench.tasks.table import on_own_data
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.probe_scores.linear_layer import fit_linear, top1
from ssl_bench.transfer.probes import features_of, measured, score
from ssl_bench.transfer.record import Measured
from ssl_bench.transfer.run import Measure, Request, ready
from ssl_bench.transfer.toolkit_output import toolkit_output

FOLDER = 'features'
DRAWS = 3  # subsets on which a rate is tried, at most


@dataclass(frozen=True)
class Extracted:
    """Features of one network.

    Args:
        train, test (Features): Of all images.
        rows (dict[str, int]): Row of each training image, by its name.
    """

    train: Features
    test: Features
    rows: dict[str, int]

    def some(self, names: Sequence[str]) -> Tensor:
        """Rows of some training images, (M,)."""
        return torch.tensor([self.rows[name] for name in names])

    def part(self, names: Sequence[str]) -> Features:
        """Features of some training images, in memory."""
        index = self.some(names)
        return Features(self.train.features[index], self.train.labels[index])


def extract(plan: JudgePlan, weights: Weights, seed: int) -> Extracted:
    """Pass all images through a network, unless that was done before.

    Args:
        plan (JudgePlan): Of class folders.
        weights (Weights): Of the network.
        seed (int): Of random weights; nothing of others depends on it.
    """
    own, way = plan.splits.own, plan.modes[FROZEN]
    settings = plan.overrides(FROZEN, len(plan.splits.labels), 1.0)
    request = Request(
        weights.source,
        on_own_data(way.task, own).id,
        seed,
        plan.work_dir / 'runs',
        overrides=settings,
    )
    fitted = ready(request)[0]
    home = plan.work_dir / FOLDER
    with toolkit_output(plan.work_dir / 'logs', quiet=True):
        (train, test), sets = features_of(
            fitted, weights.source, seed, home, request.root
        )
    root = Path(own.train.images)
    rows = {
        Path(sets[0].get_data_info(row)['img_path'])
        .relative_to(root)
        .as_posix(): row
        for row in range(len(sets[0]))
    }
    return Extracted(train, test, rows)


def key_of(weights: Weights, seed: int) -> tuple[str, int]:
    """What features are kept by: only random weights differ by seed."""
    return weights.label, seed if weights.control == RANDOM else 0


def try_rates(
    plan: JudgePlan, found: Mapping[int, Extracted], fraction: float
) -> list[float]:
    """Top-1 of each rate on the images that are held out, percent.

    Args:
        plan (JudgePlan): With the rates.
        found (Mapping[int, Extracted]): By seed; the first are used.
        fraction (float): Of the images to train on.

    Returns:
        list[float]: Means over the subsets; minus infinity for a rate that
        diverged on one.
    """
    way = plan.modes[FROZEN]
    totals = torch.zeros(len(way.rates))
    pairs = list(found.items())[:DRAWS]
    for seed, features in pairs:
        index = features.some(plan.splits.to_choose(fraction, seed))
        held_out = features.some(plan.splits.dev)
        layers = fit_linear(
            features.train,
            index,
            list(way.rates),
            len(plan.splits.own.classes),
            way.length.epochs(len(index), plan.share),
            way.length.batch,
            0.9,
            seed,
        )
        got = [top1(layer, features.train, held_out) for layer in layers]
        totals += torch.tensor(
            [value if value >= 0 else float('-inf') for value in got]
        )
    means: list[float] = (totals / len(pairs)).tolist()
    return means


def probe_of(found: Extracted, names: Sequence[str]) -> Measure:
    """What measures a plan of the probe on rows of features.

    Args:
        found (Extracted): Of the network.
        names (Sequence[str]): Training images of the run.

    Returns:
        Callable: For `run_request`.
    """

    def by(plan: Plan, request: Request, folder: Path) -> Measured:
        splits = [found.part(names), found.test]
        numbers = score(plan.config.probe, splits, request.seed)
        return measured(numbers, len(names))

    return by
