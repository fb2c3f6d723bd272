"""An encoder that follows another one as a moving average."""

import copy
import math
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage
from torch import Tensor, nn

from ssl_bench.errors import unknown_name


def constant_momentum(step: int, total: float, base: float) -> float:
    """The coefficient of the old weights, ``base`` at every step."""
    return base


def cosine_momentum(step: int, total: float, base: float) -> float:
    """The coefficient of the old weights, from ``base`` up to 1.

    ``1 - (1 - base) * (cos(pi * step / total) + 1) / 2``, as in BYOL, PixPro,
    LEWEL and SiameseIM.

    Args:
        step (int): Updates made before this one.
        total (float): Updates of the whole training.
        base (float): Coefficient at step 0.
    """
    return 1 - (1 - base) * (math.cos(math.pi * step / total) + 1) / 2


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Copy the second of each pair into the first, all of a type at once."""
    kinds: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}
    for target, value in pairs:
        kinds.setdefault(target.dtype, []).append((target, value))
    for of_type in kinds.values():
        targets, values = zip(*of_type)
        torch._foreach_copy_(targets, values)


SCHEDULES = dict(constant=constant_momentum, cosine=cosine_momentum)
STATISTICS = ('own', 'average', 'copy')


class MomentumEncoder(nn.Module):
    """A copy of a module that takes no gradient and follows the original.

    ``theta <- m * theta + (1 - m) * theta_source`` for every parameter, m
    being the coefficient of the old weights. The number of updates made is a
    buffer, so that a resumed run continues its schedule.

    mmengine initialises weights after the model has been built: a model that
    has a momentum encoder ends its ``init_weights`` with `copy_from`.

    Args:
        module (nn.Module): The original; it is copied, not kept.
        momentum (float): Coefficient of the old weights, at the first update
            if scheduled.
        schedule (str): ``'constant'`` or ``'cosine'`` (up to 1; needs
            `set_total_steps` before the first update).
        statistics (str): What happens to buffers, such as the running
            statistics of batch normalisation: ``'own'`` leaves them alone;
            ``'average'`` treats those of floating point like parameters and
            copies the others (EMAN); ``'copy'`` copies all.
        evaluate (bool): Stay in evaluation mode in any mode of the model.

    Raises:
        UserError: Unknown schedule or statistics.
    """

    step: Tensor

    def __init__(
        self,
        module: nn.Module,
        momentum: float = 0.99,
        schedule: str = 'constant',
        statistics: str = 'own',
        evaluate: bool = False,
    ) -> None:
        super().__init__()
        if schedule not in SCHEDULES:
            raise unknown_name('momentum schedule', schedule, SCHEDULES)
        if statistics not in STATISTICS:
            raise unknown_name('statistics policy', statistics, STATISTICS)
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.base, self.schedule = momentum, schedule
        self.statistics, self.evaluate = statistics, evaluate
        self.total_steps: float | None = None
        self.register_buffer('step', torch.zeros((), dtype=torch.long))
        self._step = 0  # the buffer's value, read without asking the device
        self.train(self.training)

    def set_total_steps(self, total: float) -> None:
        """Tell how many updates the whole training makes, before it starts.

        A hook of the runner calls this on every momentum encoder; PixPro's
        total is not an integer number of loader lengths, hence a float.
        """
        if total <= 0:
            raise ValueError(f'total steps must be positive, got {total}.')
        self.total_steps = total

    @property
    def momentum(self) -> float:
        """The coefficient of the old weights in the next update.

        Raises:
            RuntimeError: The schedule needs the total number of steps.
        """
        if self.schedule != 'constant' and self.total_steps is None:
            raise RuntimeError(
                f'the {self.schedule} momentum schedule needs the number of '
                'training steps: call set_total_steps() before the first '
                "update (the runner's RunSizeHook does)."
            )
        return SCHEDULES[self.schedule](
            self._step, self.total_steps or 0.0, self.base
        )

    @torch.no_grad()
    def copy_from(self, source: nn.Module) -> None:
        """Make parameters and buffers equal to the source's."""
        for pairs in (
            self._pairs(source, 'parameters'),
            self._pairs(source, 'buffers'),
        ):
            _copy(pairs)

    @torch.no_grad()
    def update(self, source: nn.Module, momentum: float | None = None) -> None:
        """Move towards the source by one step, and count it.

        Args:
            source (nn.Module): A module of the same parameters and buffers,
                in the same order.
            momentum (float, optional): Coefficient of the old weights; the
                schedule's when None.

        Raises:
            ValueError: The source has other parameters.
        """
        momentum = self.momentum if momentum is None else momentum
        self._average(self._pairs(source, 'parameters'), momentum)
        if self.statistics != 'own':
            buffers = self._pairs(source, 'buffers')
            if self.statistics == 'average':
                self._average(
                    [pair for pair in buffers if pair[0].is_floating_point()],
                    momentum,
                )
                buffers = [
                    pair for pair in buffers if not pair[0].is_floating_point()
                ]
            _copy(buffers)
        self.step += 1
        self._step += 1

    @torch.no_grad()
    def forward(self, *args, **kwargs):
        """Run the copy, without gradient."""
        return self.module(*args, **kwargs)

    def train(self, mode: bool = True) -> 'MomentumEncoder':
        """Set the mode; with ``evaluate``, always evaluation mode."""
        return super().train(mode and not self.evaluate)

    def _pairs(
        self, source: nn.Module, kind: str
    ) -> list[tuple[Tensor, Tensor]]:
        targets = list(getattr(self.module, kind)())
        values = list(getattr(source, kind)())
        shapes = [
            [tuple(tensor.shape) for tensor in tensors]
            for tensors in (targets, values)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"the source's {kind} do not match the copy's: expected "
                f'{len(targets)}, got {len(values)}, or shapes differ.'
            )
        return list(zip(targets, values))

    @staticmethod
    def _average(pairs: list[tuple[Tensor, Tensor]], momentum: float) -> None:
        if pairs:
            targets, values = zip(*pairs)
            torch._foreach_lerp_(targets, values, 1 - momentum)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._step = int(self.step)


