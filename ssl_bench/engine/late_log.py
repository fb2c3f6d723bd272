"""Numbers for the log that are read when the log is written."""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OptimWrapper
from torch import Tensor

LATE = 1000  # numbers of a name that wait on the device at most


class RoomyBuffer(HistoryBuffer):
    """mmengine's, with room for more numbers.

    mmengine's copies all that it has for each new one: some milliseconds for
    each name of the log in each iteration, after half a million iterations.
    A copy, which is what a checkpoint gets, is one of mmengine's.

    Args:
        As of `HistoryBuffer`.
    """

    _log_history: np.ndarray
    _count_history: np.ndarray

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rooms = [self._log_history, self._count_history]
        self._end = len(self._log_history)

    def update(self, log_val: float, count: int = 1) -> None:
        """As mmengine's."""
        added = log_val, count
        kept = min(len(self._log_history), self.max_length - 1)
        kinds = [np.result_type(*pair) for pair in zip(self._rooms, added)]
        if self._end == len(self._rooms[0]) or kinds != [
            room.dtype for room in self._rooms
        ]:
            rooms = [np.empty(2 * kept + 16, kind) for kind in kinds]
            for room, numbers in zip(rooms, self.data):
                room[:kept] = numbers[len(numbers) - kept :]
            self._rooms, self._end = rooms, kept
        for room, number in zip(self._rooms, added):
            room[self._end] = number
        self._end += 1
        shown = slice(self._end - kept - 1, self._end)
        self._log_history, self._count_history = (
            room[shown] for room in self._rooms
        )

    def __deepcopy__(self, memo: dict) -> HistoryBuffer:
        return HistoryBuffer(*self.data, self.max_length)


class LateHub(MessageHub):
    """mmengine's, which reads a tensor when somebody asks for its number.

    mmengine's reads each loss in each iteration, and so the program waits
    for the accelerator each time. Here the values stay on the device until
    the log is written, a checkpoint saved or a number asked for, or a
    thousand of them wait.
    """

    _late: dict[str, list[tuple[Tensor, int]]]

    def update_scalar(
        self, key: str, value: Any, count: int = 1, resumed: bool = True
    ) -> None:
        """As mmengine's."""
        self._set_resumed_keys(key, resumed)
        if not torch.is_tensor(value) or value.numel() != 1:
            self._settle([key])
            self._add(key, self._get_valid_value(value), count)
            return
        self._log_scalars.setdefault(key, HistoryBuffer())  # its place
        late = self._late.setdefault(key, [])
        late.append((value.detach().clone().view(()), count))
        if len(late) == LATE:
            self._settle(list(self._late))

    def _add(self, key: str, number: float, count: int) -> None:
        """Append a number that is here."""
        buffer = self._log_scalars.get(key, HistoryBuffer())
        if not len(buffer.data[0]):  # the first decides the type
            self._log_scalars[key] = RoomyBuffer([number], [count])
            return
        if not isinstance(buffer, RoomyBuffer):
            buffer = RoomyBuffer(*buffer.data, buffer.max_length)
            self._log_scalars[key] = buffer
        buffer.update(number, count)

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
            self._add(key, numbers[i], count)


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
