"""Logs and curves of a run, on a disk that may be full."""

import logging
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.fileio import dump
from mmengine.registry import VISBACKENDS
from mmengine.visualization import LocalVisBackend
from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.files import write_text
from ssl_bench.run_folder import note


@cache
def _say(path: str, reason: str) -> None:
    note(f'cannot write {path}: {reason}. The run goes on; this has gaps.')


def say_full(path: str, error: OSError) -> None:
    """Say once that a log lacks lines from now on."""
    _say(path, error.strerror or str(error))


def say_once_if_full(handler: logging.FileHandler) -> None:
    """Give a log file one line about an error, not a traceback for each."""

    def handle(record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            say_full(handler.baseFilename, error)
        else:
            logging.FileHandler.handleError(handler, record)

    handler.handleError = handle  # type: ignore[method-assign]


class HeldBack(logging.Filter):
    """Keeps a terminal free of a run's settings until the run has started.

    They are hundreds of lines; after a mistake that stops the run while it is
    built, its one line is to be seen. Warnings are shown at once, and the log
    file has every line.

    Args:
        handler (logging.Handler): Of the terminal.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self.handler = handler
        self.waiting: list[logging.LogRecord] | None = []
        handler.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is shown now."""
        if self.waiting is None or record.levelno >= logging.WARNING:
            return True
        self.waiting.append(record)
        return False

    def release(self) -> None:
        """Show what waits, and each line at once from here on."""
        waiting, self.waiting = self.waiting, None
        for record in waiting or ():
            if record.levelno >= self.handler.level:
                self.handler.handle(record)


@VISBACKENDS.register_module(name='LocalVisBackend', force=True)
class SteadyBackend(LocalVisBackend):
    """mmengine's curves and copy of the config, whole or not at all.

    A full disk costs lines of ``scalars.json``, not the run: the next
    checkpoint stops it if there is no room by then.
    """

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Write the settings; see mmengine's."""
        _ = self.experiment  # makes the folder
        write_text(self._config_save_file, config.pretty_text)

    def _dump(
        self, value_dict: Mapping[str, Any], file_path: str, file_format: str
    ) -> None:
        line = dump(dict(value_dict), file_format=file_format) + '\n'
        size = os.path.getsize(file_path) if os.path.exists(file_path) else 0
        try:
            with open(file_path, 'a', encoding='utf-8') as file:
                file.write(line)
        except OSError as error:
            with suppress(OSError):  # no half line
                os.truncate(file_path, size)
            say_full(file_path, error)


def require_space(folder: str | Path, model: nn.Module) -> None:
    """Check that a disk has room for the weights, before hours of training.

    Raises:
        UserError: It has not.
    """
    needed = sum(
        value.numel() * value.element_size()
        for value in model.state_dict().values()
        if hasattr(value, 'numel')
    )
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f'{folder} has {free / 1e6:,.0f} MB of free space; one checkpoint '
            f'needs more than {needed / 1e6:,.0f} MB. Free space, or name '
            'another folder.'
        )
