"""Numbers for the log that are read when the log is written."""

from collections import OrderedDict
from typing import Any

import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OptimWrapper
from torch import Tensor


class LateHub(MessageHub):
    """mmengine's, which reads a tensor when somebody asks for its number.

    mmengine's reads each loss in each iteration, and so the program waits
    for the accelerator each time. Here the values stay on the device until
    the log is written, a checkpoint saved or a number asked for.
    """

    _late: dict[str, list[tuple[Tensor, int]]]

    def update_scalar(
        self, key: str, value: Any, count: int = 1, resumed: bool = True
    ) -> None:
        """As mmengine's."""
        if not torch.is_tensor(value) or value.numel() != 1:
            self._settle([key])
            super().update_scalar(key, value, count, resumed)
            return
        self._set_resumed_keys(key, resumed)
        self._log_scalars.setdefault(key, HistoryBuffer())  # its place
        copy = value.detach().clone().view(())
        self._late.setdefault(key, []).append((copy, count))

    @property
    def log_scalars(self) -> OrderedDict:
        """As mmengine's, all read."""
        self._settle(list(self._late))
        return super().log_scalars

    def get_scalar(self, key: str) -> HistoryBuffer:
        """As mmengine's; only this number is read."""
        self._settle([key])
        if key in self._log_scalars:
            return self._log_scalars[key]
        return super().get_scalar(key)

    def state_dict(self) -> dict:
        """As mmengine's, all read."""
        self._settle(list(self._late))
        return super().state_dict()

    def _settle(self, keys: list[str]) -> None:
        """Read what is late: one transfer for each type of number."""
        late = [
            (key, *entry) for key in keys for entry in self._late.pop(key, [])
        ]
        numbers: dict[int, float] = {}
        kinds: dict[Any, list[int]] = {}
        for i, (_, tensor, _) in enumerate(late):
            kinds.setdefault((tensor.dtype, tensor.device), []).append(i)
        for places in kinds.values():
            stacked = torch.stack([late[i][1] for i in places])
            numbers.update(zip(places, stacked.tolist()))
        for i, (key, _, count) in enumerate(late):
            if len(self._log_scalars[key].data[0]):
                self._log_scalars[key].update(numbers[i], count)
            else:  # the first decides the type
                self._log_scalars[key] = HistoryBuffer([numbers[i]], [count])


def read_late(hub: MessageHub) -> MessageHub:
    """Make a hub one that reads late; it stays mmengine's current one."""
    if not isinstance(hub, LateHub):
        hub.__class__ = LateHub
        hub._late = {}  # type: ignore[attr-defined]
    return hub


def keep_norm(wrapper: OptimWrapper) -> None:
    """Log the norm of the gradient late, too.

    mmengine reads it at once if the function that clips returns it.
    """
    if not wrapper.clip_grad_kwargs:
        return
    clip, name = wrapper.clip_func, f'train/{wrapper.grad_name}'

    def clip_and_note(*args: Any, **kwargs: Any) -> None:
        norm = clip(*args, **kwargs)
        if norm is not None:
            wrapper.message_hub.update_scalar(name, norm)

    wrapper.clip_func = clip_and_note
