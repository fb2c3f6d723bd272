"""mmengine's runner; a checkpoint is saved completely or not at all."""

import copy
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process, master_only
from mmengine.logging import MessageHub, MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict, _ParamScheduler
from mmengine.registry import OPTIMIZERS, RUNNERS, DefaultScope
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ssl_bench.data.exact_batches import ExactBatches, seed_samples
from ssl_bench.engine.accumulation import batches_per_update
from ssl_bench.engine.distributed import cpu_wrapper
from ssl_bench.engine.hooks import FiniteLossHook
from ssl_bench.engine.late_log import keep_norm, read_late
from ssl_bench.engine.loops import exact_loop
from ssl_bench.engine.param_groups import MergedGroups
from ssl_bench.engine.progress import ProgressHook
from ssl_bench.engine.resume import OwnSchedule, check_resume, sizes_of
from ssl_bench.engine.run_output import (
    HeldBack,
    require_space,
    say_once_if_full,
)
from ssl_bench.engine.speed import own_form
from ssl_bench.engine.stopping import SIGNALS, guard_workers
from ssl_bench.environment import require_room_for_workers
from ssl_bench.errors import UserError, one_line, unknown_name
from ssl_bench.files import atomic_path, write_text
from ssl_bench.layers.global_bn import replace_sync_bn
from ssl_bench.run_folder import from_first, newest_checkpoint


@contextmanager
def build_errors() -> Iterator[None]:
    """Turn what classes, registries and toolkits raise for bad arguments.

    Raises:
        UserError: One line instead of their error.
    """
    try:
        yield
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise UserError(
            f'the config cannot be built: {one_line(error) or repr(error)}'
        ) from error


def require_model(config: Config) -> None:
    """Check that a config can be pretrained.

    Raises:
        UserError: It has no model, or no class has the model's name.
    """
    from mmpretrain.registry import MODELS

    if 'type' not in (config.get('model') or {}) or not config.get(
        'train_dataloader'
    ):
        raise UserError(
            f'{config.filename or "the config"} is not a pretraining config: '
            'it has no model or no train_dataloader.'
        )
    with DefaultScope.overwrite_default_scope(config.default_scope):
        if MODELS.get(config.model.type) is None:
            raise unknown_name('model', config.model.type, MODELS.module_dict)


def require_optimizer(optim_wrapper: Mapping[str, Any]) -> None:
    """Check that a config's optimizer is one that can be built.

    Raises:
        UserError: No optimizer has the name.
    """
    kind = optim_wrapper.get('optimizer', {}).get('type')
    # the toolkit's own registry, which the default scope names
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:
        if isinstance(kind, str) and registry.get(kind) is None:
            known = {*registry.module_dict, *OPTIMIZERS.module_dict}
            raise unknown_name('optimizer', kind, known)


class FormattedOnce(Config):
    """A config that keeps its text until a value changes.

    A run asks for the text six times, for its logs, copies and checkpoints,
    and yapf takes one or two seconds to lay it out.
    """

    @classmethod
    def of(cls, config: Config) -> 'FormattedOnce':
        """The same settings, copied."""
        other = cls.__new__(cls)
        other.__setstate__(copy.deepcopy(config).__getstate__())
        return other

    @property
    def pretty_text(self) -> str:
        """As `Config.pretty_text`."""
        settings = repr(self._cfg_dict)
        known = self.__dict__.get('_formatted')
        if known is None or known[0] != settings:
            known = settings, super().pretty_text
            object.__setattr__(self, '_formatted', known)
        return known[1]


