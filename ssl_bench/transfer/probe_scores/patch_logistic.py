"""Segmentation by a logistic regression on patches."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ssl_bench.frozen_dense.miou import confusion
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores.logistic_blocks import (
    Blocks,
    Fitted,
    Solver,
    fit_costs,
)
from ssl_bench.transfer.probe_scores.patch_data import (
    HELD_OUT,
    LABELS,
    TEST,
    Patches,
    learnt,
    places,
    scores,
    split_images,
)
from ssl_bench.transfer.together import from_all, mine


def patch_logistic(
    train: Features,
    test: Features,
    *,
    classes: int,
    costs: Sequence[float],
    ignore: Sequence[int],
    variant: str,
    validation: float,
    split_seed: int,
    standardise: bool,
    memory: int,
    max_iter: int,
    tol: float,
    line_search: int,
    solver_precision: str,
) -> dict[str, float]:
    """mIoU and pixel accuracy of a linear classifier of patches, percent.

    A patch is learnt as its most frequent label, and all of its pixels get
    the label that is predicted. The cost is chosen by mIoU on images held
    out, and the classifier is then fitted to all training images.

    Reference: CAPI (Darcet et al., 2025), ``eval_segmentation.py``.

    Args:
        train, test (Features): Of patches, with masks.
        classes (int): Labels of masks are below this, or 255.
        costs (Sequence[float]): Every C that may be chosen, see `fit_costs`.
        ignore (Sequence[int]): Labels whose pixels do not count, and whose
            patches are not learnt.
        variant (str): Of `ssl_bench.frozen_dense.miou.miou`.
        validation (float): Share of the training images to choose by; 0
            where there is nothing to choose.
        split_seed (int): Of their draw.
        standardise (bool): Zero mean and variance 1 of each channel, over
            the training images that are not held out.
        memory, max_iter, tol, line_search: Of `Solver`.
        solver_precision (str): Its precision: float64, or float32 where that
            is too slow.

    Returns:
        dict: ``mIoU``, ``aAcc``; after a slash, the chosen C, mIoU on the
        images held out and iterations for each, and of the last fit.

    Raises:
        UserError: A single label to learn, or no pixel that counts.
    """
    used, held_out = split_images(len(train.labels), validation, split_seed)
    some = Patches(train, used)
    scaling = some.standard() if standardise else None
    solver = Solver(memory, max_iter, tol, line_search, solver_precision)

    def fits(patches: Patches, some: Sequence[float]) -> Iterator[Fitted]:
        blocks = blocks_of(*learnt(patches, ignore))
        return fit_costs(
            blocks, some, solver, warm_start=False, standard=scaling
        )

    found: dict[float, float] = {}
    details = {}
    if len(costs) > 1:
        for cost, fit in zip(costs, fits(some, costs)):
            matrix = predicted(fit, Patches(train, held_out), ignore)
            found[cost] = scores(matrix, HELD_OUT, classes, variant)['mIoU']
            details[f'validation/mIoU_C{cost:g}'] = found[cost]
            details[f'iterations/C{cost:g}'] = float(fit.iterations)
    cost = max(costs, key=lambda c: found.get(c, 0.0))
    (fit,) = fits(Patches(train), [cost])
    return {
        **scores(
            predicted(fit, Patches(test), ignore), TEST, classes, variant
        ),
        'chosen/C': float(cost),
        'chosen/split_seed': float(split_seed),
        'iterations/last': float(fit.iterations),
        **details,
    }


def blocks_of(patches: Patches, label: Tensor) -> Blocks:
    """Patches to learn, with the label (N,) of each."""
    return Blocks(
        patches.features,
        [(part, label[part]) for part in patches.parts()],
        int(patches.split.features.shape[1]),
    )


def predicted(fit: Fitted, queries: Patches, ignore: Sequence[int]) -> Tensor:
    """Confusion (256, 256) of a classifier's labels of all pixels.

    All processes call it, and each has some of the queries.
    """

    def matrix(part: slice) -> Tensor:
        label = fit.predict(queries.features(part))  # (n,)
        truth = queries.labels(places(part))
        return confusion(
            truth, label[:, None].expand_as(truth), LABELS, ignore
        )

    def own() -> Tensor:
        total = torch.zeros(LABELS, LABELS, dtype=torch.int64)
        for part in mine(queries.parts()):
            total += matrix(part)
        return total

    return torch.stack(from_all(own)).sum(0)
