"""Run a function in several gloo processes and collect what each returns."""

import os
import tempfile
from pathlib import Path

import torch
import torch.multiprocessing as mp


def under_torchrun(rank, world, port=29500):
    """Set what torchrun sets for a process."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )


def _entry(rank, world, folder, function, arguments):
    torch.set_num_threads(1)
    # what torchrun sets too; a function that joins a run asks for them
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT='29500')
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/rendezvous',
        rank=rank,
        world_size=world,
    )
    try:
        torch.save(function(rank, *arguments), f'{folder}/{rank}.pt')
        torch.distributed.barrier()
    finally:
        torch.distributed.destroy_process_group()


def run_in_processes(function, world, *arguments):
    """Call ``function(rank, *arguments)`` in ``world`` processes.

    The function is at the top level of its module; what it returns must
    be made of tensors and plain containers.

    Returns:
        list: What each rank returned.
    """
    # a fork keeps the imported toolkits; a CUDA context would not survive it
    method = 'spawn' if torch.cuda.is_available() else 'fork'
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(
            _entry,
            (world, folder, function, arguments),
            nprocs=world,
            start_method=method,
        )
        return [
            torch.load(Path(folder) / f'{rank}.pt') for rank in range(world)
        ]
