"""The short form of `kill.py`: kills around the rename of a checkpoint."""

import os
import signal
import subprocess
import sys

import pytest

from ssl_bench.cli import main
from tests.faults.kill import numbers, pretraining

# a process that kills itself when a file is about to get its name, or has it
KILLED = """
import os, signal, sys
name, moment, replace = sys.argv[1], sys.argv[2], os.replace
def killing(old, new, **kwargs):
    hit = os.path.basename(new) == name
    if hit and moment == 'before':
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new, **kwargs)
    if hit:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = killing
from ssl_bench.cli import main
sys.exit(main(sys.argv[3:]))
"""


def killed(name, moment, words):
    """Run a command that dies when ``name`` gets its name."""
    done = subprocess.run(
        [sys.executable, '-c', KILLED, name, moment, *words],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


@pytest.fixture(scope='module')
def straight(mini_root, tmp_path_factory):
    """Numbers of a pretraining without a break."""
    work = tmp_path_factory.mktemp('straight') / 'run'
    assert main(words(mini_root, work)) == 0
    return numbers(work)


def words(data, work):
    options = ('default_hooks.checkpoint.interval=1', 'train_cfg.max_epochs=2')
    return pretraining(16, 0, *options)(data, work)


@pytest.mark.parametrize('moment', ['before', 'after'])
def test_a_pretraining_killed_at_a_rename(
    mini_root, tmp_path, straight, moment
):
    work = tmp_path / 'run'
    killed('epoch_1.pth', moment, words(mini_root, work))
    assert (work / 'epoch_1.pth').exists() == (moment == 'after')
    assert main(words(mini_root, work)) == 0
    assert numbers(work) == straight
    assert not list(work.glob('.*.part'))
