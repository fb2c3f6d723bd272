"""mmengine's runner; a checkpoint is saved completely or not at all."""

import copy
import logging
import os
from pathlib import Path

import mmengine.runner.checkpoint
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from ssl_bench.checkpoints.reading import read_training
from ssl_bench.engine.distributed import cpu_wrapper
from ssl_bench.engine.progress import ProgressHook
from ssl_bench.errors import UserError
from ssl_bench.layers.global_bn import replace_sync_bn

if not hasattr(mmengine.runner.checkpoint, '_safe_torch_load'):
    raise ImportError(
        'this version of mmengine loads checkpoints in another way, so '
        'ssl_bench could not refuse code in them.'
    )
# mmengine's loader falls back to unpickling, which runs code. This replaces
# it for every file, also for those that an `init_cfg` names.
mmengine.runner.checkpoint._safe_torch_load = read_training
CheckpointLoader.register_scheme('', read_training, force=True)


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

    A config's ``console_level``, for instance ``'ERROR'``, is the level of
    the log on the terminal; the log file has all messages.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'AtomicRunner':
        """Build a runner; see mmengine's."""
        return super().from_cfg(FormattedOnce.of(cfg))

    def train(self) -> nn.Module:
        """mmengine's; an error is printed below the logs, not into a bar."""
        try:
            return super().train()
        finally:
            for hook in self.hooks:
                if isinstance(hook, ProgressHook):
                    hook.stop()

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """The runner's logger, with ``console_level`` on the terminal."""
        logger = super().build_logger(*args, **kwargs)
        level = self.cfg.get('console_level')
        for handler in logger.handlers:
            if level and not isinstance(handler, logging.FileHandler):
                handler.setLevel(level)
        return logger

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Wrap for several processes; on CPUs, too."""
        if self.distributed and get_device() == 'cpu':
            replace_sync_bn(model)
            model_wrapper_cfg = cpu_wrapper(self.cfg, model_wrapper_cfg)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """mmengine's, without the config text, which a resume would run."""
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        meta = checkpoint.get('meta')
        if isinstance(meta, dict):
            meta.pop('config', None)
        return checkpoint

    def save_checkpoint(
        self, out_dir: str, filename: str, *args, **kwargs
    ) -> None:
        """Write under another name in the same folder, then rename.

        Raises:
            UserError: The disk is full or the folder cannot be written.
        """
        part = f'.{filename}.part'
        target = Path(out_dir) / part
        try:
            super().save_checkpoint(out_dir, part, *args, **kwargs)
            if is_main_process():
                os.replace(target, Path(out_dir) / filename)
        except (OSError, RuntimeError) as error:
            target.unlink(missing_ok=True)
            # torch reports a full disk as a RuntimeError of its zip writer
            if isinstance(error, OSError) or 'writer' in str(error):
                raise UserError(
                    f'cannot write checkpoint {Path(out_dir) / filename}: '
                    f'{error}. Free space, then continue with --resume.'
                ) from error
            raise
