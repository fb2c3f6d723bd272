"""What the doctor says of a machine, of good ones and of bad ones."""

import os
import shutil
from types import SimpleNamespace

import pytest

from ssl_bench import environment
from ssl_bench.health import machine
from ssl_bench.health.checks import FAIL, OK, WARN, Check, counts, worst

GIB = machine.GIB


def test_a_check_is_a_folded_line_and_a_cure_that_can_be_copied():
    cure = 'pip install ' + 'x' * 90
    lines = str(Check('name', WARN, 'word ' * 30, cure)).splitlines()
    assert lines[0].startswith('warn  name: word word')
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == f'      -> {cure}'
    assert str(Check('n', OK, 'a\x1bb')) == 'ok    n: a\\x1bb'


def test_the_worst_state_counts():
    ok, warn, fail = (Check('x', state, '') for state in (OK, WARN, FAIL))
    assert worst([]) == OK
    assert worst([ok, warn, ok]) == WARN
    assert worst([ok, fail, warn]) == FAIL
    assert counts([ok, warn, ok]) == '2 ok, 1 warn, 0 fail'


@pytest.mark.parametrize(
    'free, state', [(2 * GIB, OK), (GIB // 2, WARN), (None, None)]
)
def test_shared_memory(monkeypatch, free, state):
    monkeypatch.setattr(environment, 'shared_memory_free', lambda: free)
    check = machine.shared_memory()
    assert (check and check.state) == state
    if state == WARN:
        assert 'shm-size' in check.cure and '0.5 GiB' in check.found


@pytest.mark.parametrize(
    'limit, state, found',
    [(2**63, OK, 'no limit'), (20000, OK, '20000'), (1024, WARN, '1024')],
)
def test_open_files(monkeypatch, limit, state, found):
    monkeypatch.setattr(environment, 'raise_file_limit', lambda: limit)
    check = machine.open_files()
    assert check.state == state and found in check.found
    assert ('ulimit -n' in check.cure) == (state == WARN)


@pytest.mark.parametrize(
    'free, state', [(50 * GIB, OK), (2 * GIB, WARN), (GIB // 4, FAIL)]
)
def test_disk(monkeypatch, tmp_path, free, state):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
    check = machine.disk(str(tmp_path / 'new/below'))
    assert check.state == state
    assert bool(check.cure) == (state != OK)


def test_a_folder_that_cannot_be_written():
    check = machine.writable('work dir', '/proc/new/work', 'a cure')
    assert (check.state, check.cure) == (FAIL, 'a cure')
    assert '/proc' in check.found


def test_looking_makes_no_folder(tmp_path):
    check = machine.writable('work dir', str(tmp_path / 'new/work'), 'x')
    assert check.state == OK and 'not there yet' in check.found
    assert not (tmp_path / 'new').exists()


def test_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert machine.data(None).state == OK
    assert 'data mini' in machine.data(None).cure
    assert machine.data('no').state == FAIL
    (tmp_path / 'sets/coco').mkdir(parents=True)
    assert machine.data('sets') == Check('data', OK, 'below sets: coco')


@pytest.mark.parametrize(
    'text, state', [('1', OK), ('9999', WARN), ('0', WARN), ('two', WARN)]
)
def test_threads(monkeypatch, text, state):
    for name in machine.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('OMP_NUM_THREADS', text)
    (check,) = machine.threads()
    assert check.state == state
    assert bool(check.cure) == (state == WARN)


def test_variables_of_a_launcher(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.delenv('RANK', raising=False)
    bad = [c for c in machine.variables() if c.state == FAIL]
    assert len(bad) == 1 and 'WORLD_SIZE=2 is set' in bad[0].found


@pytest.mark.parametrize('name', ['SSL_BENCH_TRACK', 'SSL_BENCH_RANK_TIMEOUT'])
def test_a_variable_that_stops_every_run_is_not_ok(monkeypatch, name):
    monkeypatch.setenv(name, 'nonsense')
    (check,) = [c for c in machine.variables() if c.name == name]
    assert check.state == FAIL and "'nonsense'" in check.found
    assert check.cure == f'unset {name}'


def test_a_gpu_that_torch_does_not_see(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.accelerator, 'device_count', lambda: 0)
    monkeypatch.setattr(machine.shutil, 'which', lambda name: None)
    if not os.path.exists('/dev/nvidia0'):
        assert machine.devices().state == OK
    monkeypatch.setattr(machine.shutil, 'which', lambda name: '/bin/x')
    assert machine.devices().state == WARN


def test_configs(monkeypatch, tmp_path):
    monkeypatch.delenv('SSL_BENCH_CONFIGS', raising=False)
    (check,) = machine.configs()
    assert check.state == OK
    (tmp_path / 'transfer').mkdir()
    (tmp_path / 'transfer/broken.py').write_text('TASK = 3')
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path))
    _, check = machine.configs()
    assert check.state == WARN and 'broken.py' in check.found
    monkeypatch.setenv('SSL_BENCH_CONFIGS', '/nowhere')
    (check,) = machine.configs()
    assert (check.state, check.cure) == (FAIL, 'unset SSL_BENCH_CONFIGS')


def test_the_command_on_the_path(monkeypatch):
    monkeypatch.setattr(machine.shutil, 'which', lambda name: None)
    check = machine.command()
    assert check.state == WARN and 'python -m ssl_bench' in check.cure
