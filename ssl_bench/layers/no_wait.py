"""Copies between host and accelerator that make neither wait."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the host to a device.

    From memory that is not pinned, the program would wait until the device
    has done all that it was told before.
    """
    if torch.device(device).type == 'cuda' and tensor.device.type == 'cpu':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class HostCopy:
    """Numbers on their way from the device, to be read later.

    Args:
        tensor (Tensor): Its values now; it may change afterwards.
    """

    def __init__(self, tensor: Tensor) -> None:
        tensor = tensor.detach()
        self.event: torch.cuda.Event | None = None
        if tensor.device.type != 'cuda':
            self.numbers = tensor.clone()
            return
        self.numbers = tensor.to('cpu', non_blocking=True)  # pinned
        self.event = torch.cuda.Event()
        self.event.record()

    def read(self) -> Tensor:
        """The numbers, when they are here: no later work is waited for."""
        if self.event is not None:
            self.event.synchronize()
        return self.numbers
