"""Batch normalisation over the batch of all processes, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from mmengine.dist import get_world_size
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_bench.layers.collectives import sum_over_ranks
from ssl_bench.layers.precision import upcast


@MODELS.register_module('GlobalBN')
class GlobalBatchNorm(_BatchNorm):
    """torch's ``SyncBatchNorm``, which also works between CPU processes.

    torch's own (registered as ``SyncBN``) refuses CPU tensors as soon as
    there are two processes, and mmengine's runner replaces it and what
    inherits from it by a plain norm layer on CPU; so this class calls it and
    does not inherit from it. On an accelerator and with a single process the
    numbers are torch's.

    torch's waits for the accelerator in every layer to find processes without
    rows. In a pretraining all have some, and this one does not look.

    Its arguments are those of `torch.nn.SyncBatchNorm`.
    """

    process_group = None  # all processes
    _check_non_zero_input_channels = (
        nn.SyncBatchNorm._check_non_zero_input_channels
    )

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(
                'batch normalisation needs (N, C, ...), got a '
                f'tensor of shape {tuple(x.shape)}.'
            )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, ...) over all but C."""
        if get_world_size() == 1 or not (
            self.training or self.running_mean is None
        ):
            return super().forward(x)
        if x.device.type != 'cpu':
            return self.as_torch(x)
        self._check_input_dim(x)
        return self._normalise_on_cpu(x)

    def as_torch(self, x: Tensor) -> Tensor:
        """torch's, without its look at the batches of other processes.

        No part of a compiled graph (`compile_parts`).
        """
        with all_have_rows():
            return nn.SyncBatchNorm.forward(cast(nn.SyncBatchNorm, self), x)

    def _normalise_on_cpu(self, x: Tensor) -> Tensor:
        """Two exact passes: the mean first, then the biased variance."""
        dtype, x = x.dtype, upcast(x)
        dims = [d for d in range(x.ndim) if d != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = sum_over_ranks(x.new_full((), x[:, 0].numel()))
        mean = sum_over_ranks(x.sum(dims)) / count  # (C,)
        x = x - mean.view(shape)
        var = sum_over_ranks(x.square().sum(dims)) / count  # (C,)
        self._track(mean, var, count)
        x = x * torch.rsqrt(var + self.eps).view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        """Move the running statistics, with the unbiased variance."""
        steps = self.num_batches_tracked
        old_mean, old_var = self.running_mean, self.running_var
        if (
            not self.training
            or steps is None
            or old_mean is None
            or old_var is None
        ):
            return
        steps.add_(1)
        factor = 1 / float(steps) if self.momentum is None else self.momentum
        old_mean.lerp_(mean.to(old_mean), factor)
        old_var.lerp_((var * count / (count - 1)).to(old_var), factor)


@contextmanager
def all_have_rows() -> Iterator[None]:
    """Keep torch's ``SyncBatchNorm`` from looking for empty batches.

    It does not look while a CUDA graph is recorded, which could not wait
    either.
    """
    before = torch.cuda.is_current_stream_capturing
    torch.cuda.is_current_stream_capturing = lambda: True
    try:
        yield
    finally:
        torch.cuda.is_current_stream_capturing = before


def replace_sync_bn(model: nn.Module) -> None:
    """Put `GlobalBatchNorm` in place of every ``SyncBatchNorm`` of a model.

    The parameters and running statistics stay the same tensors.

    Args:
        model (nn.Module): Changed in place.
    """
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.SyncBatchNorm):
                ours = GlobalBatchNorm(
                    norm.num_features,
                    norm.eps,
                    norm.momentum,
                    norm.affine,
                    norm.track_running_stats,
                )
                ours._parameters, ours._buffers = (
                    norm._parameters,
                    norm._buffers,
                )
                setattr(parent, name, ours.train(norm.training))
