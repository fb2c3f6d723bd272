"""The rates and momenta of the official frozen dense programs."""

from collections.abc import Callable
from typing import Any

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.momentum_scheduler import MomentumSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS

from ssl_bench.errors import unknown_name
from ssl_bench.frozen_dense.schedules import (
    capi_probe,
    dinov2_depth,
    dinov2_segmentation,
    dinov3_depth,
    dinov3_segmentation,
)

# rules of both, rate and momentum
PAIRS: dict[str, Callable[..., tuple[float, float]]] = dict(
    dinov2_depth=dinov2_depth, dinov3_depth=dinov3_depth
)
RULES: dict[str, Callable[..., float]] = dict(
    dinov2_segmentation=dinov2_segmentation,
    dinov3_segmentation=dinov3_segmentation,
    capi_probe=capi_probe,
    **{
        name: lambda *args, pair=pair: pair(*args)[0]
        for name, pair in PAIRS.items()
    },
)


@PARAM_SCHEDULERS.register_module()
class OfficialRate(LRSchedulerMixin, _ParamScheduler):
    """A rate by one of the rules of `ssl_bench.frozen_dense.schedules`.

    Args:
        optimizer (Optimizer): Its rate is the base.
        rule (str): A key of `RULES`.
        warmup (int): Updates of the warm-up.
        end (int): Updates of the training.
        **more: What else mmengine's schedulers take.
    """

    def __init__(
        self, optimizer: Any, rule: str, warmup: int, end: int, **more: Any
    ) -> None:
        if rule not in RULES:
            raise unknown_name('rule', rule, RULES)
        self.rule, self.warmup = rule, warmup
        super().__init__(optimizer, end=end, **more)

    def _get_value(self) -> list[float]:
        return [
            RULES[self.rule](self.last_step, base, self.end, self.warmup)
            for base in self.base_values
        ]


@PARAM_SCHEDULERS.register_module()
class OfficialMomentum(MomentumSchedulerMixin, _ParamScheduler):
    """The momentum, of Adam beta1, that goes with an `OfficialRate`.

    Args:
        optimizer (Optimizer): Its own momentum is not used.
        rule (str): A key of `PAIRS`.
        warmup (int): Updates of the warm-up of the rate.
        end (int): Updates of the training.
        **more: What else mmengine's schedulers take.
    """

    def __init__(
        self, optimizer: Any, rule: str, warmup: int, end: int, **more: Any
    ) -> None:
        if rule not in PAIRS:
            raise unknown_name('rule', rule, PAIRS)
        self.rule, self.warmup = rule, warmup
        super().__init__(optimizer, end=end, **more)

    def _get_value(self) -> list[float]:
        _, momentum = PAIRS[self.rule](
            self.last_step, 1.0, self.end, self.warmup
        )
        return [momentum] * len(self.base_values)
