"""Hooks of a transfer run."""

import time
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ssl_bench.files import write_text
from ssl_bench.measuring import peak_memory

BatchNorm = nn.modules.batchnorm._BatchNorm
RESUMPTIONS = 'resumptions'  # file in the folder of a run


@HOOKS.register_module()
class TrainingPreciseBNHook(Hook):
    """Recompute batch norm statistics once, after the last iteration.

    Training batches go through the model in ``loss`` mode without
    gradients, and means and variances of every batch norm are averaged over
    them (and over the processes), as Detectron2's ``PreciseBN`` does.
    mmpretrain's hook of a similar name runs the model as at test time, which
    for a two-stage detector means test-time proposals and so other
    statistics in the RoI head. Weights do not change.

    Args:
        num_iters (int): Batches.
    """

    priority = 'NORMAL'  # before the last checkpoint, which is VERY_LOW

    def __init__(self, num_iters: int = 200) -> None:
        self.num_iters = num_iters

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Act in the last iteration only."""
        if runner.iter + 1 != runner.max_iters or not self.num_iters:
            return
        model = (
            runner.model.module
            if is_model_wrapper(runner.model)
            else runner.model
        )
        batches = runner.train_loop.dataloader_iterator
        runner.logger.info(
            f'batch norm statistics over {self.num_iters} batches'
        )
        recompute_statistics(model, batches, self.num_iters)


@torch.no_grad()
def recompute_statistics(model: Any, batches, num_iters: int) -> None:
    """Set the running statistics of a model to means over batches.

    Args:
        model (BaseModel): In training mode; called with ``mode='loss'``.
        batches (Iterator): Of the training loader.
        num_iters (int): How many to use.
    """
    norms = [
        module
        for module in model.modules()
        if isinstance(module, BatchNorm)
        and module.training
        and module.track_running_stats
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    buffers: list[Tensor] = [
        norm.get_buffer(name)
        for norm in norms
        for name in ('running_mean', 'running_var')
    ]
    sums = [torch.zeros_like(buffer) for buffer in buffers]
    for norm in norms:
        norm.momentum = 1.0  # what a batch leaves is its own
    for _ in range(num_iters):
        data = model.data_preprocessor(next(batches), True)
        model(**data, mode='loss')
        for buffer, total in zip(buffers, sums):
            total += buffer
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    for buffer, total in zip(buffers, sums):
        total /= num_iters
        if dist.get_world_size() > 1:
            dist.all_reduce(total, op='mean')
        buffer.copy_(total)


@HOOKS.register_module()
class CostHook(Hook):
    """Count seconds, images and resumptions of training, and the memory.

    The sums travel in the checkpoint's message hub, and the number of
    resumptions in a file of the run's folder too: a run can be killed again
    before its next checkpoint.
    """

    # the sums are saved by the checkpoint hook; the memory is read before the
    # log, which starts its count again
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.started = 0.0
        self.before: dict[str, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Take up the sums of the part before an interruption."""
        self.before = dict(
            dict(seconds=0.0, images=0, resumptions=0, peak_memory=0.0),
            **runner.message_hub.get_info('transfer_cost', {}),
        )
        self.before['resumptions'] = count_resumptions(
            Path(runner.work_dir) / RESUMPTIONS,
            int(self.before['resumptions']),
            runner.iter > 0,
        )
        self.started = time.perf_counter()
        self.first = runner.iter
        runner.message_hub.update_info('transfer_cost', self.before)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Keep the sums up to date."""
        batch = (
            runner.train_dataloader.batch_size
            or runner.train_dataloader.batch_sampler.batch_size
        )
        done = (runner.iter + 1 - self.first) * batch * runner.world_size
        seconds = time.perf_counter() - self.started
        self.before['peak_memory'] = max(
            self.before['peak_memory'], peak_memory()
        )
        runner.message_hub.update_info(
            'transfer_cost',
            dict(
                self.before,
                seconds=self.before['seconds'] + seconds,
                images=self.before['images'] + done,
            ),
        )


def count_resumptions(path: Path, known: int, resumed: bool) -> int:
    """How often a run was resumed, this time included; kept in a file.

    Args:
        path (Path): The file; what an earlier run left there is removed
            where this one starts.
        known (int): What the checkpoint says.
        resumed (bool): Whether this run goes on from one.

    Returns:
        int: The same in all processes.
    """
    number = [0]
    if dist.is_main_process():
        if resumed:
            kept = path.read_text() if path.is_file() else ''
            number = [1 + max(known, int(kept) if kept.isdecimal() else 0)]
            write_text(path, str(number[0]))
        else:
            path.unlink(missing_ok=True)
    dist.broadcast_object_list(number)
    return number[0]
