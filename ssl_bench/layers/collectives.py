"""Collectives that are also right on one process: gather, mean, shuffle.

Every function works without an initialised process group, where it is the
identity, and with gloo or NCCL. Every rank must have a batch of the same size.
"""

import torch
from mmengine import dist
from torch import Tensor
from torch import distributed as torch_dist


@torch.no_grad()
def gather(tensor: Tensor) -> Tensor:
    """Join the tensors of all processes, without gradient.

    Args:
        tensor (Tensor): This process's rows, (N, ...).

    Returns:
        Tensor: (world * N, ...), rank-major: rank 0's rows come first.
    """
    tensor = tensor.detach()
    if dist.get_world_size() == 1:
        return tensor
    return torch.cat(dist.all_gather(tensor.contiguous()))


@torch.no_grad()
def mean_over_processes(tensor: Tensor) -> Tensor:
    """Average a tensor over all processes, without gradient."""
    tensor = tensor.detach().clone()
    if dist.get_world_size() > 1:
        dist.all_reduce(tensor, op='mean')
    return tensor


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
    return x if dist.get_world_size() == 1 else _AllReduceSum.apply(x)


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        return gather(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.contiguous().clone()
        torch_dist.all_reduce(grad)
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows]


def gather_with_gradient(x: Tensor) -> Tensor:
    """Join the tensors of all processes, differentiably.

    The gradient is that of the sum of all processes' losses; the average
    that the data-parallel wrapper takes is that of their mean.

    Args:
        x (Tensor): This process's rows, (N, ...).

    Returns:
        Tensor: (world * N, ...), rank-major.
    """
    return x if dist.get_world_size() == 1 else _AllGather.apply(x)


class BatchShuffle:
    """Distribute the global batch in another order, and undo that.

    A key encoder whose batch normalisation sees the same rows as the query
    encoder's can tell pairs by their statistics; MoCo's solution is to encode
    the keys of other rows (He et al., CVPR 2020, Sec. 3.3). Rank 0 draws the
    permutation. On one process the statistics cannot change, so nothing is
    moved and nothing drawn.

    Args:
        rows (int): Rows on this process, N.
        device (torch.device, optional): Where the permutation is drawn: the
            device of the tensors to come.
        permutation (Tensor, optional): Entries of the global batch in their
            new order, (world * N,) int64; drawn when None.

    Raises:
        ValueError: A permutation of another length than world * N.
    """

    def __init__(
        self,
        rows: int,
        device: torch.device | None = None,
        permutation: Tensor | None = None,
    ) -> None:
        self.rows = rows
        self.world = dist.get_world_size()
        self.start = dist.get_rank() * rows
        total = self.world * rows
        if permutation is not None and len(permutation) != total:
            raise ValueError(
                f'BatchShuffle needs a permutation of {total} rows '
                f'({self.world} processes of {rows}), got one of '
                f'{len(permutation)}.'
            )
        if permutation is None and self.world > 1:
            permutation = torch.randperm(total, device=device)
            dist.broadcast(permutation, src=0)
        self.permutation = permutation

    @torch.no_grad()
    def shuffle(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The rows of each tensor that this process encodes, (N, ...)."""
        if self.permutation is None:
            return tensors
        mine = self.permutation[self.start : self.start + self.rows]
        return tuple(gather(tensor)[mine] for tensor in tensors)

    @torch.no_grad()
    def restore_all(self, tensor: Tensor) -> Tensor:
        """Join what the processes made of their rows, in the first order.

        Args:
            tensor (Tensor): One entry per shuffled row, (N, ...).

        Returns:
            Tensor: (world * N, ...), rank-major as before the shuffle.
        """
        joined = gather(tensor)
        if self.permutation is None:
            return joined
        return joined[self.permutation.argsort()]

    def restore(self, tensor: Tensor) -> Tensor:
        """Like `restore_all`, but only this process's own rows, (N, ...)."""
        return self.own(self.restore_all(tensor))

    def own(self, joined: Tensor) -> Tensor:
        """This process's rows (N, ...) of a joined tensor."""
        return joined[self.start : self.start + self.rows]
