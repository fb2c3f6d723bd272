"""torchrun as we start it: signals, exit codes, messages, ends."""

import multiprocessing
import os
import re
import signal
import socket
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from ssl_bench.launch.stopping import Stop
from ssl_bench.launch.torchrun import exit_code, main, rendezvous

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='forks after CUDA do not work'
)

# Ranks without torch. Both save at a signal, the first for longer.
SAVES = """
import os, signal, sys, time
rank = int(os.environ['RANK'])
from ssl_bench.launch.parent import end_with_parent
end_with_parent()
def save(number, frame):
    signal.signal(signal.SIGTERM, late)
    time.sleep(0 if rank else 1)
    print(rank, 'saved at', signal.Signals(number).name, flush=True)
    sys.exit(75)
def late(number, frame):
    print(rank, 'was hurried', flush=True)
    os._exit(1)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, save)
print(rank, 'runs', os.getpid(), flush=True)
time.sleep(60)
"""
STUBBORN = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print(os.environ['RANK'], 'runs', os.getpid(), flush=True)
time.sleep(60)
"""
WRONG = """
import sys
from ssl_bench import cli
from ssl_bench.cli import methods
from ssl_bench.errors import UserError
def run(args):
    raise UserError('no such file: x')
methods.run = run
sys.exit(cli.main(['methods']))
"""


def _run(log, words):
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    sys.stderr = os.fdopen(2, 'w', buffering=1)
    os.environ.pop('TORCHELASTIC_RUN_ID', None)
    os._exit(main(words))


@pytest.fixture
def launch(tmp_path):
    """Start two ranks of a program; gives the launcher and its log."""
    started = []

    def start(program, *more):
        script, log = tmp_path / 'rank.py', tmp_path / 'log'
        script.write_text(program)
        words = [*more, '--nproc_per_node=2', str(script)]
        process = multiprocessing.get_context('fork').Process(
            target=_run, args=(str(log), words)
        )
        process.start()
        started.append(process)
        return process, log

    yield start
    for process in started:
        process.kill()


def pids(log):
    """Of the two ranks, when both run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = log.read_text() if log.exists() else ''
        found = re.findall(r'runs (\d+)', text)
        if len(found) == 2:
            return [int(number) for number in found]
        time.sleep(0.05)
    raise AssertionError(text)


def gone(number, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        with open(f'/proc/{number}/stat') as file:
            if file.read().rpartition(')')[2].split()[0] == 'Z':
                return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGHUP'])
def test_every_rank_saves_at_a_signal(launch, name):
    process, log = launch(SAVES)
    pids(log)
    os.kill(process.pid, getattr(signal, name))
    process.join(30)
    lines = log.read_text().splitlines()
    got = 'SIGTERM' if name == 'SIGHUP' else name
    assert {f'{rank} saved at {got}' for rank in (0, 1)} <= {*lines}
    assert process.exitcode == 75
    assert 'Traceback' not in log.read_text() and len(lines) == 4


def test_the_second_signal_ends_them_at_once(launch):
    process, log = launch(STUBBORN)
    ranks = pids(log)
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(2.2)
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 128 + signal.SIGKILL
    assert all(map(gone, ranks))


def test_ranks_end_with_a_killed_launcher(launch):
    process, log = launch(SAVES)
    ranks = pids(log)
    process.kill()
    assert all(map(gone, ranks))
    assert log.read_text().count('saved at SIGTERM') == 2


@pytest.mark.parametrize(
    'program, code, text',
    [
        ('raise SystemExit(3)', 3, ''),
        (
            'import os, time\n'
            'if os.environ["RANK"] == "1": os.kill(os.getpid(), 9)\n'
            'time.sleep(60)',
            137,
            'ssl-bench: rank 1 was ended by SIGKILL: the machine may have '
            'run out of memory\n',
        ),
        ('print(end="")', 0, ''),
    ],
)
def test_exit_code_and_one_message(launch, program, code, text):
    process, log = launch(program)
    process.join(60)
    assert process.exitcode == code
    assert log.read_text() == text


@pytest.mark.slow
def test_a_mistake_is_one_line_for_all_ranks(launch):
    process, log = launch(WRONG)
    process.join(100)
    assert process.exitcode == 2
    assert re.fullmatch(
        r'ssl-bench methods \(rank [01]\): no such file: x\n', log.read_text()
    )


def test_a_port_in_use_is_one_line(launch, monkeypatch):
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen()
        port = str(other.getsockname()[1])
        monkeypatch.setenv('PORT', port)
        process, log = launch('')
        process.join(60)
    assert process.exitcode == 2
    (line,) = log.read_text().splitlines()
    assert f'port {port} ' in line and 'PORT=' in line


def test_where_processes_meet():
    assert rendezvous([], {}) == ['--standalone']
    assert rendezvous([], dict(NNODES='1', PORT='')) == ['--standalone']
    assert rendezvous(['--standalone'], dict(PORT='1')) == []
    assert rendezvous(['--nnodes=2'], dict(PORT='1')) == []
    assert rendezvous([], dict(PORT='7')) == [
        '--nnodes=1',
        '--node_rank=0',
        '--master_addr=127.0.0.1',
        '--master_port=7',
    ]
    two = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='a')
    assert rendezvous([], two) == [
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=a',
        '--master_port=29500',
    ]


def test_plain_torchruns_table_has_the_message(tmp_path, monkeypatch):
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    from ssl_bench.cli import tell_launcher
    from ssl_bench.errors import UserError

    path = tmp_path / 'error.json'
    monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(path))
    tell_launcher(UserError('no such file: x'))
    failure = ProcessFailure(0, 1, 2, str(path))
    assert failure.message['message'] == 'no such file: x'
    assert abs(failure.timestamp - time.time()) < 60


@pytest.mark.parametrize(
    'asked, code', [('SIGTERM', 75), ('SIGINT', 143), ('', 143)]
)
def test_ranks_that_had_not_begun(asked, code, capsys):
    """They imported the toolkits when the signal came."""
    stop = Stop()
    stop.asked = asked
    failure = SimpleNamespace(exitcode=-15, timestamp=1)
    assert exit_code({0: failure, 1: failure}, stop) == code
