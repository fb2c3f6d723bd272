"""The pool of commands: order, output, failures."""
import sys

import pytest

from ssl_bench.errors import UserError
from ssl_bench.launch import local
from ssl_bench.launch.local import Command, run_commands


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """Commands are Python programs; each sees the folder as its own."""
    monkeypatch.setattr(local, '_start', start)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(command, environment):
    import subprocess
    return subprocess.Popen(
        [sys.executable, '-c', command.words[0]], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize('jobs', [1, 2, 5])
def test_a_command_waits_for_what_it_needs(scripts, capsys, jobs):
    make = 'import time; time.sleep(.5); open("a", "w"); print("made")'
    need = 'import os; assert os.path.exists("a"); print("found")'
    run_commands([Command((make,)), Command((need,), 0),
                  Command(('print("free")',)), Command((need,), 1)], jobs)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if '$' not in line].count('[2/4] found') \
        == 1
    assert lines.index('[1/4] made') < lines.index('[2/4] found') \
        < lines.index('[4/4] found')
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


def test_the_command_is_ours(capsys):
    """The real start: a subcommand, and a user's mistake."""
    run_commands([Command(('--version',))], 1)
    assert '[1/1] $ ssl-bench --version' in capsys.readouterr().out
    with pytest.raises(UserError, match='`ssl-bench tasks nothing` failed'):
        run_commands([Command(('tasks', 'nothing'))], 1)
