"""Time and memory of a call, on a CPU or a GPU."""

import gc
import resource
import statistics
import time
from collections.abc import Callable

import torch

ENOUGH = 1.5  # seconds that are measured, if three steps do not take more


def seconds_of(call: Callable, device: str, warm: int, runs: int) -> float:
    """Median seconds of a call, after some that are not counted.

    Of slow calls there are fewer than ``runs``, but three at least.
    """
    for _ in range(warm):
        call()
    synchronise(device)
    started = time.perf_counter()
    call()
    synchronise(device)
    once = time.perf_counter() - started
    runs = min(runs, max(3, int(ENOUGH / once)))
    if device == 'cpu':
        times = []
        for _ in range(runs):
            started = time.process_time()
            call()
            times.append(time.process_time() - started)
        return statistics.median(times)
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    times = [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]
    return statistics.median(times) / 1000


def synchronise(device: str) -> None:
    """Wait for a GPU."""
    if device == 'cuda':
        torch.cuda.synchronize()


def peak_mib(device: str) -> float:
    """Largest memory so far: of the device, or of the process on a CPU."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def free(device: str) -> None:
    """Give memory back."""
    gc.collect()
    if device == 'cuda':
        torch.cuda.empty_cache()
