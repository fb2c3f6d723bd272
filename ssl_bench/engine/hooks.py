"""Hooks of a training run."""

import logging
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ssl_bench.engine.distributed import unwrapped
from ssl_bench.engine.stopping import Agreement
from ssl_bench.errors import UserError
from ssl_bench.layers.collectives import SHARED
from ssl_bench.layers.no_wait import HostCopy
from ssl_bench.run_folder import newest_checkpoint

Batch = Sequence[dict] | None
KINDS = (0.0, -math.inf, math.inf, math.nan)  # of losses; the first: finite


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed the model's random numbers by (seed, iteration, rank).

    Dropout, sampled boxes, mixed-up batches and so on then need no state in
    the checkpoint: a resumed run continues exactly. Each process draws its
    own, except from `SHARED`.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch = None
    ) -> None:
        """Seed python, numpy, and torch on every device of this process."""
        SHARED.manual_seed(_mix(runner.seed, runner.iter))
        seed = _mix(runner.seed, runner.iter, get_rank())
        random.seed(seed)
        np.random.seed(seed % 2**32)
        if torch.cuda.is_available():
            torch.manual_seed(seed)
        else:  # without a device, torch would queue each call
            torch.default_generator.manual_seed(seed)


def _mix(*words: int) -> int:
    """One 63-bit seed from several numbers (splitmix64's multipliers)."""
    value = 0
    for word in words:
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


def not_finite(weights: dict[str, Any]) -> str | None:
    """The name of the first tensor that has NaN or infinite numbers."""
    for name, value in weights.items():
        if (
            torch.is_tensor(value)
            and value.is_floating_point()
            and not value.isfinite().all()
        ):
            return name
    return None


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop when the loss or the weights are NaN or infinite.

    A loss is looked at one iteration later, and what other processes found
    still one later: no iteration waits. All processes stop at the same one.
    Before each checkpoint, validation, test and end, the last losses and the
    weights are looked at: neither a good checkpoint nor a record is replaced
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
        self._agreement: Agreement | None = None
        self._last: tuple[int, HostCopy] | None = None  # not looked at yet

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the loss before this one; keep this one."""
        if self._agreement is None:
            self._agreement = Agreement()
        self._look(runner)
        loss = torch.as_tensor((outputs or {}).get('loss', 0.0))
        self._last = runner.iter + 1, HostCopy(loss)

    def before_checkpoint(self, runner: Runner) -> None:
        """Look at all losses that there were, in every process."""
        if self._agreement is not None:
            self._look(runner)
            self._judge(runner, *self._agreement.read((0, 0)))

    def after_train(self, runner: Runner) -> None:
        """As `before_checkpoint`."""
        self.before_checkpoint(runner)

    def explain(self, runner: Runner, error: Exception) -> None:
        """Name the loss that came before an error, if that explains it.

        Where the loss was another process's, the weights show it.

        Raises:
            UserError: The last loss, or the weights, were not finite.
        """
        if self._agreement is None or isinstance(error, UserError):
            return
        try:
            word, weights = self._word(), unwrapped(runner.model).state_dict()
            bad = not_finite(weights)
        except RuntimeError:  # the device has failed, and says why
            return
        self._judge(runner, *word)
        if bad:
            self._stop(
                runner,
                f'{bad} was no longer finite after iteration {runner.iter}',
            )

    def _word(self) -> tuple[int, int]:
        """The iteration of the last loss, and its place in `KINDS`."""
        if self._last is None:
            return 0, 0
        (iteration, copy), self._last = self._last, None
        loss = float(copy.read())
        kinds = [math.isfinite(loss), loss == -math.inf, loss == math.inf, 1]
        return iteration, kinds.index(True)

    def _look(self, runner: Runner) -> None:
        """Judge the last loss, or, next to others, the one before it."""
        assert self._agreement is not None
        word = self._word()
        said = self._agreement.read(word)
        self._agreement.send(word)
        self._judge(runner, *said)

    def _judge(self, runner: Runner, iteration: int, kind: int) -> None:
        """Count losses in a row that are not finite.

        Args:
            runner (Runner): Of the training.
            iteration (int): Counted from 1; 0 if there is none.
            kind (int): The worst of all processes.
        """
        if not iteration:
            return
        self._count = self._count + 1 if kind else 0
        scaler = getattr(
            getattr(runner, 'optim_wrapper', None), 'loss_scaler', None
        )
        scaled = scaler is not None and scaler.is_enabled()
        if self._count >= (self.row if scaled else 1):
            self._stop(
                runner,
                f'the loss became {KINDS[kind]} at iteration {iteration}',
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
        self.before_checkpoint(runner)
        self._check(
            runner,
            unwrapped(runner.model).state_dict(),
            f'when it was to be tested after iteration {runner.iter}',
        )

    def _check(
        self, runner: Runner, weights: dict[str, Any], when: str
    ) -> None:
        """Stop at the first tensor that is not finite."""
        bad = not_finite(weights)
        if bad:
            self._stop(runner, f'{bad} was no longer finite {when}')

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
