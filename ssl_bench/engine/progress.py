"""One line that says how far a run is and how long it will take."""

import sys
import time
from collections.abc import Sequence
from typing import TextIO

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


class ProgressLine:
    """A line rewritten in place on a terminal, sparse lines elsewhere.

    Args:
        title (str): What is running.
        total (int): Number of steps.
        done (int): Steps already behind us, after a resume.
        stream (TextIO, optional): Standard error when None.
        interval (float): Seconds between lines when not on a terminal.
    """

    def __init__(
        self,
        title: str,
        total: int,
        done: int = 0,
        stream: TextIO | None = None,
        interval: float = 20.0,
    ) -> None:
        self.title, self.total, self.done = title, total, done
        self.stream = stream or sys.stderr
        self.tty = self.stream.isatty()
        self.interval = 0.2 if self.tty else interval
        self.started = self.shown = time.monotonic()
        self.first = done

    def update(self, done: int, note: str = '') -> None:
        """Show step ``done``, at most every ``interval`` seconds."""
        self.done = done
        now = time.monotonic()
        if now - self.shown < self.interval or done <= self.first:
            return
        self.shown = now
        left = (now - self.started) / (done - self.first) * (self.total - done)
        self._write(
            f'{self.title}: {done}/{self.total} {note} {clock(left)} left',
            end='\r' if self.tty else '\n',
        )

    def close(self, note: str = '') -> None:
        """Leave one last line with the time taken."""
        taken = clock(time.monotonic() - self.started)
        self._write(f'{self.title}: {note} done in {taken}', end='\n')

    def _write(self, text: str, end: str) -> None:
        text = ' '.join(text.split())
        self.stream.write((f'\x1b[2K{text}' if self.tty else text) + end)
        self.stream.flush()


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f'{hours}:{minutes:02d}:{seconds:02d}'
        if hours
        else f'{minutes}:{seconds:02d}'
    )


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a `ProgressLine` for the training loop, on the main process.

    Args:
        title (str): What is running.
    """

    priority = 'LOW'

    def __init__(self, title: str) -> None:
        self.title = title
        self.line = None

    def before_train(self, runner: Runner) -> None:
        """Start the line where a resumed run stands."""
        if is_main_process():
            self.line = ProgressLine(self.title, runner.max_iters, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Sequence[dict] | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Move on; the loss shown is the logger's smoothed one."""
        if self.line:
            self.line.update(runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Finish the line with the loss of the last iterations."""
        if self.line:
            loss = runner.message_hub.get_scalar('train/loss')
            self.line.close(f'loss {loss.mean(10):.3f},')