@RUNNERS.register_module()
class AtomicRunner(Runner):
    """A runner whose checkpoints get their name when they are complete.

    A resumed run gives the numbers of one without a break: samples and steps
    are seeded by their place in the run (`seed_samples`, `StepSeedHook`, which
    a config lists), loops start in the middle of an epoch, and a checkpoint
    of other batches or another seed is refused.

    A config's ``console_level``, for instance ``'ERROR'``, is the level of
    the log on the terminal; the log file has all messages.
    """

    start_over = 'without --resume, with --force or in another folder'
    go_on = 'The same command with --resume'  # what continues
    batch_option = True  # a run can go on with a batch given by an option
    prefetch = False  # as of `Speed`; set before the loop is built
    _saved_schedulers: list[dict] | None = None
    _held: list[HeldBack]  # handlers that wait
    _merged_groups: MergedGroups | None = None
    _train_dataloader: DataLoader | dict
    _load_from: str | None
    param_schedulers: Any

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'AtomicRunner':
        """Build a runner; see mmengine's."""
        return super().from_cfg(FormattedOnce.of(cfg))

    def train(self) -> nn.Module:
        """mmengine's; an error is printed below the logs, not into a bar.

        Raises:
            UserError: The disk has no room for a checkpoint.
        """
        require_space(self.work_dir, self.model)
        self._show_lines()
        try:
            return super().train()
        except Exception as error:
            for hook in self.hooks:
                if isinstance(hook, FiniteLossHook):
                    hook.explain(self, error)
            raise
        finally:
            SIGNALS.end_at_once()
            for hook in self.hooks:
                if isinstance(hook, ProgressHook):
                    hook.stop()

    def val(self) -> dict:
        """mmengine's; the terminal gets the log's lines."""
        self._show_lines()
        return super().val()

    def test(self) -> dict:
        """mmengine's; the terminal gets the log's lines."""
        self._show_lines()
        return super().test()

    @staticmethod
    def build_dataloader(*args, **kwargs) -> DataLoader:
        """mmengine's; a signal to all processes leaves the workers alone."""
        return guard_workers(Runner.build_dataloader(*args, **kwargs))

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """mmengine's loop, with one that can start at any iteration."""
        if isinstance(loop, BaseLoop) or isinstance(
            self._train_dataloader, DataLoader
        ):
            return super().build_train_loop(loop)
        loop, self._train_dataloader = exact_loop(loop, self._train_dataloader)
        built = super().build_train_loop(loop)
        if isinstance(built.dataloader.batch_sampler, ExactBatches):
            seed_samples(built.dataloader.dataset, self.seed)
        require_room_for_workers(built.dataloader)
        return built

    def register_default_hooks(self, hooks: dict | None = None) -> None:
        """mmengine's, with schedules that count updates of the weights.

        Raises:
            UserError: Checkpoints would lie where no run looks for them.
        """
        if ((hooks or {}).get('checkpoint') or {}).get('out_dir'):
            raise UserError(
                'default_hooks.checkpoint.out_dir: a run looks for its '
                'checkpoints in its work dir. Leave it out, and name another '
                'work dir.'
            )
        super().register_default_hooks(
            {
                **(hooks or {}),
                'param_scheduler': dict(type='mmengine.UpdateSchedulerHook'),
                'partial_gradients': dict(
                    type='mmengine.PartialGradientsHook'
                ),
            }
        )

    def _build_param_scheduler(
        self, scheduler: Any, optim_wrapper: OptimWrapper
    ) -> list[_ParamScheduler]:
        """mmengine's, with lengths in updates of the weights."""
        counts = batches_per_update(optim_wrapper)
        rows = scheduler if isinstance(scheduler, Sequence) else [scheduler]
        if counts > 1:
            rows = [self._in_updates(row, counts) for row in rows]
        return super()._build_param_scheduler(rows, optim_wrapper)

    def _in_updates(self, row: Any, counts: int) -> Any:
        """A scheduler's config, counted in updates of ``counts`` batches."""
        if not isinstance(row, dict):  # built already
            return row
        if row.get('by_epoch', True):
            return {**row, 'epoch_length': len(self.train_dataloader) / counts}
        return {'end': -(-self.max_iters // counts), **row}

    def scale_lr(
        self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None
    ) -> None:
        """mmengine's, for all images of an update, accumulated ones too."""
        if auto_scale_lr is None or not auto_scale_lr.get('enable'):
            return
        if isinstance(optim_wrapper, OptimWrapperDict):
            super().scale_lr(optim_wrapper, auto_scale_lr)
            return
        sizes = sizes_of(self)
        images = math.prod(
            sizes[name] for name in ('processes', 'batch', 'accumulated')
        )
        ratio = images / auto_scale_lr['base_batch_size']
        for group in optim_wrapper.param_groups:
            group['lr'] *= ratio
        self.logger.info(f'rates are multiplied by {ratio:g}')

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """The runner's logger, with ``console_level`` on the terminal.

        The terminal waits for the start of training or testing.
        """
        logger = super().build_logger(*args, **kwargs)
        level = self.cfg.get('console_level')
        self._held = []
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                say_once_if_full(handler)
                continue
            self._held.append(HeldBack(handler))
            if level:
                handler.setLevel(level)
        return logger

    def _show_lines(self) -> None:
        """Everything is built: the terminal gets what it waited for."""
        for held in self._held:
            held.release()

    def build_message_hub(self, *args, **kwargs) -> MessageHub:
        """mmengine's, which no iteration waits for."""
        return read_late(super().build_message_hub(*args, **kwargs))

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """mmengine's, which says nothing of a name that it does not find.

        Raises:
            UserError: No optimizer has the name.
        """
        if isinstance(optim_wrapper, dict):
            require_optimizer(optim_wrapper)
        built = super().build_optim_wrapper(optim_wrapper)
        # once: a resume and training both ask for the built one
        if built is not optim_wrapper and isinstance(built, OptimWrapper):
            self._merged_groups = MergedGroups(built.optimizer)
            keep_norm(built)
        return built

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Wrap for several processes; on CPUs, too."""
        if self.distributed and get_device() == 'cpu':
            replace_sync_bn(model)
            model_wrapper_cfg = cpu_wrapper(self.cfg, model_wrapper_cfg)
        with warnings.catch_warnings():  # of a name that mmengine uses, too
            warnings.filterwarnings('ignore', '.*broadcast_buffers')
            return super().wrap_model(model_wrapper_cfg, model)

    def resume(self, filename: str, *args, **kwargs) -> None:
        """mmengine's; settings that the checkpoint has otherwise are kept.

        Raises:
            UserError: As `load_checkpoint` and `check_resume`.
        """
        own = OwnSchedule(self)
        super().resume(filename, *args, **kwargs)
        if own.restore(self, self._saved_schedulers):
            self.logger.warning(
                f'{filename} is of a run with other settings of the optimizer '
                'or its schedule: this run goes on with its own, at the rates '
                f'that they have after iteration {self.iter}.'
            )
        self._saved_schedulers = None

    def load_checkpoint(self, filename: str, **kwargs) -> dict:
        """mmengine's, without the config text, which a resume would run.

        Raises:
            UserError: The file is not a checkpoint of a run, or of another
                model, or a run cannot go on from it.
        """
        # in a resume, mmengine says the device. AdamW would then count its
        # steps there, and read each count in every step
        kwargs['map_location'] = 'cpu'
        try:
            checkpoint = super().load_checkpoint(filename, **kwargs)
        except (AttributeError, RuntimeError, TypeError) as error:
            raise UserError(
                f'{filename} cannot be loaded: {one_line(error)}'
            ) from error
        meta = checkpoint.get('meta')
        if self._resume and not isinstance(meta, dict):
            raise UserError(
                f'{filename} has weights only: a run cannot be continued '
                'from it. Name a checkpoint of a run.'
            )
        if isinstance(meta, dict):
            meta.pop('config', None)
        if self._resume:
            check_resume(
                self, meta, filename, self.start_over, self.batch_option
            )
            self._saved_schedulers = checkpoint.get('param_schedulers')
            if self._merged_groups and 'optimizer' in checkpoint:
                checkpoint['optimizer'] = self._merged_groups.of_state(
                    checkpoint['optimizer']
                )
                own_form(
                    self.optim_wrapper.param_groups,
                    checkpoint['optimizer']['param_groups'],
                )
        return checkpoint

    def save_checkpoint(
        self, out_dir: str, filename: str, *args, **kwargs
    ) -> None:
        """Write under another name in the same folder, then rename.

        Raises:
            UserError: The disk is full or the folder cannot be written.
        """
        if not is_main_process():
            return
        kwargs['meta'] = {
            **(kwargs.get('meta') or {}),
            'sizes': sizes_of(self),
            'max_iters': self.max_iters,
        }
        target = Path(out_dir) / filename
        with atomic_path(target) as part:
            try:
                super().save_checkpoint(out_dir, part.name, *args, **kwargs)
            except (OSError, RuntimeError) as error:
                # torch reports a full disk as a RuntimeError of its writer
                if isinstance(error, OSError) or 'writer' in str(error):
                    raise UserError(
                        f'cannot write checkpoint {target}: {error}. Free '
                        f'space. {self.go_on} then continues.'
                    ) from error
                raise

    @master_only
    def dump_config(self) -> None:
        """mmengine's, whole or not at all."""
        name = Path(self.cfg.filename or f'{self.timestamp}.py').name
        write_text(Path(self.work_dir) / name, self.cfg.pretty_text)

    def load_or_resume(self) -> None:
        """mmengine's, from the newest whole checkpoint.

        Raises:
            UserError: There is none.
        """
        if self._resume and self._load_from is None:
            last = from_first(lambda: newest_checkpoint(self.work_dir))
            if last is None:
                raise UserError(f'no checkpoint to resume in {self.work_dir}.')
            self._load_from = str(last)
        super().load_or_resume()
