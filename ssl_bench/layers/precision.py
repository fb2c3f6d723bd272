"""Half precision to float32, and unit vectors."""

import torch
import torch.nn.functional as F
from torch import Tensor


def upcast(x: Tensor) -> Tensor:
    """Bring half precision to float32; leave float32 and float64 alone."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unit(x: Tensor, dim: int = 1) -> Tensor:
    """Scale to Euclidean norm 1 (floor 1e-12) in float32 at least."""
    return F.normalize(upcast(x), dim=dim, eps=1e-12)
