"""Types of tensors for torchvision's kernels, and of results for mmcv.

The rule for 16-bit floats: compute in float32, write back the type asked for.
Few of torchvision's kernels take float16, none bfloat16; under autocast
torchvision itself computes these operators in float32.
"""

import torch
from torch import Tensor

_HALVES = (torch.float16, torch.bfloat16)


def full(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Convert floating tensors to one dtype that every kernel supports.

    Args:
        tensors (Tensor): Any shapes; the first one decides: float64 stays,
            16-bit floats become float32.

    Returns:
        tuple[Tensor, ...]: The same tensors, contiguous, of one dtype.
    """
    dtype = tensors[0].dtype
    dtype = torch.float32 if dtype in _HALVES else dtype
    return tuple(tensor.to(dtype).contiguous() for tensor in tensors)


def put(result: Tensor, buffer: Tensor) -> None:
    """Put ``result`` into the caller's ``buffer``.

    mmcv allocates what its operators fill. A thousand pooled C4 features are
    0.8 GB, so the buffer takes over the result's memory instead of a copy, if
    the dtypes agree and the buffer is not a view of another tensor.

    Args:
        result (Tensor): Of the buffer's shape.
        buffer (Tensor): Filled.
    """
    if result.dtype == buffer.dtype and buffer._base is None:
        buffer.set_(result.contiguous())  # type: ignore[call-overload]
    else:
        buffer.copy_(result)
