"""Copies between host and accelerator that make neither wait."""

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import Tensor, nn


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the host to a device.

    From memory that is not pinned, the program would wait until the device
    has done all that it was told before.
    """
    if torch.device(device).type == 'cuda' and tensor.device.type == 'cpu':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def send_together(model: nn.Module) -> None:
    """Have a model's preprocessor copy the samples of a batch at once.

    mmengine's copies each tensor of each sample, some hundreds in a batch,
    and waits for the device each time. Here a field of all samples is one
    copy that nobody waits for, of which each sample gets its row.

    Args:
        model (nn.Module): Every data preprocessor in it is changed.
    """
    for module in model.modules():
        if isinstance(module, BaseDataPreprocessor):
            module.register_forward_pre_hook(_send, with_kwargs=True)
            module.register_forward_hook(_unpack)


class _Sent:
    """Samples that a preprocessor hands on as they are."""

    def __init__(self, samples: list[BaseDataElement]) -> None:
        self.samples = samples


def _send(
    module: BaseDataPreprocessor, args: tuple, kwargs: dict
) -> tuple[tuple, dict] | None:
    data: Any = args[0] if args else None
    if not isinstance(data, dict):
        return None
    samples = data.get('data_samples')
    if not isinstance(samples, list) or not all(
        isinstance(sample, BaseDataElement) for sample in samples
    ):
        return None
    names = sorted({name for sample in samples for name, _ in sample.items()})
    fields = [[sample.get(name) for sample in samples] for name in names]
    if not all(map(_alike, fields)):
        return None  # mmengine's way
    for name, field in zip(names, fields):
        rows = to_device(torch.stack(field), module.device)
        for sample, row in zip(samples, rows.unbind()):
            sample.set_field(row, name)
    return ({**data, 'data_samples': _Sent(samples)}, *args[1:]), kwargs


def _alike(values: list) -> bool:
    """Whether these are tensors of one shape and type."""
    return all(torch.is_tensor(value) for value in values) and (
        len({(value.shape, value.dtype) for value in values}) == 1
    )


def _unpack(module: BaseDataPreprocessor, args: tuple, output: Any) -> Any:
    if isinstance(output, dict):
        sent = output.get('data_samples')
        if isinstance(sent, _Sent):
            output['data_samples'] = sent.samples
    return output


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
