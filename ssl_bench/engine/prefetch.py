"""The next batch's images, copied to the device while a step runs."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from mmengine.device import get_device
from torch import Tensor


def ahead(batches: Iterable[dict]) -> Iterator[dict]:
    """Batches, each asked for before the step of the one before it.

    Its images (``inputs``) are copied on a stream of their own, next to the
    step, and the step's stream waits for that copy alone. What else a batch
    has is small and can be needed on the CPU: the model's preprocessor
    copies it. Without a CUDA device nothing is copied.

    Args:
        batches (Iterable[dict]): Of a loader, in pinned memory; from other
            memory the copies are not next to a step.
    """
    stream = torch.cuda.Stream() if get_device() == 'cuda' else None
    held: list[tuple[dict, Any]] = []
    for batch in batches:
        held.append(_started(batch, stream))
        if len(held) > 1:
            yield _ready(*held.pop(0))
    for batch, copied in held:
        yield _ready(batch, copied)


def _started(batch: dict, stream: Any) -> tuple[dict, Any]:
    """The batch, its images on their way, and the mark of their arrival."""
    if stream is None or 'inputs' not in batch:
        return batch, None
    with torch.cuda.stream(stream):
        inputs = _moved(batch['inputs'], stream.device)
        copied = stream.record_event()
    return {**batch, 'inputs': inputs}, copied


def _moved(inputs: Any, device: torch.device) -> Any:
    """Tensors, and tensors in lists, on a device."""
    if isinstance(inputs, Tensor):
        return inputs.to(device, non_blocking=True)
    if isinstance(inputs, (list, tuple)):
        return type(inputs)(_moved(one, device) for one in inputs)
    return inputs


def _ready(batch: dict, copied: Any) -> dict:
    """The batch, for work that the current stream gets from here on."""
    if copied is not None:
        current = torch.cuda.current_stream()
        current.wait_event(copied)
        for image in _flat(batch['inputs']):
            image.record_stream(current)  # not given to others before
    return batch


def _flat(inputs: Any) -> Iterator[Tensor]:
    if isinstance(inputs, Tensor):
        yield inputs
    elif isinstance(inputs, (list, tuple)):
        for one in inputs:
            yield from _flat(one)
