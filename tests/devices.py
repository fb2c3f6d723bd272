"""Run a test's numbers on the CPU and, where there is one, on a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

NO_GPU = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a CUDA device'
)
GPU = pytest.param('cuda', marks=[pytest.mark.gpu, NO_GPU])
DEVICES = ['cpu', GPU]


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """Make new tensors on a device, in full float32 precision."""
    if name == 'cpu':
        yield
        return
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = False
    try:
        with torch.device(name):
            yield
    finally:
        for switch, value in zip(switches, before):
            switch.allow_tf32 = value


def here(tensor: Tensor) -> Tensor:
    """Bring a tensor to the device of `on_device`."""
    return tensor.to(torch.get_default_device())
