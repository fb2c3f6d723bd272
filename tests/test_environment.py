"""What stops a run before it starts: one line each."""

import random
import re
import resource
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from torch.utils.data import DataLoader

from ssl_bench import environment
from ssl_bench.errors import UserError

LAUNCHED = dict(
    RANK='0',
    LOCAL_RANK='0',
    WORLD_SIZE='2',
    MASTER_ADDR='127.0.0.1',
    MASTER_PORT='29500',
)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(RANK=None), 'WORLD_SIZE=2 is set, but RANK is not: .*unset'),
        (
            dict(RANK=None, MASTER_ADDR=None, MASTER_PORT=''),
            'RANK, MASTER_ADDR, MASTER_PORT are not',
        ),
        (dict(RANK='2'), 'RANK=2 does not exist.*ranks are 0 to 1'),
        (dict(RANK='one'), "RANK='one' is not a whole number of 0 or more"),
        (dict(WORLD_SIZE='0'), "WORLD_SIZE='0' is not a whole number of 1"),
        (dict(WORLD_SIZE=''), "WORLD_SIZE='' is not"),
    ],
)
def test_variables_of_a_launcher_that_do_not_fit(
    monkeypatch, changes, message
):
    for name, value in {**LAUNCHED, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        environment.world_size()


def test_variables_that_fit(monkeypatch):
    for name, value in LAUNCHED.items():
        monkeypatch.setenv(name, value)
    assert environment.world_size() == 2
    monkeypatch.setenv('WORLD_SIZE', '1')
    monkeypatch.delenv('RANK')
    assert environment.world_size() == 1


@pytest.mark.parametrize('text', ['', 'soon', '0', '-1', 'nan', 'inf'])
def test_a_limit_that_is_not_a_number(monkeypatch, text):
    monkeypatch.setenv(environment.TIMEOUT, text)
    with pytest.raises(UserError, match='SSL_BENCH_RANK_TIMEOUT=.*seconds'):
        environment.rank_timeout()


def test_a_port_in_use_is_named():
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=rf'port {port} .*PORT=\d+'):
            environment.require_port(port)
    environment.require_port(port)


class Views(torch.utils.data.Dataset):
    """Samples of two views of 1 MiB, drawn with every generator."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        random.random(), np.random.rand(), torch.rand(1)
        return {'views': [torch.zeros(2**18) for _ in range(2)]}


def loader(workers, collate=default_collate):
    return DataLoader(
        Views(), batch_size=8, num_workers=workers, collate_fn=collate
    )


def test_shared_memory_is_counted(monkeypatch):
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    # 3 workers x 2 batches x 8 samples x 2 MiB, of each of 2 processes
    monkeypatch.setattr(environment, 'shared_memory_free', lambda: 192 * 2**20)
    environment.require_room_for_workers(loader(3))
    monkeypatch.setattr(environment, 'shared_memory_free', lambda: 191 * 2**20)
    with pytest.raises(
        UserError, match='has 191 MiB free, and the 3 .*192 MiB.*shm-size'
    ):
        environment.require_room_for_workers(loader(3))
    environment.require_room_for_workers(loader(0))


def test_open_files_are_counted(monkeypatch):
    # as lists, every view of every sample is a file: 3 x 2 x 8 x 2
    monkeypatch.setattr(environment, 'shared_memory_free', lambda: None)
    monkeypatch.setattr(
        environment, 'raise_file_limit', lambda: environment.OWN_FILES + 95
    )
    with pytest.raises(UserError, match='ulimit -n.*3 loader workers'):
        environment.require_room_for_workers(loader(3, pseudo_collate))
    environment.require_room_for_workers(loader(3))  # two tensors a batch


def test_the_check_draws_nothing():
    def draws():
        return random.random(), np.random.rand(), float(torch.rand(1))

    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    before = draws()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    environment.require_room_for_workers(loader(1))
    assert draws() == before


def test_a_sample_that_cannot_be_read_is_left_to_the_loader():
    broken = DataLoader([], batch_size=2, num_workers=1)
    with pytest.raises(IndexError):
        broken.dataset[0]
    environment.require_room_for_workers(broken)


def test_the_limit_of_files_is_raised():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(before[0], 512)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
        assert environment.raise_file_limit() >= low
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= before[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_variables_have_one_list():
    root = Path(environment.__file__).parent
    code = ''.join(path.read_text() for path in root.rglob('*.py'))
    found = set(re.findall(r'\bSSL_BENCH_[A-Z_]+', code))
    found.discard('SSL_BENCH_PARENT')  # one process sets it for another
    assert sorted(found) == sorted(environment.VARIABLES)
    docs = (root.parent / 'docs/settings.md').read_text()
    table = docs.partition('\n## Environment variables')[2]
    assert all(f'`{name}=' in table for name in found)
