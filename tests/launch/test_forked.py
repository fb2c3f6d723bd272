"""Commands in forks behave as commands by themselves."""

import pytest

from ssl_bench.launch.forked import AVAILABLE, Forked

pytestmark = pytest.mark.skipif(
    not AVAILABLE, reason='this system has no fork server'
)
ONE = {'OMP_NUM_THREADS': '1'}


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