class CountedAverage(ExponentialMovingAverage):
    """mmengine's moving average, which counts its updates on the host, too.

    mmengine's reads its count from the device in every step. Names in a
    checkpoint and numbers are the same: the first update copies, buffers are
    copied in all of them.

    Args:
        model (nn.Module): The original; it is copied.
        momentum (float): Coefficient of the new weights.
        cosine (bool): Whether it falls to 0, as mmpretrain's ``CosineEMA``.
    """

    steps: Tensor

    def __init__(
        self, model: nn.Module, momentum: float, cosine: bool = False
    ) -> None:
        super().__init__(model, momentum)
        self.cosine = cosine
        self._count = 0

    @property
    def share(self) -> float:
        """The coefficient of the new weights in the next update."""
        if not self.cosine:
            return self.momentum
        total = MessageHub.get_current_instance().get_info('max_iters')
        return 1 - cosine_momentum(self._count, total, 1 - self.momentum)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move towards a model by one step."""
        targets: list[Tensor] = list(self.module.parameters())
        values: list[Tensor] = list(model.parameters())
        if self._count == 0:
            torch._foreach_copy_(targets, values)
        else:
            torch._foreach_lerp_(targets, values, self.share)
        _copy(list(zip(self.module.buffers(), model.buffers())))
        self.steps += 1
        self._count += 1

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._count = int(self.steps)


class CountedKeys:
    """What MoCo and DenseCL of mmpretrain need for a `CountedAverage`.

    It comes before mmpretrain's class among the bases.

    Args:
        As of mmpretrain's class.
    """

    backbone: nn.Module
    neck: Any

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        momentum: float = 0.001,
        **kwargs,
    ) -> None:
        super().__init__(  # type: ignore[call-arg]  # of mmpretrain's class
            backbone, neck, head, momentum=momentum, **kwargs
        )
        self._before_copy()
        self.encoder_k = CountedAverage(self._query(), momentum)

    def _before_copy(self) -> None:
        """Change what both encoders have."""

    def _query(self) -> nn.Sequential:
        return nn.Sequential(self.backbone, self.neck)
