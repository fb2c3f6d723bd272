"""Run `ssl-bench` commands on this machine, several at a time."""

import os
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from pathlib import Path

from ssl_bench.errors import Interrupted, UserError
from ssl_bench.launch.command import Command
from ssl_bench.launch.forked import AVAILABLE, Forked
from ssl_bench.launch.outputs import file_names, keep_lines, print_lines
from ssl_bench.launch.parent import child_environment
from ssl_bench.launch.steps import REDRAWN, StepsView
from ssl_bench.launch.stopping import ENDED_AS_ASKED, Stop, stoppable

AT_ONCE = 5.0  # seconds before a command that is to end at once is killed


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
    logs: Path | None = None,
    view: StepsView | None = None,
) -> None:
    """Run commands on this machine, ``jobs`` at a time.

    A command starts as soon as a place is free and the command that it waits
    for has ended; the first in the list comes first. The machine is divided:
    each place has its own devices, if there are any, and each process gets
    ``OMP_NUM_THREADS = cores // (jobs * processes)``, unless that is set.

    Args:
        commands (sequence[Command]): In the order of their numbers.
        jobs (int): Commands at a time; 0 for `default_jobs`.
        processes (int): Of a command.
        keep_going (bool): After a failure, run the commands that do not wait
            for the one that failed; otherwise stop all.
        logs (Path, optional): Folder in which each command has a file of
            what it prints. Without, lines are printed as they come, after
            the command's number.
        view (StepsView, optional): Shows how far they are; the commands are
            its first steps.

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
    jobs = jobs or default_jobs(processes)
    if logs is not None and view is None:
        view = StepsView([command.step for command in commands], jobs)
    pool = _Pool(commands, processes, jobs, logs, view)
    with stoppable(pool.pass_on) as stop:
        pool.run(stop, keep_going)
    if view is not None:
        view.clear()
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
        self,
        commands: Sequence[Command],
        processes: int,
        jobs: int,
        logs: Path | None,
        view: StepsView | None,
    ) -> None:
        self.commands, self.processes, self.jobs = commands, processes, jobs
        names = file_names(command.step.title for command in commands)
        self.logs = [logs / name for name in names] if logs else []
        self.view = view
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
                for future in self._ended():
                    self._end(future, bool(stop.asked) or not goes_on)
                if goes_on and self.failures and not keep_going:
                    for process in self._alive():
                        process.terminate()

    def _ended(self) -> set[Future]:
        """Those that have ended since; waits for one."""
        live = self.view is not None and self.view.live
        while True:
            done = wait(
                self.running,
                REDRAWN if live else None,
                return_when=FIRST_COMPLETED,
            ).done
            if done:
                return done
            if self.view is not None:
                self.view.draw()

    def _start_ready(self, threads: ThreadPoolExecutor, stop: Stop) -> None:
        for number in _ready(
            self.commands, self.waiting, self.ended, len(self.free)
        ):
            self.waiting.remove(number)
            place = self.free.popleft()
            process = _start(self.commands[number], self.processes, place)
            self.started.append(process)
            future = threads.submit(self._relay, process, number)
            self.running[future] = number, place
            if self.view is not None:
                self.view.start(number)
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
        if self.view is not None:
            self.view.end(number, code == 0)
        if code == 0:
            self.ended.add(number)
        elif told or code in ENDED_AS_ASKED:
            self.stopped.append(number)
        else:
            self.failures.append('\n'.join([self._failed(number), *last]))

    def _failed(self, number: int) -> str:
        command = self.commands[number]
        if not self.logs:
            return f'`{command}` failed:'
        return f'{command.step.title} failed; {self.logs[number]} ends with:'

    def _relay(
        self, process: subprocess.Popen | Forked, number: int
    ) -> tuple[int | None, list[str]]:
        """Pass a command's lines on; its exit code and the last of them."""
        command = self.commands[number]
        lines = process.stdout or ()
        if self.logs:
            last = keep_lines(lines, self.logs[number], f'$ {command}')
        else:
            label = f'[{number + 1}/{len(self.commands)}]'
            print(f'{label} $ {command}', flush=True)
            last = print_lines(lines, label)
        return process.wait(), last

    def pass_on(self, stop: Stop) -> None:
        """Tell every command that runs to stop."""
        running = self._alive()
        for process in running:
            process.send_signal(stop.to_children)
        if stop.at_once:
            kill = threading.Timer(AT_ONCE, _kill, [running])
            kill.daemon = True
            kill.start()
            return
        text = (
            f'{stop.asked}: {len(running)} commands save their work and end '
            '(again: at once)'
        )
        if self.view is not None:
            self.view.note = text  # which it draws next
        else:  # no print: a signal can come in the middle of one
            os.write(2, f'{text}\n'.encode())

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
