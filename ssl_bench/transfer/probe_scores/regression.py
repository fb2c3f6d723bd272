"""Multinomial logistic regression."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores.logistic_blocks import (
    Blocks,
    Fitted,
    Solver,
    fit_costs,
    predict_blocks,
)
from ssl_bench.transfer.together import from_all, on_main_process


def logistic(
    train: Features,
    test: Features,
    strength: float = 0.1,
    max_iter: int = 300,
    tol: float = 1e-3,
) -> dict[str, float]:
    """Top-1 of a multinomial logistic regression, percent.

    The first process solves it; the others wait.

    Reference: SiameseIM's few-shot evaluation, after MSN (Assran et al.,
        ECCV 2022): each feature vector less its own mean and divided by its
        norm; no intercept; mean loss + strength / (2 N) |W|^2 over N images.
        Those programs solve it with cyanure, this with L-BFGS: the objective
        is convex, so that the solution is one.

    Args:
        train, test (Features): With class indices.
        strength (float): Of the penalty, times N.
        max_iter (int): Of the solver.
        tol (float): Largest gradient at which it stops.

    Raises:
        UserError: Only one class to learn.
    """
    if len(train.labels.unique()) < 2:
        raise UserError(
            'the training list names a single class; logistic '
            'regression needs two.'
        )
    found: float = on_main_process(
        lambda: fit_logistic(train, test, strength, max_iter, tol)
    )
    return dict(top1=found)


def fit_logistic(
    train: Features, test: Features, strength: float, max_iter: int, tol: float
) -> float:
    """As `logistic`, in one process."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    bank, queries = (
        centred(split.features[:]).numpy() for split in (train, test)
    )
    # scikit-learn: C x summed loss + |W|^2 / 2
    model = LogisticRegression(
        C=1.0 / strength, fit_intercept=False, max_iter=max_iter, tol=tol
    )
    with warnings.catch_warnings():
        # the protocol stops after max_iter, converged or not
        warnings.simplefilter('ignore', ConvergenceWarning)
        model.fit(bank, train.labels.numpy())
    right = model.predict(queries) == test.labels.numpy()
    return 100 * float(right.mean())


def centred(features: Tensor) -> Tensor:
    """(N, D): each row less its mean, of unit length."""
    return F.normalize(features - features.mean(dim=1, keepdim=True), dim=1)


def logistic_sweep(
    train: Features,
    test: Features,
    *,
    costs: list[float],
    share: float,
    split_seed: int,
    memory: int,
    iterations: int,
    tol: float,
    line_search: int,
    solver_precision: str,
    warm_start: bool,
) -> dict[str, float]:
    """Top-1 of the C that is best on a part of the training images, percent.

    Reference: DINOv2, ``eval/log_regression.py``: the first part of torch's
        permutation chooses C by top-1, the first of several; it is then
        fitted on all training images. Features as they are, in double
        precision.

    Args:
        train, test (Features): With class indices.
        costs (list[float]): C, of `logistic_blocks.fit_costs`.
        share (float): Of the training images, that chooses.
        split_seed (int): Of the permutation; not of the run.
        memory, iterations, tol, line_search: Of `logistic_blocks.Solver`.
        solver_precision (str): Its precision.
        warm_start (bool): Begin with the solution of the C before.

    Returns:
        dict: ``top1``; after a slash, the C, the iterations of its fit, and
        what each C gave on the images that chose.

    Raises:
        UserError: No image is left for a part, or as `fit_costs`.
    """
    count = len(train.labels)
    held = int(count * share)
    if not 0 < held < count:
        raise UserError(
            f'{count} training images cannot be split by probe.share={share}; '
            'one part would be empty.'
        )
    draw = torch.Generator().manual_seed(split_seed)
    order = torch.randperm(count, generator=draw)
    solver = Solver(memory, iterations, tol, line_search, solver_precision)

    def fits(rows: Tensor, some: list[float]) -> Iterator[Fitted]:
        blocks = Blocks.of(train.features, train.labels, rows)
        return fit_costs(blocks, some, solver, warm_start=warm_start)

    found = [
        blocks_top1(fit, train, order[:held])
        for fit in fits(order[held:], costs)
    ]
    cost = costs[max(range(len(costs)), key=found.__getitem__)]
    (last,) = fits(order, [cost])
    return {
        'top1': blocks_top1(last, test, torch.arange(len(test.labels))),
        'chosen/C': float(cost),
        'chosen/iterations': float(last.iterations),
        **{f'held_out/top1_C{c:.3g}': value for c, value in zip(costs, found)},
    }


def blocks_top1(fitted: Fitted, split: Features, index: Tensor) -> float:
    """Percent of some rows that a solution gets right; the same in all
    processes.
    """

    def right() -> int:
        return sum(
            int((labels == split.labels[part]).sum())
            for part, labels in predict_blocks(fitted, split.features, index)
        )

    return 100 * sum(from_all(right)) / len(index)
