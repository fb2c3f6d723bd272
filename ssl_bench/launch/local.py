"""Run `ssl-bench` commands on this machine, several at a time."""

import os
import shlex
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass

from ssl_bench.errors import Interrupted, UserError
from ssl_bench.launch.forked import AVAILABLE, Forked
from ssl_bench.launch.parent import child_environment
from ssl_bench.launch.stopping import ENDED_AS_ASKED, Stop, stoppable

AT_ONCE = 5.0  # seconds before a command that is to end at once is killed
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

    A signal that stops this process (Ctrl-C too) goes to every command.
    Each saves its work and ends, however long that takes; nothing new
    starts. Ctrl-C or SIGTERM a second time ends them at once. A command that
    somebody else stops is not started again, nor what waits for it.

    Raises:
        UserError: A command failed; the message has the last lines that it
            printed. Or a command needs more devices than there are.
        Interrupted: A signal stopped this process or a command.
        KeyboardInterrupt: The same after Ctrl-C.
    """
    pool = _Pool(commands, processes, jobs or default_jobs(processes))
    with stoppable(pool.pass_on) as stop:
        pool.run(stop, keep_going)
    if pool.failures:
        raise UserError(
            '\n'.join(
                [
                    *pool.failures,
                    f'{pool.counts()} What has a record does not run again.',
                ]
            )
        )
    if stop.asked or pool.stopped:
        name = 'Ctrl-C' if stop.asked == 'SIGINT' else stop.asked
        line = (
            f'stopped{" by " if name else ""}{name}: {pool.counts()} '
            'The same command continues.'
        )
        if stop.asked == 'SIGINT':
            raise KeyboardInterrupt(line)
        raise Interrupted(line)


class _Pool:
    """Commands that wait, run and have ended.

    Attributes:
        ended (set[int]): Numbers of the commands that ended well.
        stopped (list[int]): Those that a signal stopped.
        failures (list[str]): A text for each one that failed.
    """

    def __init__(
        self, commands: Sequence[Command], processes: int, jobs: int
    ) -> None:
        self.commands, self.processes, self.jobs = commands, processes, jobs
        self.free = deque(_places(jobs, processes))
        self.waiting = list(range(len(commands)))
        self.running: dict[Future, tuple[int, dict[str, str]]] = {}
        self.started: list[subprocess.Popen | Forked] = []
        self.ended: set[int] = set()
        self.stopped: list[int] = []
        self.failures: list[str] = []

    def run(self, stop: Stop, keep_going: bool) -> None:
        """Run all, or what is left to run after a failure.

        Args:
            stop (Stop): What signals ask of this process.
            keep_going (bool): As `run_commands`.
        """
        with ThreadPoolExecutor(self.jobs) as threads:
            while True:
                goes_on = not stop.asked and (keep_going or not self.failures)
                if goes_on:
                    self._start_ready(threads, stop)
                if not self.running:
                    break
                done = wait(self.running, return_when=FIRST_COMPLETED).done
                for future in done:
                    self._end(future, bool(stop.asked) or not goes_on)
                if goes_on and self.failures and not keep_going:
                    for process in self._alive():
                        process.terminate()

    def _start_ready(self, threads: ThreadPoolExecutor, stop: Stop) -> None:
        for number in _ready(
            self.commands, self.waiting, self.ended, len(self.free)
        ):
            self.waiting.remove(number)
            place = self.free.popleft()
            process = _start(self.commands[number], self.processes, place)
            self.started.append(process)
            label = f'[{number + 1}/{len(self.commands)}]'
            print(f'{label} $ {self.commands[number]}', flush=True)
            future = threads.submit(_relay, process, label)
            self.running[future] = number, place
            if stop.asked:  # since the last look
                process.send_signal(stop.to_children)
                break

    def _alive(self) -> list[subprocess.Popen | Forked]:
        return [p for p in self.started if p.poll() is None]

    def _end(self, future: Future, told: bool) -> None:
        """Note how a command ended.

        Args:
            future (Future): Of its `_relay`.
            told (bool): Whether it was told to end.
        """
        number, place = self.running.pop(future)
        self.free.append(place)
        code, last = future.result()
        if code == 0:
            self.ended.add(number)
        elif told or code in ENDED_AS_ASKED:
            self.stopped.append(number)
        else:
            self.failures.append(
                '\n'.join([f'`{self.commands[number]}` failed:', *last])
            )

    def pass_on(self, stop: Stop) -> None:
        """Tell every command that runs to stop."""
        running = self._alive()
        for process in running:
            process.send_signal(stop.to_children)
        if stop.at_once:
            kill = threading.Timer(AT_ONCE, _kill, [running])
            kill.daemon = True
            kill.start()
        else:  # no print: a signal can come in the middle of one
            os.write(
                2,
                f'{stop.asked}: {len(running)} commands save their work and '
                'end (again: at once)\n'.encode(),
            )

    def counts(self) -> str:
        """How many commands ended how."""
        parts = {
            'ended well': len(self.ended),
            'failed': len(self.failures),
            'stopped': len(self.stopped),
            'did not start': len(self.waiting),
        }
        found = [f'{count} {what}' for what, count in parts.items() if count]
        return f'of {len(self.commands)} commands, {", ".join(found)}.'


def _kill(processes: Sequence[subprocess.Popen | Forked]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()


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
        env={
            **os.environ,
            **place,
            **child_environment(),
            'PYTHONUNBUFFERED': '1',
        },
        start_new_session=True,  # Ctrl-C comes here alone, and is passed on
        text=True,
        errors='replace',
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _relay(
    process: subprocess.Popen | Forked, label: str
) -> tuple[int | None, list[str]]:
    """Print a process's lines; its exit code and the last of them."""
    last: deque = deque(maxlen=LAST_LINES)
    for line in process.stdout or ():
        last.append(line.rstrip())
        print(f'{label} {last[-1]}', flush=True)
    return process.wait(), list(last)
