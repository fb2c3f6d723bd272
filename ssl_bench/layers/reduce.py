"""Sums over all processes; the identity where there is only one."""
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


@torch.no_grad()
def mean_over_ranks(x: Tensor) -> Tensor:
    """Average ``x`` over all processes, without gradient."""
    world_size = get_world_size()
    if world_size == 1:
        return x.detach()
    x = x.detach().contiguous().clone()
    torch_dist.all_reduce(x)
    return x / world_size
