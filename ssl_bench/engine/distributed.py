"""Several processes: how they start, how a model is wrapped, their errors."""

import multiprocessing
import os
from datetime import timedelta
from functools import lru_cache
from typing import Any

import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper

from ssl_bench.engine.heartbeat import Heartbeat
from ssl_bench.environment import rank_timeout, world_size
from ssl_bench.errors import UserError, one_line

# Of a collective. The first process may score or list images for long while
# the others wait; one that is stopped is found by its `Heartbeat`.
PATIENCE = timedelta(hours=6)


def launcher() -> str:
    """The ``launcher`` of a config for mmengine's runner."""
    return 'pytorch' if world_size() > 1 else 'none'


def join_processes() -> None:
    """Start torch.distributed if torchrun started several processes.

    gloo on CPUs; on accelerators what mmengine takes: NCCL on GPUs. mmengine
    alone cannot do it on CPUs, since it asks for a CUDA device. From here on
    a process that does not answer for `rank_timeout` seconds ends the run.

    Raises:
        UserError: The processes do not find each other.
    """
    if world_size() == 1 or dist.is_distributed():
        return
    limit = rank_timeout()
    store, rank, world = _meet(limit)
    beats = torch.distributed.PrefixStore('ssl_bench_beats', store)
    Heartbeat(beats, rank, world, limit, _address()).start()
    if get_device() == 'cpu':
        torch.distributed.init_process_group('gloo', timeout=PATIENCE)
        return
    # settles how loaders start their workers; mmengine would choose `spawn`
    multiprocessing.get_start_method()
    dist.init_dist(
        'pytorch', backend='nccl', timeout=int(PATIENCE.total_seconds())
    )


@lru_cache(maxsize=1)
def _meet(limit: float) -> tuple[Any, int, int]:
    """The store of the run, this process's rank, and how many there are.

    Args:
        limit (float): Seconds to wait for the others.

    Raises:
        UserError: It cannot be reached, or the others do not come.
    """
    try:
        return next(
            torch.distributed.rendezvous(
                'env://', timeout=timedelta(seconds=limit)
            )
        )
    except (RuntimeError, ValueError) as error:
        text = one_line(str(error).partition('Exception raised from')[0])
        hint = (
            'another run may have the port: choose another with PORT= (or '
            'MASTER_PORT=), the same for every machine'
            if 'in use' in text or 'EADDRINUSE' in text
            else 'start all processes, and see that MASTER_ADDR and '
            'MASTER_PORT are those of the first'
        )
        raise UserError(
            f'rank {os.environ["RANK"]} of {world_size()} processes cannot '
            f'meet the others at {_address()}: {text}; {hint}.'
        ) from error


def _address() -> str:
    """Where the processes meet."""
    return f'{os.environ["MASTER_ADDR"]}:{os.environ["MASTER_PORT"]}'


def first_to_fail() -> bool:
    """Whether this process is the first of the run that asks this.

    It is the one that says what happened; others end for the same reason or
    because this one ended.
    """
    if world_size() == 1:
        return True
    if os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True':
        return True  # the store would be that of a process that has failed
    try:
        store, *_ = _meet(30.0)
        return store.add('ssl_bench_failed', 1) == 1
    except (UserError, RuntimeError):
        return True


def cpu_wrapper(
    config: Config, given: dict[str, Any] | None = None
) -> dict[str, Any]:
    """How a model is wrapped in a CPU process that has others next to it.

    mmengine's own default names a CUDA device.

    Args:
        config (Config): Of the run; ``find_unused_parameters`` is read.
        given (dict, optional): The config's ``model_wrapper_cfg``, which
            decides where it says something.
    """
    return dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=config.get('find_unused_parameters', False),
    ) | dict(given or {}, device_ids=None)


def unwrapped(model: Any) -> Any:
    """A model without the wrapper for several processes."""
    return model.module if is_model_wrapper(model) else model


def plain_error(error: UserError) -> UserError:
    """An error with its message alone.

    One that was raised in a worker of a loader arrives with the worker's
    traceback in front of its message.
    """
    kind = type(error)
    return kind(str(error).rpartition(f'{kind.__name__}: ')[2].strip())
