"""Estimated seconds of the runs of a judgement, after a short measurement."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ssl_bench.judge.plan import JudgePlan
from ssl_bench.judge.scores import RANDOM
from ssl_bench.judge.settings import Mode
from ssl_bench.tasks.table import on_own_data
from ssl_bench.transfer.frozen import build_frozen
from ssl_bench.transfer.plan import Plan, make_plan
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.toolkit_output import unheard

START = 1.5  # seconds of a training, before and after it
IMAGES = 8  # of a measurement


@dataclass(frozen=True)
class Speed:
    """Estimated seconds of a run.

    Args:
        forward (Mapping[str, float]): Seconds of one image through the
            network without heads, by mode.
    """

    forward: Mapping[str, float]

    def training(self, mode: str, way: Mode, seen: int, tested: int) -> float:
        """Of a training, and the test of it.

        Args:
            mode (str): Name of the mode.
            way (Mode): The mode.
            seen (int): Images in training, each time that one is seen.
            tested (int): Test images.
        """
        one = self.forward[mode]
        return (
            START
            + seen * (way.cost * one + way.reading)
            + tested * (way.test_cost * one + way.reading)
        )

    def reading(self, mode: str, way: Mode, images: int) -> float:
        """Of passing images through the frozen backbone."""
        return START + images * (self.forward[mode] + way.reading)


def measure_speed(plan: JudgePlan) -> Speed:
    """Time some random images in the network of each mode.

    Raises:
        UserError: A task does not take this architecture.
    """
    control = next(one for one in plan.weights if one.control == RANDOM)
    source, found = control.source, {}
    family = (source.arch_args or {}).get('family', '')
    for mode, way in plan.modes.items():
        fitted = make_plan(
            on_own_data(way.task, plan.splits.own).id,
            source.arch_args,
            overrides=plan.overrides(mode, len(plan.splits.labels), 1.0),
            recipe=way.recipe_for(family),
            train=way.train,
        )
        with unheard():
            network = _network(fitted, source)
        found[mode] = _seconds(network, plan.crop)
    return Speed(found)


def _network(fitted: Plan, source: Source) -> Callable[[Tensor], Any]:
    """What a run passes its images through; of a detector without heads."""
    from mmengine.device import get_device
    from mmengine.registry import MODELS, DefaultScope

    config = fitted.config
    if config.get('probe'):
        return build_frozen(config, source).backbone
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
    model = model.to(get_device()).eval()
    if config.default_scope == 'mmdet':  # its heads need boxes
        return model.extract_feat
    return partial(model, mode='tensor')


def _seconds(network: Callable[[Tensor], Any], side: int) -> float:
    """Of one image; the shortest of three measurements."""
    from mmengine.device import get_device

    batch = torch.rand(IMAGES, 3, side, side, device=get_device())
    taken = []
    with torch.no_grad():
        for _ in range(3):
            start = time.perf_counter()
            network(batch)
            taken.append((time.perf_counter() - start) / IMAGES)
    return min(taken)
