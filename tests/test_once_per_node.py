"""One process reads a file, the others map the arrays."""

import os
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench import once_per_node
from ssl_bench.errors import UserError
from tests.processes import run_in_processes


def test_one_process_reads(monkeypatch):
    assert once_per_node.once_per_node(lambda: 3) == 3
    number, lent = once_per_node._lend(
        dict(a=np.arange(5), b=np.zeros(0), text='x')
    )
    found = once_per_node._borrow(lent)
    os.close(number)
    assert found['a'].tolist() == [0, 1, 2, 3, 4] and found['text'] == 'x'
    assert len(found['b']) == 0 and not found['a'].flags.writeable
    assert not Path(lent.path).exists()


def shared(rank, folder):
    def read():
        (Path(folder) / f'read_by_{rank}').touch()
        return dict(values=np.arange(100_000) * 0.5, names=['a'])

    found = once_per_node.once_per_node(read)
    return torch.tensor(found['values']).sum(), found['names']


def failing(rank):
    def read():
        raise UserError('file.json is no good')

    try:
        once_per_node.once_per_node(read)
    except UserError as error:
        return str(error)


def far_apart(rank, folder):
    once_per_node._node = lambda: (f'host {rank}', 0)
    return shared(rank, folder)


def once_for_all_nodes(rank, folder):
    once_per_node._node = lambda: (f'host {rank // 2}', 0)
    os.environ.update(WORLD_SIZE='3', RANK=str(rank))

    def read():
        (Path(folder) / f'read_by_{rank}').touch()
        return dict(values=np.arange(100_000) + rank)

    return torch.tensor(once_per_node.once(read)['values']).sum()


@pytest.mark.slow
def test_several_processes(tmp_path):
    found = run_in_processes(shared, 3, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ['read_by_0']
    assert found == [found[0]] * 3 and found[0][1] == ['a']
    assert found[0][0] == sum(range(100_000)) * 0.5
    assert run_in_processes(failing, 2) == ['file.json is no good'] * 2
    run_in_processes(far_apart, 2, str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2  # one on each node


@pytest.mark.slow
def test_one_process_of_all_nodes_reads(tmp_path):
    """Two processes on a node, and one on another."""
    found = run_in_processes(once_for_all_nodes, 3, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ['read_by_0']
    assert found == [sum(range(100_000))] * 3
    assert once_per_node.once(lambda: 3) == 3


def test_systems_without_linux_files_have_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr(once_per_node, 'BOOT', tmp_path / 'boot_id')
    assert once_per_node._node() == (platform.node(), 0)
