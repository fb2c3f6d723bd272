"""How those that start commands are told to stop, and pass it on."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ssl_bench.environment import APART, STOP, leave_terminal
from ssl_bench.errors import Interrupted

AT_ONCE = (signal.SIGINT, signal.SIGTERM)  # for the second time
# exit codes of a command that saved, and of one after Ctrl-C
ENDED_AS_ASKED = frozenset({Interrupted.exit_code, 130})


class Stop:
    """What has been asked of this process by signals.

    Attributes:
        asked (str): Name of the first signal, empty before it.
        at_once (bool): Whether the same was asked for again.
    """

    def __init__(self) -> None:
        self.asked = ''
        self.at_once = False
        self._seen: dict[int, float] = {}

    @property
    def to_children(self) -> int:
        """The signal that commands are to get."""
        number = signal.Signals[self.asked]
        return signal.SIGTERM if number == signal.SIGHUP else number

    def note(self, number: int) -> bool:
        """Take a signal down.

        Returns:
            bool: Whether it says something new.
        """
        now = time.monotonic()
        first = self._seen.setdefault(number, now)
        if not self.asked:
            self.asked = signal.Signals(number).name
            return True
        if number in AT_ONCE and now - first > APART and not self.at_once:
            self.at_once = True
            return True
        return False


@contextmanager
def stoppable(act: Callable[[Stop], Any]) -> Iterator[Stop]:
    """Call a function at the signals that stop a process.

    Args:
        act (Callable): Gets what has been asked; called for the first
            signal, and once more when the children are to end at once.
    """
    stop = Stop()

    def handle(number: int, frame: Any) -> None:
        if number == signal.SIGHUP:
            leave_terminal()
        if stop.note(number):
            act(stop)

    before = {number: signal.signal(number, handle) for number in STOP}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
