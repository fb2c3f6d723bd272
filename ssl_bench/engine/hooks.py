"""Hooks of a training run."""

import logging
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.device import get_device
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ssl_bench.engine.distributed import unwrapped
from ssl_bench.errors import UserError
from ssl_bench.run_folder import newest_checkpoint

Batch = Sequence[dict] | None


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed the model's random numbers by (seed, iteration, rank).

    Dropout, sampled boxes, mixed-up batches and so on then need no state in
    the checkpoint: a resumed run continues exactly. Each process draws its
    own.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch = None
    ) -> None:
        """Seed python, numpy, and torch on every device of this process."""
        seed = _mix(runner.seed, runner.iter, get_rank())
        random.seed(seed)
        np.random.seed(seed % 2**32)
        if torch.cuda.is_available():
            torch.manual_seed(seed)
        else:  # without a device, torch would queue each call
            torch.default_generator.manual_seed(seed)


def _mix(seed: int, iteration: int, rank: int) -> int:
    """One 63-bit seed from three numbers (splitmix64's multipliers)."""
    value = 0
    for word in (seed, iteration, rank):
        value = (value + word + 1) * 0x9E3779B97F4A7C15 % 2**64
        value ^= value >> 31
        value = value * 0xBF58476D1CE4E5B9 % 2**64
    return value >> 1


@HOOKS.register_module()
class RunSizeHook(Hook):
    """Tell the model how long the run is."""

    def before_train(self, runner: Runner) -> None:
        """Call ``set_total_steps`` where it exists."""
        for module in runner.model.modules():
            if hasattr(module, 'set_total_steps'):
                module.set_total_steps(runner.max_iters)


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Say what is read; stop where too many images cannot be.

    For `PretrainDataset`, which skips and marks them. Each process marks
    those that it meets; after an epoch all know of all.

    Args:
        limit (float, optional): Fraction of the set that may be unreadable;
            the data set's ``unreadable_limit`` when None.
    """

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self._noted = 0

    def before_train(self, runner: Runner) -> None:
        """Say how many images there are, and what is left out."""
        images = runner.train_dataloader.dataset
        if self._marks(runner) is not None:
            runner.logger.log(
                logging.WARNING if images.others else logging.INFO,
                images.summary(),
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Compare the count, which the loader workers share, to the limit."""
        marks = self._marks(runner)
        if marks is None:
            return
        count = int(marks.sum())
        if count == self._noted:
            return
        self._noted = count
        images = runner.train_dataloader.dataset
        limit = images.unreadable_limit if self.limit is None else self.limit
        if count > limit * len(marks):
            folder = images.img_prefix or images.data_root
            raise UserError(
                f'{count} of {len(marks)} training images cannot be read, '
                f'more than {limit:.3%}. The log names those met so far; '
                f'`ssl-bench data check-images {folder}` names all. Put '
                'readable files in their places, or allow more (--cfg-options '
                'train_dataloader.dataset.unreadable_limit=0.05), and go on '
                'with --resume auto. Without them it is another set of '
                'images: start over in another --work-dir.'
            )
        self._note(runner, f'{count} of {len(marks)}')

    def after_train_epoch(self, runner: Runner) -> None:
        """Tell all processes of the marks of each."""
        marks = self._marks(runner)
        if marks is None or dist.get_world_size() == 1:
            return
        joined = marks.to(torch.uint8)
        dist.all_reduce(joined, 'max')
        marks |= joined.bool()
        self.after_train_iter(runner, 0)

    def after_train(self, runner: Runner) -> None:
        """Say how many images were skipped, if any."""
        marks = self._marks(runner)
        if marks is not None and marks.any():
            runner.logger.warning(
                f'{int(marks.sum())} of {len(marks)} training images were '
                'unreadable and skipped; the log names each.'
            )

    @staticmethod
    def _note(runner: Runner, count: str) -> None:
        """Say it in the settings, which go to every record."""
        method = runner.cfg.get('method')
        if method is None or 'changes' not in method:
            return
        text = 'training images cannot be read; others took their places'
        method.changes = [
            *(line for line in method.changes if not line.endswith(text)),
            f'{count} {text}',
        ]

    @staticmethod
    def _marks(runner: Runner) -> torch.Tensor | None:
        """A flag for each image; None for other data sets."""
        return getattr(runner.train_dataloader.dataset, 'unreadable', None)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop when the loss or the weights are NaN or infinite.

    mmengine's log has read the loss of an iteration before this hook does,
    so the accelerator does not wait once more. All processes stop when one
    of them has such a loss. Weights are looked at before each checkpoint,
    validation and test: neither a good checkpoint nor a record is replaced
    by what they would give.

    Where the loss is scaled against underflow (``GradScaler``), a step whose
    gradients overflow is skipped and the scale made smaller. So only a row
    of such steps stops the run.

    Args:
        resumes (bool): A run with a lower rate goes on from the last
            checkpoint, by ``--resume``.
        row (int): Iterations in a row that stop a run with a scaled loss.
    """

    def __init__(self, resumes: bool = True, row: int = 10) -> None:
        self.resumes, self.row = resumes, row
        self._count = 0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the loss, in every process."""
        loss = float(
            torch.as_tensor((outputs or {}).get('loss', 0.0)).detach()
        )
        worst = loss if not math.isfinite(loss) else 0.0
        if dist.get_world_size() > 1:
            flag = torch.tensor(float(worst != 0), device=get_device())
            dist.all_reduce(flag, 'max')
            worst = worst or (math.nan if flag else 0.0)
        self._count = self._count + 1 if worst else 0
        scaler = getattr(
            getattr(runner, 'optim_wrapper', None), 'loss_scaler', None
        )
        scaled = scaler is not None and scaler.is_enabled()
        if self._count >= (self.row if scaled else 1):
            self._stop(
                runner,
                f'the loss became {worst} at iteration {runner.iter + 1}',
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Never save weights that are not finite.

        A finite loss can have a gradient that is not finite.
        """
        self._check(
            runner,
            checkpoint['state_dict'],
            f'when the checkpoint after iteration {runner.iter} was to be '
            'written',
        )

    def before_val(self, runner: Runner) -> None:
        """Never measure weights that are not finite."""
        self.before_test(runner)

    def before_test(self, runner: Runner) -> None:
        """As `before_val`."""
        self._check(
            runner,
            unwrapped(runner.model).state_dict(),
            f'when it was to be tested after iteration {runner.iter}',
        )

    def _check(
        self, runner: Runner, weights: dict[str, Any], when: str
    ) -> None:
        """Stop at the first tensor that is not finite."""
        for name, value in weights.items():
            if (
                torch.is_tensor(value)
                and value.is_floating_point()
                and not value.isfinite().all()
            ):
                self._stop(runner, f'{name} was no longer finite {when}')

    def _stop(self, runner: Runner, what: str) -> None:
        last: Any = newest_checkpoint(runner.work_dir)
        if last is None and runner.cfg.get('resume'):
            last = runner.cfg.get('load_from')
        then = ', then continue with --resume' if last and self.resumes else ''
        raise UserError(
            f'{what}. Last good checkpoint: {last or "none"}. Lower the '
            'learning rate (--cfg-options optim_wrapper.optimizer.lr=...) or '
            f'train without mixed precision{then}.'
        )
