"""What goes into torchvision's kernels, and how the result reaches mmcv.

One rule for 16-bit floats: compute in float32, write back what was asked.

torchvision's kernels know no bfloat16, and float16 only in part; under
autocast torchvision itself computes these operators in float32.
"""

import torch
from torch import Tensor

_HALVES = (torch.float16, torch.bfloat16)


def full(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Bring floating tensors to one dtype that every kernel supports.

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
    """Make the caller's ``buffer`` hold ``result``.

    mmcv allocates what its operators fill. A thousand pooled C4 features are
    0.8 GB, so memory changes hands instead of being copied, where the dtype
    is that of the buffer and the buffer is no view of something else.

    Args:
        result (Tensor): Of the buffer's shape.
        buffer (Tensor): Filled.
    """
    if result.dtype == buffer.dtype and buffer._base is None:
        buffer.set_(result.contiguous())
    else:
        buffer.copy_(result)
