"""Commands in forks behave as commands by themselves."""

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ssl_bench.launch
from ssl_bench.launch.forked import AVAILABLE, Forked

pytestmark = pytest.mark.skipif(
    not AVAILABLE, reason='this system has no fork server'
)
ONE = {'OMP_NUM_THREADS': '1'}


@pytest.mark.slow
def test_output_and_exit_code_arrive():
    good, bad = (
        Forked(['tasks', 'mini_knn'], ONE),
        Forked(['tasks', 'mini_nothing'], ONE),
    )
    assert 'mini_knn' in good.stdout.read()
    assert good.wait() == good.poll() == 0
    assert 'ssl-bench tasks: unknown task' in bad.stdout.read()
    assert bad.wait() == 2


def test_a_fork_can_be_stopped(tmp_path):
    long = Forked(['data', 'mini', '--root', str(tmp_path / 'mini')], ONE)
    assert long.poll() is None
    long.terminate()
    assert long.wait() == -15
    assert long.stdout.read() == ''


def test_the_server_outlives_what_is_sent_to_all_processes(tmp_path):
    """While it imports, and later; a command gets what is sent to it."""
    program = (
        'import os, signal\n'
        'from multiprocessing.forkserver import _forkserver as server\n'
        'from ssl_bench.launch.forked import Forked, warm_up\n'
        'signals = [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP,\n'
        '           signal.SIGINT]\n'
        'warm_up()\n'
        'for number in signals:\n'
        '    os.kill(server._forkserver_pid, number)\n'
        f'command = Forked(["tasks", "mini_knn"], {ONE!r})\n'
        'for number in signals:\n'
        '    os.kill(server._forkserver_pid, number)\n'
        'assert "mini_knn" in command.stdout.read()\n'
        'print(command.wait())\n'
        'for number in signals[:3]:\n'
        f'    command = Forked(["data", "mini", "--root", '
        f'{str(tmp_path / "mini")!r}], {ONE!r})\n'
        '    command.send_signal(number)\n'
        '    print(command.wait())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        timeout=120,
    )
    first, *codes = map(int, done.stdout.split())
    assert first == 0 and len(codes) == 3, done.stderr
    for code, number in zip(codes, (15, 10, 1)):
        # before and after the command has a handler that cleans up
        assert code in (-number, 128 + number), done.stderr


def test_forks_end_with_a_killed_runner(tmp_path):
    """Also one that looks for its parent later."""
    program = (
        'import time\n'
        'from multiprocessing.context import ForkServerContext as Context\n'
        'from ssl_bench.launch.forked import Forked\n'
        'Context.set_forkserver_preload = lambda self, modules: None\n'
        'command = Forked(["data", "mini", "--root", '
        f'{str(tmp_path / "mini")!r}], {ONE!r})\n'
        'print(command._process.pid, flush=True)\n'
        'time.sleep(60)'
    )
    runner = subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, text=True
    )
    fork = int(runner.stdout.readline())
    os.kill(fork, signal.SIGSTOP)
    runner.kill()
    runner.wait()
    runner.stdout.close()
    os.kill(fork, signal.SIGCONT)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.kill(fork, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError('it runs on')


def test_launch_imports_no_command_line():
    for path in Path(ssl_bench.launch.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or '').startswith('ssl_bench.cli')
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    assert not alias.name.startswith('ssl_bench.cli')


def test_a_wrong_option_ends_a_command():
    bad = Forked(['tasks', '--nothing'], ONE)
    assert 'unrecognized arguments: --nothing' in bad.stdout.read()
    assert bad.wait() == 2
