"""How processes start, how models are wrapped, how errors arrive."""

import socket

import pytest
import torch
from mmengine import dist
from mmengine.config import Config
from torch.utils.data import DataLoader

from ssl_bench.engine.distributed import (
    cpu_wrapper,
    join_processes,
    launcher,
    plain_error,
    world_size,
)
from ssl_bench.errors import UserError
from tests.processes import under_torchrun


def test_one_process_without_torchrun(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    assert (world_size(), launcher()) == (1, 'none')
    join_processes()
    assert not dist.is_distributed()
    for name, value in (
        ('RANK', '0'),
        ('LOCAL_RANK', '0'),
        ('WORLD_SIZE', '2'),
        ('MASTER_ADDR', '127.0.0.1'),
        ('MASTER_PORT', '29500'),
    ):
        monkeypatch.setenv(name, value)
    assert (world_size(), launcher()) == (2, 'pytorch')


def join(rank, port, folder):
    under_torchrun(rank, 2, port)
    join_processes()
    join_processes()  # a second call finds the group
    total = torch.tensor([rank + 1.0])
    torch.distributed.all_reduce(total)
    backend = torch.distributed.get_backend()
    torch.save((float(total), backend), f'{folder}/{rank}.pt')
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.cuda.is_available(), reason='is for CPUs')
def test_two_processes_meet(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(
        join, (port, str(tmp_path)), nprocs=2, start_method='fork'
    )
    for rank in range(2):
        assert torch.load(tmp_path / f'{rank}.pt') == (3.0, 'gloo')


def test_a_config_decides_how_its_model_is_wrapped():
    plain = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=False,
        device_ids=None,
    )
    assert cpu_wrapper(Config()) == plain
    config = Config(dict(find_unused_parameters=True))
    assert cpu_wrapper(config) == plain | dict(find_unused_parameters=True)
    given = dict(type='Mine', broadcast_buffers=True, device_ids=[0])
    assert cpu_wrapper(Config(), given) == plain | dict(
        type='Mine', broadcast_buffers=True
    )


class Broken:
    """A data set that cannot be read."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        try:
            raise OSError('no file')
        except OSError as error:
            raise UserError('a.jpg is broken:\nno file') from error


def test_an_error_from_a_loader_process_is_its_message():
    with pytest.raises(UserError) as stop:
        next(iter(DataLoader(Broken(), num_workers=1)))
    assert 'Traceback' in str(stop.value)
    assert str(plain_error(stop.value)) == 'a.jpg is broken:\nno file'
    assert str(plain_error(UserError('two\nlines'))) == 'two\nlines'
