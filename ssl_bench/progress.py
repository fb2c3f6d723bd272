"""How far something is and how long it will take. Imports no toolkit."""

import sys
import time
from typing import TextIO

from ssl_bench.errors import shown


class ProgressLine:
    """A bar on a terminal; elsewhere, such as in a log, a line at times.

    Both go to standard error, so that output can be piped.

    Args:
        title (str): What is running.
        total (int): Number of steps.
        done (int): Steps that a resumed run had done before.
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
        self.title, self.total, self.first = shown(title), total, done
        self.stream = stream or sys.stderr
        self.started = self.shown = time.monotonic()
        self.interval = interval
        self._bar = None
        if self.stream.isatty():
            self.interval = 0.2
            self._bar = _bar(self.stream)
            self._task = self._bar.add_task(
                self.title, total=total, completed=done, note=''
            )
            self._bar.start()
            # rich hides the cursor, and a run may end without `stop`
            self._bar.console.show_cursor(True)

    def update(self, done: int, note: str = '') -> None:
        """Show step ``done``, at most every ``interval`` seconds."""
        if done >= self.total:
            self.stop()
        now = time.monotonic()
        if now - self.shown < self.interval or done <= self.first:
            return
        self.shown = now
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, note=shown(note), refresh=True
            )
        elif not self.stream.isatty():
            step = (now - self.started) / (done - self.first)
            left = clock(step * (self.total - done))
            self._write(
                f'{self.title}: {done}/{self.total} {note} {left} left'
            )

    def stop(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def close(self, note: str = '') -> None:
        """Leave one last line with the time taken."""
        self.stop()
        taken = clock(time.monotonic() - self.started)
        self._write(f'{self.title}: {note} done in {taken}')

    def _write(self, text: str) -> None:
        self.stream.write(shown(text, 1000) + '\n')
        self.stream.flush()


def _bar(stream: TextIO):
    """A bar that is drawn when told to: threads and forks do not mix."""
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn('{task.description}', markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn('{task.fields[note]}', markup=False),
        progress.TimeRemainingColumn(compact=True),
        progress.TextColumn('left'),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        speed_estimate_period=600,
        get_time=time.monotonic,
    )


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f'{hours}:{minutes:02d}:{seconds:02d}'
        if hours
        else f'{minutes}:{seconds:02d}'
    )
