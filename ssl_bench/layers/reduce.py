"""A differentiable sum over all processes."""
import torch
from mmengine.dist import get_world_size
from torch import Tensor
from torch import distributed as torch_dist


class _AllReduceSum(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.contiguous().clone()
        torch_dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        torch_dist.all_reduce(grad)
        return grad


def sum_over_ranks(x: Tensor) -> Tensor:
    """Sum ``x`` over all processes, differentiably.

    The gradient is that of the sum of all processes' losses. When every
    process computes the same loss from the sum, and the data-parallel
    wrapper then averages the processes' gradients, the result is the exact
    gradient of that loss: the world size appears nowhere.
    """
    return x if get_world_size() == 1 else _AllReduceSum.apply(x)
