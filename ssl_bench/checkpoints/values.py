"""The values of weights: types that can be transferred, and no NaN."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.architectures import optional
from ssl_bench.errors import UserError

State = dict[str, Tensor]
MOST = 2 << 30  # bytes that tensors may have beyond what their file has
OPTION = '--allow-nan'


def plain(state: Mapping[str, Tensor], path: Any) -> tuple[State, list[str]]:
    """Bring tensors to types that can be computed with.

    Args:
        state (Mapping[str, Tensor]): An encoder's tensors.
        path: The file, for messages.

    Returns:
        tuple[dict, list[str]]: The tensors, float8 ones as float32, and
        what was done.

    Raises:
        UserError: They are quantised, sparse or without values, or would
            take far more memory than their file.
    """
    _check_size(state, path)
    result, eights = {}, []
    for name, tensor in state.items():
        if (
            tensor.is_quantized
            or tensor.layout != torch.strided
            or tensor.is_meta
            or tensor.is_complex()
        ):
            raise UserError(
                f'{path}: {name} is {_kind(tensor)}, which cannot be '
                'transferred: save the weights as float32'
            )
        if 'float8' in str(tensor.dtype):
            eights.append(str(tensor.dtype).removeprefix('torch.'))
            tensor = tensor.to(torch.float32)
        result[name] = tensor
    if not eights:
        return result, []
    kinds = ' and '.join(sorted(set(eights)))
    return result, [f'{len(eights)} tensors of {kinds} were read as float32']


def _kind(tensor: Tensor) -> str:
    if tensor.is_quantized:
        return 'quantised'
    if tensor.is_meta:
        return 'a shape without values (of the device meta)'
    if tensor.is_complex():
        return 'of complex numbers'
    return 'sparse'


def _check_size(state: Mapping[str, Tensor], path: Any) -> None:
    """Refuse tensors that are one number seen many times.

    A view may repeat its storage, so a file of a kilobyte can hold a tensor
    of terabytes.
    """
    # float8 becomes float32
    size = sum(
        t.numel() * (4 if 'float8' in str(t.dtype) else t.element_size())
        for t in state.values()
    )
    if size <= MOST:
        return
    stored = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in state.values()
        if t.layout == torch.strided and not t.is_meta
    }
    if size > MOST + 4 * sum(stored.values()):
        raise UserError(
            f'{path}: its tensors would take {size:,} bytes and hold '
            f'{sum(stored.values()):,}, so most of them repeat one number: '
            'these are not trained weights'
        )


def check_types(state: Mapping[str, Tensor], path: Any) -> None:
    """Check that every weight is a floating-point number.

    Raises:
        UserError: Integers, as quantisation leaves them.
    """
    for name, tensor in state.items():
        if not (tensor.is_floating_point() or optional(name)):
            kind = str(tensor.dtype).removeprefix('torch.')
            raise UserError(
                f'{path}: {name} is of type {kind}: quantised weights are '
                'not read. Save the weights as float32 before quantisation'
            )


def check_finite(
    state: Mapping[str, Tensor], path: str | Path, allowed: bool | None
) -> list[str]:
    """Refuse NaN and infinity, running statistics too.

    Args:
        state (Mapping[str, Tensor]): The tensors.
        path (str | Path): The file, for messages.
        allowed (bool, optional): Say it instead; None where no option
            allows it.

    Returns:
        list[str]: What was found, where it is allowed.

    Raises:
        UserError: There are some, with their number and the first tensor.
    """
    broken = [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not _finite(tensor)
    ]
    if not broken:
        return []
    values = sum(int((~state[name].isfinite()).sum()) for name in broken)
    found = (
        f'{values:,} NaN or infinite values in {len(broken)} of '
        f'{len(state)} tensors, the first is {broken[0]}'
    )
    if allowed:
        return [found]
    option = (
        '' if allowed is None else (f'. To use it all the same, add {OPTION}')
    )
    raise UserError(
        f'{path} has {found}. Its training failed, or the file is damaged: '
        f'take an earlier checkpoint{option}'
    )


def _finite(tensor: Tensor) -> bool:
    # A sum is NaN or infinite if a value is; only then look at each one, as
    # a sum can overflow by itself.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())
