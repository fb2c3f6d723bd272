"""mmengine's runner; a checkpoint is saved completely or not at all."""

import copy
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mmengine.runner.checkpoint
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import OPTIMIZERS, RUNNERS, DefaultScope
from mmengine.runner import CheckpointLoader, Runner
from torch import nn

from ssl_bench.checkpoints.reading import read_training
from ssl_bench.engine.distributed import cpu_wrapper
from ssl_bench.engine.progress import ProgressHook
from ssl_bench.errors import UserError, one_line, unknown_name
from ssl_bench.layers.global_bn import replace_sync_bn

if (
    not {'_safe_torch_load', 'load_url'}
    <= vars(mmengine.runner.checkpoint).keys()
):
    raise ImportError(
        'this version of mmengine loads checkpoints in another way, so '
        'ssl_bench could not refuse code in them.'
    )


def read_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
) -> Any:
    """Download a checkpoint, once, and read it as every other file.

    Args:
        url (str): http or https.
        model_dir (str, optional): Where it is kept; torch.hub's folder when
            None.
        map_location: As `torch.load`.
        progress (bool): Show a bar.

    Raises:
        UserError: It cannot be downloaded, or the reader refuses the file.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    path = folder / Path(urlparse(url).path).name
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), progress=progress)
        except (OSError, ValueError) as error:
            raise UserError(
                f'{url} cannot be downloaded: {error}. Download it by other '
                'means and name the file.'
            ) from error
    return read_training(path, map_location)


# mmengine's loaders unpickle, which runs code: for local files when the safe
# way fails, for addresses always. These replace them for every file, also for
# those that an `init_cfg` names; torchvision:// and the like end there, too.
mmengine.runner.checkpoint._safe_torch_load = read_training
mmengine.runner.checkpoint.load_url = read_url
CheckpointLoader.register_scheme('', read_training, force=True)


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

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """mmengine's, which says nothing of a name that it does not find.

        Raises:
            UserError: No optimizer has the name.
        """
        if isinstance(optim_wrapper, dict):
            kind = optim_wrapper.get('optimizer', {}).get('type')
            # the toolkit's own registry, which the default scope names
            with OPTIMIZERS.switch_scope_and_registry(None) as registry:
                if isinstance(kind, str) and registry.get(kind) is None:
                    known = {*registry.module_dict, *OPTIMIZERS.module_dict}
                    raise unknown_name('optimizer', kind, known)
        return super().build_optim_wrapper(optim_wrapper)

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Wrap for several processes; on CPUs, too."""
        if self.distributed and get_device() == 'cpu':
            replace_sync_bn(model)
            model_wrapper_cfg = cpu_wrapper(self.cfg, model_wrapper_cfg)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_checkpoint(self, filename: str, **kwargs) -> dict:
        """mmengine's, without the config text, which a resume would run.

        Raises:
            UserError: The file is not a checkpoint of a run, or of another
                model.
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
