"""Multinomial logistic regression on features that are read by blocks.

scikit-learn needs all rows in memory, in double precision: 10.5 GB of
ImageNet's 1.28 million with 1024 channels, and the patches of a data set are
more. This solves the same problem with the same solver, SciPy's L-BFGS-B; a
block of rows at a time is read, and the processes share the blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.engine.stopping import EndNow
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.patches import Standard
from ssl_bench.transfer.features import StoredFeatures
from ssl_bench.transfer.together import from_all, mine, on_main_process

BLOCK = 8192  # rows that are read at once
HELD = 8 << 30  # bytes of rows that a process keeps, instead of reading again
FTOL = 64 * float(np.finfo(np.float64).eps)  # scikit-learn's


@dataclass(frozen=True)
class Solver:
    """L-BFGS and where it stops.

    Attributes:
        memory (int): Pairs that it keeps.
        iterations (int): At most, for each C.
        tol (float): Largest gradient of the mean loss at which it stops.
        line_search (int): Steps of one search at most.
    """

    memory: int
    iterations: int
    tol: float
    line_search: int


@dataclass(frozen=True)
class Fitted:
    """A solution.

    Attributes:
        cost (float): C.
        weights (Tensor): (K, D) float64.
        biases (Tensor): (K,) float64.
        classes (Tensor): (K,) int64, the labels, rising.
        standard (Standard, optional): Of the rows, (D,) float64 each.
        iterations (int): That the solver made.
    """

    cost: float
    weights: Tensor
    biases: Tensor
    classes: Tensor
    standard: Standard | None
    iterations: int

    def logits(self, rows: Tensor) -> Tensor:
        """Features (N, D), not standardised, to logits (N, K), float64."""
        rows = _prepared(rows.to(self.weights), self.standard)
        return rows @ self.weights.T + self.biases

    def predict(self, rows: Tensor) -> Tensor:
        """Features (N, D) to labels (N,)."""
        return self.classes[self.logits(rows).argmax(dim=1)]


def fit_costs(
    features: Tensor | StoredFeatures,
    labels: Tensor,
    index: Tensor,
    costs: Sequence[float],
    solver: Solver,
    *,
    warm_start: bool,
    standard: Standard | None = None,
) -> Iterator[Fitted]:
    """Solutions for several C, one after the other; all processes call it.

    The objective is scikit-learn's: C times the summed cross entropy, plus
    half the squared weights; biases are free. Two classes have one row of
    weights, as there. It is divided by C and the number of rows, as
    scikit-learn's is: ``tol`` is of that.

    Args:
        features (Tensor | StoredFeatures): (N, D).
        labels (Tensor): (N,) int64, of all rows.
        index (Tensor): (M,), the rows to learn of.
        costs (Sequence[float]): C, in the order of the solutions.
        solver (Solver): How it is solved.
        warm_start (bool): From the solution of the C before, else from 0.
        standard (Standard, optional): Applied to the rows.

    Raises:
        UserError: In every process: a single class, C not above 0, or a
            solution that is not finite.
    """
    if not costs or min(costs) <= 0:
        raise UserError(f'C must be numbers above 0, not {list(costs)}.')
    share = _Share(features, labels, index, standard)
    start = np.zeros(share.rows * (share.width + 1))
    for cost in costs:
        point, count = _minimise(
            partial(share.value, penalty=1 / (cost * len(index))),
            start,
            solver,
        )
        if not np.isfinite(point).all():
            raise UserError(
                f'logistic regression diverged at C = {cost:g}; leave it out.'
            )
        if warm_start:
            start = point
        yield share.fitted(point, cost, count)


def fit_one(
    features: Tensor | StoredFeatures,
    labels: Tensor,
    index: Tensor,
    cost: float,
    solver: Solver,
    standard: Standard | None = None,
) -> Fitted:
    """`fit_costs` with one C."""
    (found,) = fit_costs(
        features,
        labels,
        index,
        [cost],
        solver,
        warm_start=False,
        standard=standard,
    )
    return found


def predict_blocks(
    fitted: Fitted, features: Tensor | StoredFeatures, index: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Labels of rows, those of this process, block by block.

    Args:
        fitted (Fitted): A solution.
        features (Tensor | StoredFeatures): (N, D).
        index (Tensor): (M,), the rows.

    Yields:
        tuple: Some of the index, (m,), and their labels (m,), on the CPU.
    """
    for part in mine(index.split(BLOCK)):
        rows = features[part].to(fitted.weights.device)
        yield part, fitted.predict(rows).cpu()


def double_device() -> str:
    """The device of double precision: the processes', or the CPU."""
    device: str = get_device()
    return 'cpu' if device in ('mps', 'npu') else device


def _prepared(rows: Tensor, standard: Standard | None) -> Tensor:
    return rows if standard is None else standard(rows)


