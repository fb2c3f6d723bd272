"""Batch normalisation that gives every process the same weight."""

import torch
from mmengine.dist import get_world_size
from mmengine.registry import MODELS
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_bench.layers.collectives import sum_over_ranks
from ssl_bench.layers.precision import upcast


@MODELS.register_module('NaiveSyncBN')
class NaiveSyncBatchNorm(_BatchNorm):
    """Detectron2's ``naiveSyncBN``: means of the processes' own statistics.

    torch's ``SyncBatchNorm`` weighs a process by its count of positions, so
    large images weigh more; this norm weighs processes alike. Where counts
    are equal both give the same output. The running variance is the biased
    one, as in Detectron2, and torch's is not. With one process, and in
    evaluation, it is plain batch norm.

    Reference: Detectron2's ``layers/batch_norm.py``; MoCo's
        ``detection/configs/Base-RCNN-C4-BN.yaml`` names it ("SyncBN seems to
        cause larger variance for unknown reasons").

    Args:
        As `torch.nn.BatchNorm2d`.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(
                'batch normalisation needs (N, C, ...), got a '
                f'tensor of shape {tuple(x.shape)}.'
            )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, ...) over all but C.

        Raises:
            ValueError: There is nothing to take statistics of; a process
                without rows has no mean that could weigh like the others'.
        """
        if get_world_size() == 1 or not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        if not x.numel():
            raise ValueError(
                'NaiveSyncBN got no rows in one of the processes; '
                'SyncBN takes that.'
            )
        dtype, x = x.dtype, upcast(x)
        dims = [d for d in range(x.ndim) if d != 1]
        own = torch.cat([x.mean(dims), x.square().mean(dims)])  # (2C,)
        mean, square = (sum_over_ranks(own) / get_world_size()).chunk(2)
        var = square - mean.square()
        self._track(mean, var)
        shape = [1, -1] + [1] * (x.ndim - 2)
        x = (x - mean.view(shape)) * torch.rsqrt(var + self.eps).view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics."""
        steps = self.num_batches_tracked
        old_mean, old_var = self.running_mean, self.running_var
        if steps is None or old_mean is None or old_var is None:
            return
        steps.add_(1)
        factor = 1 / float(steps) if self.momentum is None else self.momentum
        old_mean.lerp_(mean.to(old_mean), factor)
        old_var.lerp_(var.to(old_var), factor)
