"""Multinomial logistic regression on rows that are read by blocks.

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
# sums that the processes share, so that they are the same for any number of
# them; at most so many processes have work
LANES = 16
HELD = 1 << 30  # bytes of rows kept in memory, where there is no accelerator
FTOL = 64 * float(np.finfo(np.float64).eps)  # scikit-learn's
SOLVERS = dict(float32=torch.float32, float64=torch.float64)


@dataclass(frozen=True)
class Solver:
    """L-BFGS and where it stops.

    Attributes:
        memory (int): Pairs that it keeps.
        iterations (int): At most, for each C.
        tol (float): Largest gradient of the mean loss at which it stops.
        line_search (int): Steps of one search at most.
        precision (str): Of the products, a key of `SOLVERS`; steps and
            sums are double.
    """

    memory: int
    iterations: int
    tol: float
    line_search: int
    precision: str


@dataclass(frozen=True)
class Blocks:
    """Rows to learn of, with their labels.

    Attributes:
        read (Callable): From a block's name to its rows, (n, D).
        parts (Sequence[tuple]): Name and labels (n,) of each block.
        width (int): D.
    """

    read: Callable[[Any], Tensor]
    parts: Sequence[tuple[Any, Tensor]]
    width: int

    @classmethod
    def of(
        cls, features: Tensor | StoredFeatures, labels: Tensor, index: Tensor
    ) -> 'Blocks':
        """Some rows of features.

        Args:
            features (Tensor | StoredFeatures): (N, D).
            labels (Tensor): (N,).
            index (Tensor): (M,), the rows to learn of.
        """
        return cls(
            features.__getitem__,
            [(part, labels[part]) for part in index.split(BLOCK)],
            int(features.shape[1]),
        )


@dataclass(frozen=True)
class Fitted:
    """A solution.

    Attributes:
        cost (float): C.
        point (np.ndarray): Where the solver ended; for a warm start.
        weights (Tensor): (K, D), in the solver's precision.
        biases (Tensor): (K,).
        classes (Tensor): (K,) int64, the labels, rising.
        standard (Standard, optional): Of the rows.
        iterations (int): That the solver made.
    """

    cost: float
    point: np.ndarray
    weights: Tensor
    biases: Tensor
    classes: Tensor
    standard: Standard | None
    iterations: int

    def logits(self, rows: Tensor) -> Tensor:
        """Features (N, D), not standardised, to logits (N, K)."""
        rows = rows.to(self.weights)
        if self.standard is not None:
            rows = self.standard(rows)
        return F.linear(rows, self.weights, self.biases)

    def predict(self, rows: Tensor) -> Tensor:
        """Features (N, D) to labels (N,) on the CPU."""
        return self.classes[self.logits(rows).argmax(dim=1).cpu()]


def fit_costs(
    blocks: Blocks,
    costs: Sequence[float],
    solver: Solver,
    *,
    warm_start: bool,
    standard: Standard | None = None,
) -> Iterator[Fitted]:
    """Solutions for several C, one after the other; all processes call it.

    Args:
        blocks (Blocks): To learn of.
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
    regression = Regression(blocks, solver, standard)
    start = None
    for cost in costs:
        found = regression.fit(cost, start)
        if warm_start:
            start = found.point
        yield found


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
        yield part, fitted.predict(features[part])