class _Share:
    """This process's blocks, and the classes of all.

    Args:
        features, labels, index, standard: As `fit_costs`.

    Attributes:
        rows (int): Of weights: K, or 1 of two classes.
        width (int): D.
    """

    def __init__(
        self,
        features: Tensor | StoredFeatures,
        labels: Tensor,
        index: Tensor,
        standard: Standard | None,
    ) -> None:
        self.device = double_device()
        self.features, self.labels = features, labels
        self.classes = labels[index].unique()
        if len(self.classes) < 2:
            raise UserError(
                'the training rows have a single class; logistic regression '
                'needs two.'
            )
        self.count, self.width = len(index), int(features.shape[1])
        self.rows = len(self.classes) if len(self.classes) > 2 else 1
        self.standard = None
        if standard is not None:
            self.standard = Standard(
                *(
                    value.to(self.device, torch.float64)
                    for value in (standard.mean, standard.std)
                )
            )
        self.parts = mine(index.split(BLOCK))
        self.held: dict[int, Tensor] = {}
        self.free = HELD

    def value(
        self, point: np.ndarray, penalty: float
    ) -> tuple[float, np.ndarray]:
        """Share of the objective and of its gradient.

        Args:
            point (np.ndarray): (rows * (D + 1),).
            penalty (float): 1 / (C M).
        """
        both = torch.from_numpy(point).to(self.device)
        both = both.reshape(self.rows, self.width + 1)
        weights, biases = both[:, :-1], both[:, -1]
        gradient = torch.zeros_like(both)
        total = both.new_zeros(())
        for number, part in enumerate(self.parts):
            x = self._block(number, part)  # (b, D)
            label = torch.searchsorted(self.classes, self.labels[part])
            label = label.to(self.device)
            logits = self._all_classes(x @ weights.T + biases)  # (b, K)
            chances = F.log_softmax(logits, dim=1)
            total -= chances.gather(1, label[:, None]).sum()
            error = chances.exp_()
            error[torch.arange(len(label), device=self.device), label] -= 1
            error = error[:, -self.rows :]  # (b, rows)
            gradient[:, :-1] += error.T @ x
            gradient[:, -1] += error.sum(0)
        total, gradient = total / self.count, gradient / self.count
        if dist.is_main_process():
            total += penalty / 2 * weights.square().sum()
            gradient[:, :-1] += penalty * weights
        return float(total), gradient.flatten().cpu().numpy()

    def _all_classes(self, logits: Tensor) -> Tensor:
        """Of two classes, the first one's logit is 0."""
        return F.pad(logits, (1, 0)) if self.rows == 1 else logits

    def _block(self, number: int, part: Tensor) -> Tensor:
        """Rows (b, D) float64, kept as they are stored if there is room."""
        rows = self.held.get(number)
        if rows is None:
            rows = self.features[part].to(self.device)
            if rows.nbytes <= self.free:
                self.free -= rows.nbytes
                self.held[number] = rows
        return _prepared(rows.double(), self.standard)

    def fitted(self, point: np.ndarray, cost: float, count: int) -> Fitted:
        """A point as a solution; two classes get two opposite rows."""
        both = torch.from_numpy(point).reshape(self.rows, self.width + 1)
        if self.rows == 1:
            both = torch.cat((-both, both)) / 2
        both = both.to(self.device)
        return Fitted(
            cost,
            both[:, :-1],
            both[:, -1],
            self.classes.to(self.device),
            self.standard,
            count,
        )


def _minimise(
    share: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    solver: Solver,
) -> tuple[np.ndarray, int]:
    """Minimise a sum of what the processes have; all get the solution.

    The first process decides each point, so that all do the same whatever
    their rounding.

    Returns:
        tuple: The point, and the iterations made.
    """
    from scipy.optimize import minimize

    def at(point: Callable[[], np.ndarray | None]) -> Any:
        found = on_main_process(point)
        if found is None:
            return None
        shares = from_all(lambda: share(found))
        return (
            sum(value for value, _ in shares),
            np.sum([gradient for _, gradient in shares], axis=0),
        )

    if not dist.is_main_process():
        while at(lambda: None) is not None:
            pass
        point, count = on_main_process(lambda: None)
        return point, count
    try:
        found = minimize(
            lambda x: at(lambda: x),
            start,
            jac=True,
            method='L-BFGS-B',
            options=dict(
                maxcor=solver.memory,
                maxiter=solver.iterations,
                maxls=solver.line_search,
                maxfun=solver.iterations * solver.line_search,
                gtol=solver.tol,
                ftol=FTOL,
            ),
        )
    except EndNow as end:  # between two points
        at(_raising(end))
        raise
    at(lambda: None)
    return on_main_process(lambda: (found.x, int(found.nit)))


def _raising(end: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise end

    return fail
