"""The pool of commands: order, output, failures."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ssl_bench.errors import Interrupted, UserError
from ssl_bench.launch import local
from ssl_bench.launch.command import Command
from ssl_bench.launch.local import run_commands

pytestmark = pytest.mark.slow


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """Commands are Python programs; each sees the folder as its own."""
    monkeypatch.setattr(local, '_start', start)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(command, processes, place):
    return subprocess.Popen(
        [sys.executable, '-c', command.words[0]],
        env={**os.environ, **place},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize('jobs', [1, 2, 5])
def test_a_command_waits_for_what_it_needs(scripts, capsys, jobs):
    make = 'import time; time.sleep(.5); open("a", "w"); print("made")'
    need = 'import os; assert os.path.exists("a"); print("found")'
    run_commands(
        [
            Command((make,)),
            Command((need,), 0),
            Command(('print("free")',)),
            Command((need,), 1),
        ],
        jobs,
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if '$' not in line].count(
        '[2/4] found'
    ) == 1
    assert (
        lines.index('[1/4] made')
        < lines.index('[2/4] found')
        < lines.index('[4/4] found')
    )
    assert '[3/4] free' in lines
    if jobs > 1:  # does not wait behind the first
        assert lines.index('[3/4] free') < lines.index('[1/4] made')


def test_cores_are_shared(scripts, capsys, monkeypatch):
    monkeypatch.setattr(local.os, 'cpu_count', lambda: 8)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    say = Command(('import os; print(os.environ["OMP_NUM_THREADS"])',))
    run_commands([say], 2)
    assert '[1/1] 4' in capsys.readouterr().out
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    run_commands([say], 2)
    assert '[1/1] 3' in capsys.readouterr().out


def test_a_failure_stops_the_others_and_is_told(scripts):
    long = Command(('import time; time.sleep(60); open("late", "w")',))
    bad = Command(('import sys; print("why"); sys.exit(2)',))
    with pytest.raises(UserError, match='failed:\nwhy'):
        run_commands([long, bad, Command(('open("next", "w")',), 1)], 2)
    assert not list(scripts.iterdir())


def test_a_failure_holds_up_what_waits_for_it_alone(scripts):
    bad = Command(('import sys; print("why"); sys.exit(2)',))
    with pytest.raises(
        UserError,
        match='why\nof 5 commands, 2 ended well, 1 failed, 2 did not start',
    ):
        run_commands(
            [
                bad,
                Command(('open("never", "w")',), 0),
                Command(('open("never", "w")',), 1),
                Command(('open("a", "w")',)),
                Command(('open("b", "w")',), 3),
            ],
            2,
            keep_going=True,
        )
    assert sorted(path.name for path in scripts.iterdir()) == ['a', 'b']


def test_devices_are_shared_out(monkeypatch):
    monkeypatch.setattr('torch.accelerator.device_count', lambda: 8)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    assert local.default_jobs(2) == 4 and local.default_jobs(8) == 1

    def devices(*args):
        return [
            place['CUDA_VISIBLE_DEVICES'] for place in local._places(*args)
        ]

    assert devices(4, 2) == ['0,1', '2,3', '4,5', '6,7']
    assert devices(2, 8) == 2 * ['0,1,2,3,4,5,6,7']  # shared, as asked for
    with pytest.raises(UserError, match='takes 9 devices.* has 8'):
        devices(1, 9)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,6')
    monkeypatch.setattr('torch.accelerator.device_count', lambda: 2)
    assert devices(2, 1) == ['4', '6']


def test_several_processes_are_torchruns():
    command = Command(('pretrain', 'a.py'))
    assert command.argv()[1:] == ['-m', 'ssl_bench', 'pretrain', 'a.py']
    assert command.argv(4)[1:] == [
        '-m',
        'ssl_bench.launch.torchrun',
        '--standalone',
        '--nproc_per_node=4',
        '-m',
        'ssl_bench',
        'pretrain',
        'a.py',
    ]


SAVES = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(1)
    open(str(os.getpid()) + '.saved', 'w').close()
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
open(str(os.getpid()) + '.pid', 'w').close()
time.sleep(60)
"""
IGNORES = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(str(os.getpid()) + '.pid', 'w').close()
time.sleep(60)
"""
RUNNER = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ssl_bench.errors import Interrupted
from ssl_bench.launch import local
from ssl_bench.launch.command import Command
local.AT_ONCE = 0.5
Command.argv = lambda self, processes: [sys.executable, '-c', self.words[0]]
local.AVAILABLE = False
local._places = lambda jobs, processes: [{{}}, {{}}]  # without torch
try:
    local.run_commands(
        [Command(({child!r},)), Command(({child!r},)), Command(('',), 0)], 2
    )
except (Interrupted, KeyboardInterrupt) as error:
    print(error, flush=True)
    sys.exit(getattr(error, 'exit_code', 130))
"""


@pytest.fixture
def runner(tmp_path):
    """A process with two commands that run and one that waits."""
    started = []

    def start(child):
        # a shell's background job would ignore SIGINT, so it is set above
        process = subprocess.Popen(
            [sys.executable, '-c', RUNNER.format(child=child)],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob('*.pid'))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, [int(p.stem) for p in tmp_path.glob('*.pid')]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def ended(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    'name, code', [('SIGINT', 130), ('SIGTERM', 75), ('SIGHUP', 75)]
)
def test_a_signal_lets_every_command_save(tmp_path, runner, name, code):
    process, children = runner(SAVES)
    process.send_signal(getattr(signal, name))
    assert process.wait(30) == code
    assert len(list(tmp_path.glob('*.saved'))) == 2
    assert all(map(ended, children))
    last = process.stdout.read().splitlines()[-1]
    assert 'of 3 commands, 2 stopped, 1 did not start.' in last
    assert last.endswith('The same command continues.')


def test_a_second_signal_ends_every_command(runner):
    process, children = runner(IGNORES)
    process.send_signal(signal.SIGTERM)
    time.sleep(2.2)
    assert process.poll() is None  # waits as long as they need
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 75
    assert all(map(ended, children))


def test_a_command_that_was_stopped_is_no_failure(scripts):
    with pytest.raises(Interrupted, match='2 commands, 1 stopped, 1 did not'):
        run_commands(
            [Command(('raise SystemExit(75)',)), Command(('',), 0)], 1
        )


def test_commands_end_with_a_killed_runner(tmp_path, runner):
    watched = (
        'from ssl_bench.launch.parent import end_with_parent\n'
        f'end_with_parent()\n{SAVES}'
    )
    process, children = runner(watched)
    process.kill()
    deadline = time.monotonic() + 20
    while len(list(tmp_path.glob('*.saved'))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_command_is_ours(capsys):
    """The real start: a subcommand, and a user's mistake."""
    run_commands([Command(('--version',))], 1)
    assert '[1/1] $ ssl-bench --version' in capsys.readouterr().out
    with pytest.raises(UserError, match='`ssl-bench tasks nothing` failed'):
        run_commands([Command(('tasks', 'nothing'))], 1)
