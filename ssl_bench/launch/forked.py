"""Commands in forks of a process that has imported the toolkits.

Importing them takes seconds, which is most of a short command; a fork starts
at once. multiprocessing's fork server has no threads and has computed
nothing, so a command runs as it would in a process of its own.
"""

import io
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.forkserver import ensure_running

from ssl_bench.environment import STOP
from ssl_bench.launch.parent import end_after

AFTER_CTRL_C = 130  # exit code, as of shells
AVAILABLE = 'forkserver' in multiprocessing.get_all_start_methods()


def warm_up() -> None:
    """Start the server, if it does not run: it imports on its own.

    Schedulers and terminals send signals to all processes. The server has
    them blocked, since without it no command could start or tell how it
    ended.
    """
    if not AVAILABLE:
        return
    _context()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        resource_tracker.ensure_running()  # this unblocks some
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Forked:
    """A running command, with as much of Popen's interface as is used.

    Args:
        words (sequence[str]): What follows ``ssl-bench``.
        environment (dict): Added to this process's; ``OMP_NUM_THREADS`` is
            torch's number of threads.
        module (str): Another program that takes the words.
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: dict[str, str],
        module: str = 'ssl_bench',
    ) -> None:
        warm_up()
        context = _context()
        self._reader, writer = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_run, args=(list(words), environment, writer, module)
        )
        self._process.start()
        writer.close()
        self.stdout = open(  # noqa: SIM115  closed with the pipe
            self._reader.fileno(), errors='replace', closefd=False
        )

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Wait for the end; the exit code."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['ssl_bench.launch.preloaded'])
    return context


def _run(
    words: Sequence[str],
    environment: dict[str, str],
    output: Connection,
    module: str,
) -> None:
    """In the fork: ``python -m module``, its output into the pipe."""
    os.setsid()  # Ctrl-C comes to the parent alone, and is passed on
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a child
    end_after(parent.join)
    import torch

    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    if isinstance(sys.stdout, io.TextIOWrapper):  # show lines at once
        sys.stdout.reconfigure(line_buffering=True)
    os.environ.update(environment)
    torch.set_num_threads(int(environment['OMP_NUM_THREADS']))
    sys.argv = ['ssl-bench', *words]
    try:
        # blocked as in the server until what is printed goes to the parent
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        runpy.run_module(module, run_name='__main__', alter_sys=True)
    except KeyboardInterrupt:  # before the command itself takes signals
        sys.exit(AFTER_CTRL_C)
