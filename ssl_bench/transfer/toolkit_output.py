"""What the toolkits print goes to a file of the run."""

import contextlib
import logging
import os
import warnings
from pathlib import Path
from typing import TextIO

from ssl_bench.engine.run_output import say_full


class _Sink:
    """A stream that outlives the file behind it.

    mmengine's loggers keep the standard output of the moment they were made,
    and a later run may be given the same logger.
    """

    encoding = 'utf-8'
    file: TextIO | None = None

    def write(self, text: str) -> int:
        if self.file is not None:
            try:
                self.file.write(text)
            except OSError as error:
                say_full(self.file.name, error)
        return len(text)

    def flush(self) -> None:
        if self.file is not None:
            try:
                self.file.flush()
            except OSError as error:
                say_full(self.file.name, error)

    def isatty(self) -> bool:
        return False


_SINK = _Sink()


@contextlib.contextmanager
def toolkit_output(folder: Path, quiet: bool):
    """Send what the toolkits print to a file of the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not quiet:
        yield
        return
    rank = os.environ.get('RANK', '0')
    name = 'output.txt' if rank == '0' else f'output_rank{rank}.txt'
    with (
        open(folder / name, 'a', encoding='utf-8') as file,
        contextlib.redirect_stdout(_SINK),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        _SINK.file = file
        try:
            yield
        finally:
            _SINK.file = None


@contextlib.contextmanager
def unheard():
    """Drop what the toolkits print while something is only tried."""
    before = logging.root.manager.disable
    with contextlib.redirect_stdout(_SINK), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
