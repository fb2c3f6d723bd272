"""Collectives that are also right on one process: gather, mean, shuffle.

Every function works without an initialised process group, where it is the
identity, and with gloo or NCCL. Every rank must have a batch of the same size.
"""

import math

import torch
from mmengine import dist
from torch import Tensor
from torch import distributed as torch_dist

from ssl_bench.layers.no_wait import to_device

# Draws what all processes have to agree on. Its first state is the same in
# every process, and `StepSeedHook` seeds it by the run's seed and iteration.
SHARED = torch.Generator()
# a newer torch warns of the old name in every process
GATHER = (
    'all_gather_single'
    if hasattr(torch_dist, 'all_gather_single')
    else 'all_gather_into_tensor'
)


@torch.no_grad()
def gather(tensor: Tensor) -> Tensor:
    """Join the tensors of all processes, without gradient.

    Args:
        tensor (Tensor): This process's rows, (N, ...).

    Returns:
        Tensor: (world * N, ...), rank-major: rank 0's rows come first.
    """
    tensor = tensor.detach()
    world = dist.get_world_size()
    if world == 1:
        return tensor
    rows = _bytes_of(tensor)
    joined = rows.new_empty(world * len(rows), rows.shape[1])
    getattr(torch_dist, GATHER)(joined, rows)
    return joined.view(tensor.dtype).view(-1, *tensor.shape[1:])


def _bytes_of(tensor: Tensor) -> Tensor:
    """Rows as bytes, (N, B): no backend knows every type of number."""
    width = math.prod(tensor.shape[1:])
    # a contiguous tensor of one row can have any stride
    rows = tensor.contiguous().as_strided((len(tensor), width), (width, 1))
    return rows.view(torch.uint8)


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
    the keys of other rows (He et al., CVPR 2020, Sec. 3.3). On one process
    the statistics cannot change, so nothing is moved and nothing drawn.

    Every process draws the same permutation, on the CPU. So each knows which
    rows go where: a row is sent to the one process that encodes it, and the
    accelerator is not asked for anything.

    Bytes that a process sends and receives, with W processes of N rows of b
    bytes: ``N b (W - 1) / W`` for `shuffle` and for `restore`, on average
    over permutations; ``N b (W - 1)`` for `restore_all`, which is for small
    rows that every process needs, such as the keys of a queue.

    Args:
        rows (int): Rows on this process, N.
        device (torch.device, optional): Of the tensors to come; the CPU when
            None.
        permutation (Tensor, optional): Entries of the global batch in their
            new order, (world * N,) int64, on the CPU and the same on every
            process; drawn from `SHARED` when None.

    Raises:
        ValueError: A permutation of another length than world * N.
    """

    def __init__(
        self,
        rows: int,
        device: torch.device | None = None,
        permutation: Tensor | None = None,
    ) -> None:
        self.rows, self.world = rows, dist.get_world_size()
        self.start = dist.get_rank() * rows
        total = self.world * rows
        if permutation is not None and len(permutation) != total:
            raise ValueError(
                f'BatchShuffle needs a permutation of {total} rows '
                f'({self.world} processes of {rows}), got one of '
                f'{len(permutation)}.'
            )
        if permutation is None and self.world > 1:
            permutation = torch.randperm(total, generator=SHARED)
        self.permutation = permutation
        if permutation is not None:
            self._plan(permutation, device or torch.device('cpu'))

    def _plan(self, permutation: Tensor, device: torch.device) -> None:
        """Which rows go where, and where they are when they come."""
        blocks = permutation.view(self.world, self.rows)  # of each process
        owner = blocks // self.rows  # whose rows these are
        rank = self.start // self.rows
        leave = blocks[owner == rank] - self.start  # (N,) by destination
        come = owner[rank].argsort(stable=True)  # (N,) by origin
        self._to = (owner == rank).sum(1).tolist()
        self._from = owner[rank].bincount(minlength=self.world).tolist()
        index = [leave, leave.argsort(), come, come.argsort()]
        joined = torch.cat([*index, permutation.argsort()])
        sizes = [self.rows] * 4 + [len(permutation)]
        (
            self._leave,
            self._leave_back,
            self._come,
            self._come_back,
            self._order,
        ) = to_device(joined, device).split(sizes)

    @torch.no_grad()
    def shuffle(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The rows of each tensor that this process encodes, (N, ...)."""
        if self.permutation is None:
            return tensors
        return tuple(
            _exchange(
                tensor, self._leave, self._to, self._from, self._come_back
            )
            for tensor in tensors
        )

    @torch.no_grad()
    def restore(self, tensor: Tensor) -> Tensor:
        """This process's own rows of what the processes made of theirs.

        Args:
            tensor (Tensor): One entry per shuffled row, (N, ...).

        Returns:
            Tensor: (N, ...), in the order before the shuffle.
        """
        if self.permutation is None:
            return tensor
        return _exchange(
            tensor, self._come, self._from, self._to, self._leave_back
        )

    @torch.no_grad()
    def restore_all(self, tensor: Tensor) -> Tensor:
        """Like `restore`, but the rows of all processes.

        Returns:
            Tensor: (world * N, ...), rank-major as before the shuffle.
        """
        joined = gather(tensor)
        return joined if self.permutation is None else joined[self._order]

    def own(self, joined: Tensor) -> Tensor:
        """This process's rows (N, ...) of a joined tensor."""
        return joined[self.start : self.start + self.rows]


def _exchange(
    x: Tensor, leave: Tensor, to: list[int], from_: list[int], place: Tensor
) -> Tensor:
    """Send each row to one process; take the rows that come.

    Channels that are last in memory stay so.

    Args:
        x (Tensor): (N, ...).
        leave (Tensor): Rows in the order of their destinations, (N,).
        to (list[int]): How many go to each process.
        from_ (list[int]): How many come from each.
        place (Tensor): Which of the rows that come is the first, (N,).
    """
    last = x.ndim == 4 and x.stride(1) == 1 and x.shape[1] > 1
    x = (x.permute(0, 2, 3, 1) if last else x).index_select(0, leave)
    if len(to) > 1:
        rows = _bytes_of(x)
        come = torch.empty_like(rows)
        torch_dist.all_to_all_single(come, rows, from_, to)
        x = come.view(x.dtype).view(x.shape)
    x = x.index_select(0, place)
    return x.permute(0, 3, 1, 2) if last else x
