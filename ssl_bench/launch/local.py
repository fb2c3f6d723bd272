"""Run `ssl-bench` commands on this machine, some of them at a time."""
import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ssl_bench.errors import UserError

LAST_LINES = 20  # of a command that failed, for the error


@dataclass(frozen=True)
class Command:
    """One call of ``ssl-bench``.

    Args:
        words (tuple[str, ...]): What follows ``ssl-bench``.
        after (int, optional): Index of a command before it in the list that
            must have ended first.
    """
    words: Tuple[str, ...]
    after: Optional[int] = None

    def __str__(self) -> str:
        return f'ssl-bench {shlex.join(self.words)}'


def run_commands(commands: Sequence[Command], jobs: int) -> None:
    """Run every command in a process of its own, ``jobs`` at a time.

    A command starts as soon as a place is free and what it waits for has
    ended; of several the first in the list. Lines are printed as they come,
    behind the command's number. The cores are shared out: each process gets
    ``OMP_NUM_THREADS = cores // jobs``, unless that variable is set.

    Args:
        commands (sequence[Command]): In the order of their numbers.
        jobs (int): Processes at a time, at least 1.

    Raises:
        UserError: A command failed; the others are stopped. It holds the last
            lines of what that command printed.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    environment = {'OMP_NUM_THREADS': str(threads), **os.environ,
                   'PYTHONUNBUFFERED': '1'}
    waiting = list(range(len(commands)))
    running: Dict[Future, int] = {}
    processes: List[subprocess.Popen] = []
    ended = set()
    with ThreadPoolExecutor(jobs) as pool, _terminable():
        try:
            while waiting or running:
                for number in _ready(commands, waiting, ended,
                                     jobs - len(running)):
                    waiting.remove(number)
                    process = _start(commands[number], environment)
                    processes.append(process)
                    label = f'[{number + 1}/{len(commands)}]'
                    print(f'{label} $ {commands[number]}', flush=True)
                    running[pool.submit(_relay, process, label)] = number
                for future in wait(running,
                                   return_when=FIRST_COMPLETED).done:
                    number, last = running.pop(future), future.result()
                    if last is not None:
                        raise UserError(f'`{commands[number]}` failed:\n'
                                        + '\n'.join(last))
                    ended.add(number)
        finally:  # nothing is left running, whatever went wrong
            for process in processes:
                if process.poll() is None:
                    process.terminate()


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, its children with it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ready(commands: Sequence[Command], waiting: List[int], ended: set,
           places: int) -> List[int]:
    """Numbers of the commands that may start now."""
    free = [number for number in waiting
            if commands[number].after is None
            or commands[number].after in ended]
    return free[:places]


def _start(command: Command, environment: Dict[str, str]
           ) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-m', 'ssl_bench', *command.words],
        env=environment, text=True, errors='replace',
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)


def _relay(process: subprocess.Popen, label: str) -> Optional[List[str]]:
    """Print a process's lines; the last of them if it failed."""
    last: deque = deque(maxlen=LAST_LINES)
    for line in process.stdout:
        last.append(line.rstrip())
        print(f'{label} {last[-1]}', flush=True)
    return list(last) if process.wait() else None