class Regression:
    """The problem of some rows, for any C.

    The objective is scikit-learn's: C times the summed cross entropy, plus
    half the squared weights; biases are free. Two classes have one row of
    weights, as there. It is divided by C and the number of rows, as
    scikit-learn's is: ``tol`` is of that. Rows stay in memory, up to `HELD`
    bytes, or half of what an accelerator has free.

    Args:
        blocks (Blocks): To learn of.
        solver (Solver): How it is solved.
        standard (Standard, optional): Applied to the rows.

    Raises:
        UserError: A single class.
    """

    def __init__(
        self, blocks: Blocks, solver: Solver, standard: Standard | None = None
    ) -> None:
        self.blocks, self.solver = blocks, solver
        labels = torch.cat([label for _, label in blocks.parts]).long()
        self.classes, self.count = labels.unique(), len(labels)
        if len(self.classes) < 2:
            raise UserError(
                f'all training rows have the label {int(self.classes[0])}; '
                'logistic regression needs two.'
            )
        self.rows = len(self.classes) if len(self.classes) > 2 else 1
        self.precision = SOLVERS[solver.precision]
        self.device = device_of(self.precision)
        self.standard = None
        if standard is not None:
            values = (standard.mean, standard.std)
            self.standard = Standard(*(self._here(value) for value in values))
        numbered = list(enumerate(blocks.parts))
        self.lanes = {
            lane: numbered[lane::LANES]
            for lane in range(dist.get_rank(), LANES, dist.get_world_size())
        }
        self.held: dict[int, Tensor] = {}
        self.room = _room(self.device)
        own = [
            len(label)
            for parts in self.lanes.values()
            for _, (_, label) in parts
        ]
        size = sum(own) * blocks.width * self.precision.itemsize
        self.whole = size <= self.room

    def fit(self, cost: float, start: np.ndarray | None = None) -> Fitted:
        """The solution for a C; all processes call it.

        Args:
            cost (float): C.
            start (np.ndarray, optional): A solution's ``point``; 0 if None.

        Raises:
            UserError: In every process: it is not finite.
        """
        if start is None:
            start = np.zeros(self.rows * (self.blocks.width + 1))
        point, count = _minimise(
            partial(self._value, cost), start, self.solver
        )
        if not np.isfinite(point).all():
            raise UserError(
                f'logistic regression diverged at C = {cost:g}; leave it out.'
            )
        both = torch.from_numpy(point).reshape(self.rows, -1)
        if self.rows == 1:  # opposite rows
            both = torch.cat((-both, both)) / 2
        both = self._here(both)
        return Fitted(
            cost,
            point,
            both[:, :-1],
            both[:, -1],
            self.classes,
            self.standard,
            count,
        )

    def _here(self, value: Tensor) -> Tensor:
        return value.to(self.device, self.precision)

    def _value(
        self, cost: float, point: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Objective and its gradient; all processes call it."""
        every: dict[int, tuple[float, np.ndarray]] = {}
        for some in from_all(lambda: self._sums(point)):
            every |= some
        lanes = [every[lane] for lane in sorted(every)]
        total = sum(loss for loss, _ in lanes) / self.count
        gradient = np.sum([part for _, part in lanes], axis=0) / self.count
        weights = point.reshape(self.rows, -1)[:, :-1]
        penalty = 1 / (cost * self.count)
        gradient[:, :-1] += penalty * weights
        total += penalty / 2 * float(np.square(weights).sum())
        return total, gradient.reshape(-1)

    @torch.no_grad()
    def _sums(self, point: np.ndarray) -> dict[int, tuple[float, np.ndarray]]:
        """Summed cross entropy and its gradient, of this process's lanes."""
        both = self._here(torch.from_numpy(point).reshape(self.rows, -1))
        return {
            lane: self._lane(both, parts) for lane, parts in self.lanes.items()
        }

    def _lane(
        self, both: Tensor, parts: Sequence[tuple[int, tuple[Any, Tensor]]]
    ) -> tuple[float, np.ndarray]:
        total = 0.0
        gradient = torch.zeros_like(both, dtype=torch.float64)
        for number, (name, label) in parts:
            x = self._block(number, name)  # (b, D)
            target = torch.searchsorted(self.classes, label.long())
            target = target.to(self.device)[:, None]  # (b, 1)
            logits = F.linear(x, both[:, :-1], both[:, -1])  # (b, rows)
            if self.rows == 1:  # of two classes the first one's logit is 0
                logits = F.pad(logits, (1, 0))
            chances = logits.log_softmax(dim=1)
            total -= float(chances.gather(1, target).double().sum())
            error = chances.exp_()
            error.scatter_add_(1, target, -torch.ones_like(x[:, :1]))
            error = error[:, -self.rows :]
            gradient[:, :-1] += error.T @ x
            gradient[:, -1] += error.double().sum(0)
        return total, gradient.cpu().numpy()

    def _block(self, number: int, name: Any) -> Tensor:
        """Rows (b, D), standardised.

        They are kept so where all of them have room, else as they are read,
        while there is room.
        """
        rows = self.held.get(number)
        if rows is not None and self.whole:
            return rows
        read = rows is None
        if rows is None:
            rows = self.blocks.read(name).to(self.device)
        given = rows.to(self.precision)
        if self.standard is not None:
            given = self.standard(given)
        kept = given if self.whole else rows
        if read and kept.nbytes <= self.room:
            self.room -= kept.nbytes
            self.held[number] = kept
        return given


def device_of(precision: torch.dtype) -> str:
    """The processes' device, or the CPU where it has no double precision."""
    device: str = get_device()
    double = precision == torch.float64
    return 'cpu' if double and device in ('mps', 'npu') else device


def _room(device: str) -> int:
    if not device.startswith('cuda'):
        return HELD
    free: int = torch.cuda.mem_get_info()[0]
    return free // 2


def _minimise(
    value: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    solver: Solver,
) -> tuple[np.ndarray, int]:
    """Minimise a function that all processes compute together.

    The first process decides each point, so that all do the same whatever
    their rounding.

    Returns:
        tuple: The point, and the iterations made.
    """
    from scipy.optimize import minimize

    def at(choose: Callable[[], np.ndarray | None]) -> Any:
        point = on_main_process(choose)
        return None if point is None else value(point)

    if not dist.is_main_process():
        while at(lambda: None) is not None:
            pass
        return _from_main(lambda: None)
    try:
        solved = minimize(
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
    return _from_main(lambda: (solved.x, int(solved.nit)))


def _from_main(make: Callable[[], Any]) -> tuple[np.ndarray, int]:
    found: tuple[np.ndarray, int] = on_main_process(make)
    return found


def _raising(end: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise end

    return fail
