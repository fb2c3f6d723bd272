"""Making the embedded data ends when it is told to, and leaves nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ssl_bench.data.mini import sets
from ssl_bench.errors import UserError

MANY = sets.WORTH_A_PROCESS * 2
two_cores = pytest.mark.skipif(
    sets._cores() < 2, reason='images are drawn in processes on two cores'
)


def ends_in_a_worker(rng):
    os.kill(os.getpid(), signal.SIGKILL)


@two_cores
def test_a_lost_process_is_one_line():
    jobs = [(ends_in_a_worker, (0, 0, index), ()) for index in range(MANY)]
    with (
        pytest.raises(UserError, match='ended from outside'),
        sets.each_result(jobs) as results,
    ):
        list(results)


@two_cores
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group(number, tmp_path):
    """As `timeout` and schedulers send it: to the workers, too."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'ssl_bench', 'data', 'mini', '--root', 'mini'],
        cwd=tmp_path,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    children = f'/proc/{process.pid}/task/{process.pid}/children'
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with open(children) as file:
            if len(file.read().split()) >= 2:  # the images are being drawn
                break
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert 'Traceback' not in said
    assert list(tmp_path.iterdir()) == []
