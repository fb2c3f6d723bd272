"""Signals that end a run, and what processes agree on before it ends.

In training, a signal waits for the end of the iteration: the hook that saves
checkpoints then saves one and ends the run. Everywhere else, all that was
trained is saved already, and a signal ends the run at once.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from types import FrameType
from typing import Any

import torch
from mmengine import dist
from torch.utils.data import DataLoader

from ssl_bench.engine.distributed import PATIENCE
from ssl_bench.environment import APART, ENDING, STOP, leave_terminal
from ssl_bench.errors import Interrupted


class EndNow(BaseException):
    """A signal, where nothing is saved before the end.

    It passes every ``except Exception`` on its way to `stoppable`.
    """


class Signals:
    """What has arrived, and whether it waits for the end of an iteration.

    Attributes:
        number (int): The signal that ends the run; 0 before it.
        installed (bool): Whether signals come here.
        raised (bool): Whether `number` has ended the run outside of training.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.number = 0
        self.installed = False
        self._waits = False
        self.raised = False
        self._first = 0.0

    def install(self) -> Callable[[], None]:
        """Let signals come here; returns what undoes it."""
        before = {
            number: signal.getsignal(number)
            for number in STOP
            # a shell has its background jobs ignore Ctrl-C; nohup SIGHUP
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        self._clear()
        self.installed = True
        for number in before:
            signal.signal(number, self.arrive)

        def undo() -> None:
            self._clear()
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

        return undo

    def arrive(self, number: int, frame: FrameType | None = None) -> None:
        """Note a signal, or end the run.

        Another Ctrl-C ends it at once, whatever it is doing.

        Raises:
            EndNow: It does not wait.
            KeyboardInterrupt: It does not wait and is Ctrl-C.
        """
        now = time.monotonic()
        if number == signal.SIGHUP:
            leave_terminal()
        if not self.number:
            self.number, self._first = number, now
            if self._waits and dist.get_rank() == 0:
                # no print: a signal can come in the middle of one
                os.write(2, _announced(number).encode())
        elif number == signal.SIGINT and now - self._first > APART:
            raise KeyboardInterrupt
        if not self._waits:
            self.end_if_asked()

    def wait(self) -> None:
        """From here on, a signal waits: training begins or goes on."""
        self._waits = self.installed

    def end_at_once(self) -> None:
        """From here on, a signal ends the run: no training."""
        self._waits = False

    def end_if_asked(self) -> None:
        """End the run if a signal has waited for it.

        Raises:
            EndNow, KeyboardInterrupt: As `arrive`.
        """
        if self.number and not self.raised:
            self.raised = True
            if self.number == signal.SIGINT:
                raise KeyboardInterrupt
            raise EndNow(name_of(self.number))

    def forget(self) -> None:
        """In a fork: what this process's signals did before."""
        if self.installed:
            self.installed = False
            for number in ENDING:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)


SIGNALS = Signals()
os.register_at_fork(after_in_child=SIGNALS.forget)


def name_of(number: int) -> str:
    """SIGTERM and so on; Ctrl-C for SIGINT."""
    if number == signal.SIGINT:
        return 'Ctrl-C'
    return signal.Signals(number).name


def _announced(number: int) -> str:
    again = ' (again: at once)' if number == signal.SIGINT else ''
    return f'{name_of(number)}: the run saves its work and ends{again}\n'


@contextmanager
def stoppable(again: str) -> Iterator[None]:
    """Let signals end a run in order.

    Outside of the main thread, which no signal reaches, this does nothing;
    neither does a block within another one.

    Args:
        again (str): What continues: 'The same command'.

    Raises:
        Interrupted: By one of `ENDING`, outside of training.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if SIGNALS.installed:
        SIGNALS.end_if_asked()
        yield
        return
    undo = SIGNALS.install()
    try:
        yield
    except EndNow as end:
        raise stopped(end, again) from None
    except (Interrupted, KeyboardInterrupt):
        raise
    except Exception:
        # a bare `except` of a toolkit can make something else of a signal
        if not SIGNALS.raised:
            raise
        if SIGNALS.number == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise stopped(EndNow(name_of(SIGNALS.number)), again) from None
    finally:
        undo()


def stopped(end: EndNow, again: str) -> Interrupted:
    """What tells the user of a signal that did not wait.

    Args:
        end (EndNow): With the name of the signal.
        again (str): As `stoppable`.
    """
    return Interrupted(
        f'stopped by {end} outside of training: what was trained is saved. '
        f'{again} continues.'
    )


def end_after_saving(number: int, saved: str, again: str) -> None:
    """End a run whose work is saved.

    Args:
        number (int): The signal.
        saved (str): What is saved, where.
        again (str): As `stoppable`.

    Raises:
        Interrupted: One line for the user.
        KeyboardInterrupt: The same after Ctrl-C.
    """
    line = f'stopped by {name_of(number)}; saved {saved}. {again} continues.'
    if number == signal.SIGINT:
        raise KeyboardInterrupt(line)
    raise Interrupted(line)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals wait while workers start, which would die of them.

    A worker is a fork, and has these signals blocked until it has said what
    it does with them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def guard_workers(loader: DataLoader) -> DataLoader:
    """Have a loader's workers live until their parent ends them.

    Schedulers and terminals send signals to all processes: an iteration
    that is to be finished needs its workers.
    """
    if loader.num_workers:
        loader.worker_init_fn = partial(_start_worker, loader.worker_init_fn)
    return loader


def _start_worker(given: Callable[[int], None] | None, number: int) -> None:
    for name in STOP:
        if name != signal.SIGTERM:
            signal.signal(name, signal.SIG_IGN)
    if sys.platform == 'linux':
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(
            target=_obey, args=(os.getppid(),), daemon=True
        ).start()
    if given is not None:
        given(number)


def _obey(parent: int) -> None:
    """End this worker when its parent, and nobody else, says so."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


@lru_cache(maxsize=1)
def _cpu_group(world: Any) -> Any:
    """All processes, in a group that no accelerator waits for."""
    return torch.distributed.new_group(backend='gloo', timeout=PATIENCE)


class Agreement:
    """What some processes know, known to all at the same step.

    Each step sends this process's word and reads what all said a step
    before: by then it has arrived, so that no step waits for it, and no
    accelerator takes part. Alone, a process reads its own word at once.

    All processes make one together.
    """

    def __init__(self) -> None:
        self.group: Any = None
        self.sent: tuple[Any, torch.Tensor] | None = None
        if dist.is_distributed():
            self.group = _cpu_group(torch.distributed.group.WORLD)

    def read(self, word: tuple[int, int]) -> tuple[int, int]:
        """The highest numbers that were sent a step before.

        Args:
            word (tuple[int, int]): What this process would send now.
        """
        if self.group is None:
            return word
        if self.sent is None:
            return 0, 0
        (work, numbers), self.sent = self.sent, None
        work.wait()
        first, second = numbers.tolist()
        return first, second

    def send(self, word: tuple[int, int]) -> None:
        """Say something, for the next step."""
        if self.group is not None:
            numbers = torch.tensor(word)
            work = torch.distributed.all_reduce(
                numbers,
                torch.distributed.ReduceOp.MAX,
                self.group,
                async_op=True,
            )
            self.sent = work, numbers

    def ask(self, word: int) -> int:
        """The highest word of all processes, which wait for each other."""
        before = self.read((word, 0))[0]
        self.send((max(before, word), 0))
        return self.read((word, 0))[0]

    def meet(self) -> None:
        """Wait until all processes have come here."""
        self.ask(0)
