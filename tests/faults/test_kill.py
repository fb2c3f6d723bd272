"""The short form of `kill.py`: kills around the rename of a checkpoint."""

import os
import signal
import subprocess
import sys

import pytest

from ssl_bench.cli import main
from tests.engine.conftest import config  # noqa: F401  a fixture
from tests.faults.kill import numbers

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


@pytest.mark.parametrize('moment', ['before', 'after'])
def test_a_pretraining_killed_at_a_rename(config, tmp_path, moment):
    path = tmp_path / 'tiny.py'
    config.dump(path)
    words = ['pretrain', str(path), '--quiet', '--resume', 'auto']
    work, straight = tmp_path / 'run', tmp_path / 'straight'
    done = subprocess.run(
        [
            *(sys.executable, '-c', KILLED, 'epoch_1.pth', moment),
            *(*words, '--work-dir', str(work)),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert (work / 'epoch_1.pth').exists() == (moment == 'after')
    assert main([*words, '--work-dir', str(work)]) == 0
    assert main([*words, '--work-dir', str(straight)]) == 0
    assert numbers(work) == numbers(straight)
    assert not list(work.glob('.*.part'))
