"""Run `ssl-bench` commands on this machine, several at a time."""

import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass

from ssl_bench.errors import UserError
from ssl_bench.launch.forked import AVAILABLE, Forked

LAST_LINES = 20  # of a command that failed, for the error


@dataclass(frozen=True)
class Command:
    """One call of ``ssl-bench``.

    Args:
        words (tuple[str, ...]): What follows ``ssl-bench``.
        after (int, optional): Index, in the list of commands, of one before
            it that must end first.
    """

    words: tuple[str, ...]
    after: int | None = None

    def __str__(self) -> str:
        return f'ssl-bench {shlex.join(self.words)}'

    def argv(
        self, processes: int = 1, rendezvous: Sequence[str] = ('--standalone',)
    ) -> list[str]:
        """The command line to start.

        Args:
            processes (int): On this machine, started by torchrun.
            rendezvous (sequence[str]): How torchrun's processes find each
                other.
        """
        if processes == 1 and tuple(rendezvous) == ('--standalone',):
            return [sys.executable, '-m', 'ssl_bench', *self.words]
        return [
            sys.executable,
            '-m',
            'ssl_bench.launch.torchrun',
            *rendezvous,
            f'--nproc_per_node={processes}',
            '-m',
            'ssl_bench',
            *self.words,
        ]


def default_jobs(processes: int = 1) -> int:
    """Commands at a time: one for each device, or half as many as cores.

    A command that trains a small network gains little from a second core.
    """
    import torch

    devices = torch.accelerator.device_count()
    if devices:
        return max(1, devices // processes)
    cores = os.cpu_count() or 1
    return max(1, min(cores, max(2, cores // 2), 4) // processes)


def run_commands(
    commands: Sequence[Command],
    jobs: int = 0,
    processes: int = 1,
    keep_going: bool = False,
) -> None:
    """Run commands on this machine, ``jobs`` at a time.

    A command starts as soon as a place is free and the command that it waits
    for has ended; the first in the list comes first. Lines are printed as
    they come, after the command's number. The machine is divided: each place
    has its own devices, if there are any, and each process gets
    ``OMP_NUM_THREADS = cores // (jobs * processes)``, unless that is set.

    Args:
        commands (sequence[Command]): In the order of their numbers.
        jobs (int): Commands at a time; 0 for `default_jobs`.
        processes (int): Of a command.
        keep_going (bool): After a failure, run the commands that do not wait
            for the one that failed; otherwise stop all.

    Raises:
        UserError: A command failed; the message has the last lines that it
            printed. Or a command needs more devices than there are.
    """
    jobs = jobs or default_jobs(processes)
    free = deque(_places(jobs, processes))
    waiting = list(range(len(commands)))
    running: dict[Future, tuple[int, dict[str, str]]] = {}
    started: list[subprocess.Popen | Forked] = []
    ended: set[int] = set()
    failures: list[str] = []
    with ThreadPoolExecutor(jobs) as pool, _terminable():
        try:
            while True:
                for number in _ready(commands, waiting, ended, len(free)):
                    waiting.remove(number)
                    place = free.popleft()
                    process = _start(commands[number], processes, place)
                    started.append(process)
                    label = f'[{number + 1}/{len(commands)}]'
                    print(f'{label} $ {commands[number]}', flush=True)
                    running[pool.submit(_relay, process, label)] = (
                        number,
                        place,
                    )
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number, place = running.pop(future)
                    free.append(place)
                    last = future.result()
                    if last is None:
                        ended.add(number)
                        continue
                    failures.append(
                        '\n'.join([f'`{commands[number]}` failed:', *last])
                    )
                    if not keep_going:
                        raise UserError(failures[0])
        finally:  # no command is left running
            for process in started:
                if process.poll() is None:
                    process.terminate()
    if failures:
        raise UserError(
            '\n'.join(
                [
                    *failures,
                    f'{len(ended)} commands ended well, {len(failures)} '
                    f'failed, {len(waiting)} waited for those. What has a '
                    'record does not run again.',
                ]
            )
        )


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end this process and its children, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ready(
    commands: Sequence[Command], waiting: list[int], ended: set, places: int
) -> list[int]:
    """Numbers of the commands that may start now."""
    free = [
        number
        for number in waiting
        if commands[number].after is None or commands[number].after in ended
    ]
    return free[:places]


def _places(jobs: int, processes: int) -> list[dict[str, str]]:
    """Environment variables of each place: its share of the machine.

    Raises:
        UserError: Fewer devices than a command has processes.
    """
    import torch

    threads = max(1, (os.cpu_count() or 1) // (jobs * processes))
    shares: list[dict[str, str]] = [
        {'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', str(threads))}
        for _ in range(jobs)
    ]
    count = torch.accelerator.device_count()
    if not count:
        return shares
    if processes > count:
        raise UserError(
            f'a command takes {processes} devices; this machine has {count}.'
        )
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    names = visible.split(',') if visible else [*map(str, range(count))]
    groups = count // processes  # more jobs share them
    for job, share in enumerate(shares):
        first = job % groups * processes
        share['CUDA_VISIBLE_DEVICES'] = ','.join(
            names[first : first + processes]
        )
    return shares


def _start(
    command: Command, processes: int, place: dict[str, str]
) -> subprocess.Popen | Forked:
    if processes == 1 and AVAILABLE and 'CUDA_VISIBLE_DEVICES' not in place:
        return Forked(command.words, place)
    return subprocess.Popen(
        command.argv(processes),
        env={**os.environ, **place, 'PYTHONUNBUFFERED': '1'},
        text=True,
        errors='replace',
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _relay(process: subprocess.Popen | Forked, label: str) -> list[str] | None:
    """Print a process's lines; the last of them if it failed."""
    last: deque = deque(maxlen=LAST_LINES)
    for line in process.stdout or ():
        last.append(line.rstrip())
        print(f'{label} {last[-1]}', flush=True)
    return list(last) if process.wait() else None
