"""Segmentation by a logistic regression on patches."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.miou import confusion
from ssl_bench.frozen_dense.patches import Standard
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores.patch_data import (
    LABELS,
    Patches,
    learnt,
    places,
    scores,
    split_images,
)
from ssl_bench.transfer.together import from_all, mine, on_main_process

LANES = 16  # sums that processes share; at most so many of them have work
SOLVERS = dict(float32=torch.float32, float64=torch.float64)
MEMORY = 5  # pairs of steps and gradients that L-BFGS keeps
LINE_SEARCH = 50  # steps
HELD = 2**30  # bytes


def patch_logistic(
    train: Features,
    test: Features,
    *,
    classes: int,
    costs: Sequence[float],
    ignore: Sequence[int],
    validation: float,
    split_seed: int,
    standardise: bool,
    max_iter: int,
    tol: float,
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
        costs (Sequence[float]): Every C that may be chosen, see `Regression`.
        ignore (Sequence[int]): Labels whose pixels do not count, and whose
            patches are not learnt.
        validation (float): Share of the training images to choose by; 0
            where there is nothing to choose.
        split_seed (int): Of their draw.
        standardise (bool): Zero mean and variance 1 of each channel, over
            the training images that are not held out.
        max_iter (int): Of the solver.
        tol (float): Largest gradient at which it stops.
        solver_precision (str): float64, or float32 where that is too slow.

    Returns:
        dict: ``mIoU``, ``aAcc``; after a slash, the chosen C, mIoU on the
        images held out and iterations for each, and of the last fit.

    Raises:
        UserError: A single label to learn.
    """
    used, held_out = split_images(len(train.labels), validation, split_seed)
    some = Patches(train, used)
    scaling = some.standard() if standardise else None
    options = (scaling, max_iter, tol, SOLVERS[solver_precision])
    found: dict[float, float] = {}
    details = {}
    if len(costs) > 1:
        regression = Regression(*learnt(some, ignore), *options)
        for cost in costs:
            fit = regression.fit(cost)
            matrix = predicted(fit, Patches(train, held_out), scaling, ignore)
            found[cost] = scores(matrix)['mIoU']
            details[f'validation/mIoU_C{cost:g}'] = found[cost]
            details[f'iterations/C{cost:g}'] = float(fit.iterations)
    cost = max(costs, key=lambda c: found.get(c, 0.0))
    fit = Regression(*learnt(Patches(train), ignore), *options).fit(cost)
    return {
        **scores(predicted(fit, Patches(test), scaling, ignore)),
        'chosen/C': float(cost),
        'chosen/split_seed': float(split_seed),
        'iterations/last': float(fit.iterations),
        **details,
    }


class Fit:
    """A fitted classifier.

    Args:
        weights (Tensor): (K, D) and, last, the biases: (K, D + 1).
        known (Tensor): (K,) labels.
        iterations (int): Of the solver.
    """

    def __init__(
        self, weights: Tensor, known: Tensor, iterations: int
    ) -> None:
        self.weights, self.known = weights, known
        self.iterations = iterations

    def logits(self, rows: Tensor) -> Tensor:
        """Standardised rows (N, D) to (N, K)."""
        weights = self.weights.to(rows)
        return F.linear(rows, weights[:, :-1], weights[:, -1])


def _room() -> float:
    """Bytes for the rows of this process."""
    if get_device().startswith('cuda'):
        return float(torch.cuda.mem_get_info()[0] / 2)
    return HELD


