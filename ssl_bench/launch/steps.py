"""How far a list of commands is and how long the rest will take.

On a terminal it is one live line; in a log, a line at times.
"""

import heapq
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from ssl_bench.errors import shown
from ssl_bench.progress import clock

BETWEEN = 30.0  # seconds between two lines of a log
REDRAWN = 1.0  # seconds after which a terminal's line is drawn again
CLEAR = '\r\x1b[2K'  # the terminal's line
LONGEST = 1000  # characters of a line in a log


@dataclass(frozen=True)
class Step:
    """Something that takes time.

    Args:
        title (str): For people: ``transfer MoCo v2 to mini_knn, seed 1``.
        kind (str): Steps of the same kind take about as long.
        seconds (float, optional): What it takes, as far as that is known.
        after (int, optional): Index of a step that must end first.
    """

    title: str
    kind: str = ''
    seconds: float | None = None
    after: int | None = None


class Estimate:
    """How long the steps that have not ended will take.

    A step takes as long as those of its kind did. Before the first of them
    has ended, it takes the seconds that were known before, times the factor
    by which those were wrong so far.

    Args:
        steps (sequence[Step]): All of them.
        jobs (int): How many run at a time.
    """

    def __init__(self, steps: Sequence[Step], jobs: int) -> None:
        self.steps, self.jobs = steps, jobs
        self.started: dict[int, float] = {}
        self.taken: dict[int, float] = {}
        self._of_kind: dict[str, list[float]] = {}
        self._known = self._real = 0.0

    def start(self, number: int, now: float) -> None:
        """Note that a step starts."""
        self.started[number] = now

    def end(self, number: int, now: float) -> None:
        """Note that a step has ended well."""
        step, taken = self.steps[number], now - self.started.pop(number)
        self.taken[number] = taken
        self._of_kind.setdefault(step.kind, []).append(taken)
        if step.seconds:
            self._known += step.seconds
            self._real += taken

    def drop(self, number: int) -> None:
        """Note that a step has not ended well."""
        self.started.pop(number)

    def of(self, number: int) -> float | None:
        """Seconds of a whole step; None if nothing is known of its kind."""
        step = self.steps[number]
        taken = self._of_kind.get(step.kind)
        if taken and step.kind:
            return sum(taken) / len(taken)
        if step.seconds is None:
            return None
        return step.seconds * (
            self._real / self._known if self._known else 1.0
        )

    def left(self, waiting: Iterable[int], now: float) -> float | None:
        """Seconds until the last of the steps ends; None if not known.

        Args:
            waiting (iterable[int]): Those that will start, in their order.
            now (float): In seconds, as of `start` and `end`.
        """
        needed = {
            number: self.of(number) for number in (*waiting, *self.started)
        }
        if None in needed.values():
            return None
        running = [
            (max((needed[number] or 0.0) - (now - begun), 0.0), number)
            for number, begun in self.started.items()
        ]
        heapq.heapify(running)
        to_start, end = list(waiting), 0.0
        ended: set[int | None] = {None, *self.taken}
        while True:
            ready = [n for n in to_start if self.steps[n].after in ended]
            for number in ready[: max(0, self.jobs - len(running))]:
                to_start.remove(number)
                finish = end + (needed[number] or 0.0)
                heapq.heappush(running, (finish, number))
            if not running:
                return end
            end, number = heapq.heappop(running)
            ended.add(number)


class StepsView:
    """Shows how far the steps are.

    Args:
        steps (sequence[Step]): All that will run, in the order of starts.
        jobs (int): How many run at a time.
        done (int): How many were done before.
        stream (TextIO, optional): Standard error when None.
        between (float): Seconds between two lines of a log.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        jobs: int,
        done: int = 0,
        stream: TextIO | None = None,
        between: float = BETWEEN,
    ) -> None:
        self.steps, self.done = steps, done
        self.total = done + len(steps)
        self.stream = stream or sys.stderr
        self.between = between
        self.estimate = Estimate(steps, jobs)
        self.waiting = list(range(len(steps)))
        self.begun = self.said = time.monotonic()
        self.note = ''
        self.live = self.stream.isatty() and os.environ.get('TERM') != 'dumb'

    def start(self, number: int) -> None:
        """A step starts."""
        self.waiting.remove(number)
        self.estimate.start(number, time.monotonic())
        self.draw()

    def end(self, number: int, well: bool = True) -> None:
        """A step has ended; in a log, that may be worth a line."""
        now = time.monotonic()
        if well:
            self.estimate.end(number, now)
            self.done += 1
        else:
            self.estimate.drop(number)
        late = now - self.said >= self.between
        if late and not self.live and not self.note:
            self.say(self.line())
        self.draw()

    def line(self) -> str:
        """``[7/34] 3:10 elapsed, about 8:40 left: transfer ...``."""
        now = time.monotonic()
        parts = [f'{clock(now - self.begun)} elapsed']
        left = None if self.note else self.estimate.left(self.waiting, now)
        if left is not None:
            parts.append(f'about {clock(left)} left')
        running = [self.steps[n].title for n in self.estimate.started]
        what = self.note or '; '.join(running)
        text = f'[{self.done}/{self.total}] {", ".join(parts)}'
        return shown(f'{text}: {what}' if what else text, LONGEST)

    def draw(self) -> None:
        """Draw the live line of a terminal again."""
        if not self.live:
            return
        text, room = self.line(), shutil.get_terminal_size().columns - 1
        if cell_len(text) > room:
            text = set_cell_size(text, max(room - 1, 0)) + '…'
        self.stream.write(CLEAR + text)
        self.stream.flush()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        self.stream.write(shown(text, LONGEST) + '\n')
        self.stream.flush()
        self.said = time.monotonic()

    def clear(self) -> None:
        """Take the live line off the terminal."""
        if self.live:
            self.stream.write(CLEAR)
            self.stream.flush()
