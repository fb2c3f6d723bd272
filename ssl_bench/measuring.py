"""What a run costs on this machine: memory, hours, the device's name."""

import platform

import torch
from mmengine.device import get_device


def accelerated() -> bool:
    """Whether runs use an accelerator."""
    return bool(get_device() != 'cpu')


def peak_memory() -> float:
    """The most memory that this process held so far, MiB.

    Of an accelerator: since somebody last asked mmengine, whose log starts
    the count again with each of its lines.
    """
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated()) / (1 << 20)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def gpu_hours(seconds: float | None, processes: int) -> float | None:
    """Hours of accelerators; None where there are none.

    Args:
        seconds (float, optional): None where not known.
        processes (int): Each has one.
    """
    if not seconds or not accelerated():
        return None
    return seconds * processes / 3600


def device_name() -> str:
    """The accelerator's name, or the processor's and its threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    machine = platform.processor() or platform.machine()
    return f'{get_device()} {machine}, {torch.get_num_threads()} threads'
