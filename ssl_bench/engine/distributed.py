"""Several processes: how they start, how a model is wrapped, their errors."""

import multiprocessing
import os
from typing import Any

import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import is_model_wrapper

from ssl_bench.errors import UserError


def world_size() -> int:
    """Processes that torchrun started; one without it."""
    return int(os.environ.get('WORLD_SIZE', 1))


def launcher() -> str:
    """The ``launcher`` of a config for mmengine's runner."""
    return 'pytorch' if world_size() > 1 else 'none'


def join_processes() -> None:
    """Start torch.distributed if torchrun started several processes.

    gloo on CPUs; on accelerators what mmengine takes: NCCL on GPUs. mmengine
    alone cannot do it on CPUs, since it asks for a CUDA device.
    """
    if world_size() == 1 or dist.is_distributed():
        return
    if get_device() == 'cpu':
        torch.distributed.init_process_group('gloo')
        return
    # settles how loaders start their workers; mmengine would choose `spawn`
    multiprocessing.get_start_method()
    dist.init_dist('pytorch', backend='nccl')


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
