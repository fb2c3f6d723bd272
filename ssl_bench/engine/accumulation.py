"""Accumulated gradients: rates per update, and checkpoints in between."""

from collections.abc import Sequence

import torch
from mmengine import dist
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ssl_bench.engine.distributed import unwrapped

Batch = Sequence[dict] | None


def batches_per_update(wrapper: OptimWrapper) -> int:
    """How many batches make one step of the optimizer."""
    if isinstance(wrapper, OptimWrapperDict):  # has one count for each
        return 1
    return wrapper._accumulative_counts


def has_updated(wrapper: OptimWrapper) -> bool:
    """Whether the iteration that is over has moved the weights."""
    if isinstance(wrapper, OptimWrapperDict):
        return True
    return wrapper.should_update()  # it counts an iteration when it is over


@HOOKS.register_module()
class UpdateSchedulerHook(ParamSchedulerHook):
    """Schedules that count iterations count steps of the optimizer.

    mmengine's counts batches: with gradients of k batches accumulated, the
    rate of an update would be that of its last batch, (k - 1) / k of an
    update ahead in warm-ups and decays.
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Move the schedules if this iteration has moved the weights."""
        if has_updated(runner.optim_wrapper):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)


@HOOKS.register_module()
class PartialGradientsHook(Hook):
    """Save and restore gradients between two updates of the weights.

    Without it, a run that is resumed from a checkpoint in the middle of an
    update would lose a part of the update's gradient. Each process has a
    part of its own.
    """

    key = 'partial_gradients'

    def __init__(self) -> None:
        self.parts: list[Tensor] | None = None

    def before_checkpoint(self, runner: Runner) -> None:
        """Collect; all processes do, and the first then saves."""
        self.parts = None
        if not has_updated(runner.optim_wrapper):
            self.parts = collected(unwrapped(runner.model))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add what was collected."""
        if self.parts is not None:
            checkpoint[self.key] = [part.cpu() for part in self.parts]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Give each process its part, where a run goes on.

        Another number of processes gets the mean of all parts: the mean
        gradient is then the same.
        """
        if not runner._resume or self.key not in checkpoint:
            return
        parts = checkpoint[self.key]
        part = (
            parts[dist.get_rank()]
            if len(parts) == dist.get_world_size()
            else torch.stack(parts).mean(0)
        )
        restore(unwrapped(runner.model), part)


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that have gradients."""
    return [p for p in model.parameters() if p.requires_grad]


def collected(model: nn.Module) -> list[Tensor]:
    """Gradients of each process, flat.

    Returns:
        list[Tensor]: Of every process, (P,), P parameters in all.
    """
    flat = torch.cat(
        [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten()
            for p in trained(model)
        ]
    )
    return dist.all_gather(flat)


def restore(model: nn.Module, flat: Tensor) -> None:
    """Set the gradients from a tensor (P,) of `collected`.

    One of zeros stays None: optimizers then skip a parameter that the loss
    does not use.
    """
    parameters = trained(model)
    parts = flat.split([p.numel() for p in parameters])
    for p, part in zip(parameters, parts):
        if part.any():
            p.grad = part.to(p).view_as(p).clone()
