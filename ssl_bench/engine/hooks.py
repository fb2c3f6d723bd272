"""Hooks of a training run."""

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

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
class ChannelsLastHook(Hook):
    """Store convolutions with channels last: faster on GPUs under autocast.

    This comes after initialisation, which fills a tensor in the order of its
    memory, so the run starts from the same weights as without it. It is left
    out on CPUs: with torch 2.14 and oneDNN 3.12 on an AVX2 machine, training
    of small ResNets wrote outside its memory and crashed.
    """

    def before_train(self, runner: Runner) -> None:
        """Convert the model; its feature maps then have this format, too."""
        if get_device() == 'cpu':
            runner.logger.warning(
                'channels_last is left out on a CPU, where it is not safe'
            )
            return
        runner.model.to(memory_format=torch.channels_last)


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Stop a run whose training folder has too many broken images.

    For `PretrainDataset`, which skips and marks them.

    Args:
        limit (float): Fraction of the set that may be unreadable.
    """

    def __init__(self, limit: float = 0.01) -> None:
        self.limit = limit

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
        if count > self.limit * len(marks):
            raise UserError(
                f'{count} of {len(marks)} training images are unreadable, '
                f'more than {self.limit:.0%}; the log names each. Fix or '
                'remove them, then start again with --resume.'
            )

    def after_train(self, runner: Runner) -> None:
        """Say how many images were skipped, if any."""
        marks = self._marks(runner)
        if marks is not None and marks.any():
            runner.logger.warning(
                f'{int(marks.sum())} of {len(marks)} training images were '
                'unreadable and skipped; the log names each.'
            )

    @staticmethod
    def _marks(runner: Runner) -> torch.Tensor | None:
        """A flag for each image; None for other data sets."""
        return getattr(runner.train_dataloader.dataset, 'unreadable', None)


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop when the loss is NaN or infinite.

    The check reads the loss of the iteration before. That one is computed by
    then, so the accelerator never waits.
    """

    def __init__(self) -> None:
        self._previous: tuple[int, torch.Tensor] | None = None

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Check the iteration before, remember this one."""
        self._check(runner)
        if outputs is not None:
            self._previous = runner.iter + 1, outputs['loss'].detach()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Never save weights that are not finite.

        A finite loss can have a gradient that is not finite, so the weights
        are checked, too.
        """
        self._check(runner)
        for name, value in checkpoint['state_dict'].items():
            if (
                torch.is_tensor(value)
                and value.is_floating_point()
                and not value.isfinite().all()
            ):
                self._stop(
                    runner,
                    f'{name} was no longer finite when the '
                    f'checkpoint after iteration {runner.iter} was '
                    'to be written',
                )

    def after_train_epoch(self, runner: Runner) -> None:
        """Check the last iteration of an epoch."""
        self._check(runner)

    def _check(self, runner: Runner) -> None:
        if self._previous is None:
            return
        (iteration, loss), self._previous = self._previous, None
        if not math.isfinite(loss):
            self._stop(
                runner,
                f'the loss became {float(loss)} at iteration {iteration}',
            )

    @staticmethod
    def _stop(runner: Runner, what: str) -> None:
        last: Any = newest_checkpoint(runner.work_dir)
        if last is None and runner.cfg.get('resume'):
            last = runner.cfg.get('load_from')
        raise UserError(
            f'{what}. Last good checkpoint: {last or "none"}. Lower the '
            'learning rate or train without --amp, then '
            + ('use --resume.' if last else 'start again.')
        )