class Regression:
    """Multinomial logistic regression on rows that are read in blocks.

    scikit-learn's objective: C times the summed cross entropy, plus half the
    squared weights; biases are free. Of two labels it has one row of
    weights, which is the difference of the two here.

    The first process takes the steps, with scipy's L-BFGS from zero. Each
    process has some of the rows; sums of blocks are dealt in such a way that
    they are the same for any number of processes. Rows stay in memory where
    they take little of it: up to `HELD` bytes, or half of what an accelerator
    has free.

    Args:
        patches (Patches): To learn.
        label (Tensor): (N,) of them.
        scaling (Standard, optional): Of the rows.
        max_iter (int): Of the solver.
        tol (float): Largest gradient of the mean loss at which it stops.
        precision (torch.dtype): Of the products.

    Raises:
        UserError: A single label.
    """

    def __init__(
        self,
        patches: Patches,
        label: Tensor,
        scaling: Standard | None,
        max_iter: int,
        tol: float,
        precision: torch.dtype,
    ) -> None:
        self.known, self.target = label.unique(return_inverse=True)
        if len(self.known) < 2:
            raise UserError(
                f'all training patches have the label {int(self.known[0])}; '
                'logistic regression needs two.'
            )
        self.patches, self.scaling = patches, scaling
        self.max_iter, self.tol, self.precision = max_iter, tol, precision
        parts = patches.parts()
        self.lanes = {
            lane: parts[lane::LANES]
            for lane in range(dist.get_rank(), LANES, dist.get_world_size())
        }
        self.width = patches.split.features.shape[1]
        self.held: dict[int, Tensor] = {}
        rows = sum(
            part.stop - part.start
            for own in self.lanes.values()
            for part in own
        )
        self.hold = rows * self.width * precision.itemsize < _room()

    def rows(self, part: slice) -> Tensor:
        """A block of standardised rows, (n, D)."""
        found = self.held.get(part.start)
        if found is None:
            found = self.patches.features(part)
            found = found.to(get_device(), self.precision)
            if self.scaling is not None:
                found = self.scaling(found)
            if self.hold:
                self.held[part.start] = found
        return found

    def sums(self, weights: Tensor) -> dict[int, tuple[float, np.ndarray]]:
        """Summed cross entropy and its gradient, of each lane."""
        fit = Fit(weights.to(get_device(), self.precision), self.known, 0)
        return {
            lane: self._lane(fit, parts) for lane, parts in self.lanes.items()
        }

    @torch.no_grad()
    def _lane(
        self, fit: Fit, parts: Sequence[slice]
    ) -> tuple[float, np.ndarray]:
        loss, device = 0.0, get_device()
        gradient = torch.zeros(
            fit.weights.shape, dtype=torch.float64, device=device
        )
        for part in parts:
            rows = self.rows(part)
            target = self.target[part].to(device)
            logs = fit.logits(rows).log_softmax(1)
            loss -= float(logs.gather(1, target[:, None]).double().sum())
            error = logs.exp()
            error[torch.arange(len(error), device=device), target] -= 1
            gradient[:, :-1] += (error.T @ rows).double()
            gradient[:, -1] += error.double().sum(0)
        return loss, gradient.cpu().numpy()

    def fit(self, cost: float) -> Fit:
        """The classifier for a cost C."""
        shape = (len(self.known), self.width + 1)
        if dist.is_main_process():
            solved = self._solve(cost, shape)
        else:
            solved = self._serve()
        weights, iterations = solved
        return Fit(torch.from_numpy(weights), self.known, iterations)

    def _solve(
        self, cost: float, shape: tuple[int, int]
    ) -> tuple[np.ndarray, int]:
        from scipy.optimize import minimize

        half = 0.5 if shape[0] > 2 else 1.0
        factor = 1 / len(self.target)  # of the mean, as scikit-learn has it

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(shape)
            loss, gradient = self._total(weights)
            penalty = half / cost * factor
            gradient = factor * gradient
            gradient[:, :-1] += 2 * penalty * weights[:, :-1]
            size = float(np.square(weights[:, :-1]).sum())
            return factor * loss + penalty * size, gradient.reshape(-1)

        found = minimize(
            value,
            np.zeros(shape).reshape(-1),
            jac=True,
            method='L-BFGS-B',
            options=dict(
                maxiter=self.max_iter,
                maxls=LINE_SEARCH,
                maxcor=MEMORY,
                gtol=self.tol,
                ftol=64 * np.finfo(float).eps,
            ),
        )
        weights: np.ndarray = found.x.reshape(shape)
        solved = weights, int(found.nit)
        on_main_process(lambda: (None, solved))
        return solved

    def _total(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Summed cross entropy and its gradient, in the first process."""
        on_main_process(lambda: (weights, None))
        return self._shared(weights)

    def _serve(self) -> tuple[np.ndarray, int]:
        """The others' part of every step, until the end."""
        while True:
            weights, solved = on_main_process(lambda: None)
            if solved is not None:
                found: tuple[np.ndarray, int] = solved
                return found
            self._shared(weights)

    def _shared(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        every: dict[int, tuple[float, np.ndarray]] = {}
        for some in from_all(lambda: self.sums(torch.from_numpy(weights))):
            every |= some
        lanes = [every[lane] for lane in sorted(every)]
        return (
            sum(loss for loss, _ in lanes),
            np.sum([gradient for _, gradient in lanes], axis=0),
        )


def predicted(
    fit: Fit, queries: Patches, scaling: Standard | None, ignore: Sequence[int]
) -> Tensor:
    """Confusion (256, 256) of a classifier's labels of all pixels.

    All processes call it, and each has some of the queries.
    """
    device = get_device()

    def matrix(part: slice) -> Tensor:
        rows = queries.features(part).to(device)
        rows = rows if scaling is None else scaling(rows)
        label = fit.known[fit.logits(rows).argmax(1).cpu()]  # (n,)
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
