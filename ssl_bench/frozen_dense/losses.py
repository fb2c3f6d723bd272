"""Losses of the frozen dense tasks."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 0.001  # metres, added before the logarithm
VARIANCE_FROM = 100  # calls of `SigLoss` without the variance


def pixel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    ignore: int = 255,
    divide_by: str = 'all',
    class_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of a label map.

    Args:
        logits (Tensor): (B, K, H, W), at the labels' size.
        labels (Tensor): (B, H, W) int64.
        ignore (int): Label of pixels that do not count.
        divide_by (str): ``all`` pixels, the ignored ones too (mmseg,
            DINOv2, DINOv3), or the ``kept`` ones (torch, NeCo).
        class_weight (Tensor, optional): (K,), of each pixel's loss by its
            label; it does not change what is divided by.

    Returns:
        Tensor: ().
    """
    total = F.cross_entropy(
        logits,
        labels,
        weight=class_weight,
        ignore_index=ignore,
        reduction='sum',
    )
    if divide_by == 'all':
        return total / labels.numel()
    return total / (labels != ignore).sum()


def log_difference(depth: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """log(depth + 0.001) - log(truth + 0.001) at valid pixels, (N,)."""
    return torch.log(depth[valid] + EPS) - torch.log(truth[valid] + EPS)


class SigLoss(nn.Module):
    """Scale-invariant log loss with a warm-up.

    Reference: Eigen et al., NeurIPS 2014, Eq. 4, with the square root and
        the weight 0.15 of the mean; DINOv2, ``sigloss.py``: the first 100
        calls leave the variance out.

    The number of calls is a buffer: a resumed training goes on with it.

    Args:
        warmup (int): Calls without the variance.
        images (int, optional): The loss is taken over groups of so many
            images of a batch, in their order, and averaged: a device of the
            official programs has two. None: over the batch.
    """

    calls: Tensor

    def __init__(
        self, warmup: int = VARIANCE_FROM, images: int | None = None
    ) -> None:
        super().__init__()
        self.warmup, self.images = warmup, images
        self.register_buffer('calls', torch.zeros((), dtype=torch.int64))

    def forward(
        self, depth: Tensor, truth: Tensor, valid: Tensor | None = None
    ) -> Tensor:
        """Loss over all valid pixels of a group together.

        Args:
            depth, truth (Tensor): (B, 1, H, W), metres.
            valid (Tensor, optional): bool; where the truth is above 0 when
                None.

        Returns:
            Tensor: (). A group with less than two valid pixels adds 0.
        """
        valid = truth > 0 if valid is None else valid
        self.calls += 1
        size = self.images or len(depth)
        return torch.stack(
            [
                self._of(*group)
                for group in zip(
                    depth.split(size), truth.split(size), valid.split(size)
                )
            ]
        ).mean()

    def _of(self, depth: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
        g = log_difference(depth, truth, valid)
        if len(g) < 2:
            return 0 * depth.sum()
        bias = 0.15 * g.mean() ** 2
        with_variance = (self.calls > self.warmup).to(g)
        # unbiased, over the group; a branch on the device needs no wait
        return torch.sqrt(with_variance * g.var() + bias)


GRADIENT_STRIDES = (1, 2, 4, 6)


def gradient_loss(depth: Tensor, truth: Tensor, weight: float = 0.5) -> Tensor:
    """Differences between pixels two apart, at strides 1, 2, 4 and 6.

    The official DINOv2 program takes another sum (`gradient_loss_as_shipped`),
    so no protocol here has this one on; it is the stated deviation.

    Args:
        depth, truth (Tensor): (B, 1, H, W), metres; 0 is not valid.
        weight (float): Of the loss.

    Returns:
        Tensor: (B,), one value for an image; 0 without a valid pixel.
    """
    total = depth.new_zeros(len(depth))
    for summed, count in _gradients(
        *(x[:, 0].permute(1, 2, 0) for x in (depth, truth))
    ):
        total = total + summed / count.clamp_min(1)
    return weight * total


def gradient_loss_as_shipped(
    depth: Tensor, truth: Tensor, weight: float = 0.5
) -> Tensor:
    """`gradient_loss` as the official DINOv2 program computes it.

    It takes the first two axes of a batch for rows and columns: with up to
    two images it is exactly 0, with more it compares different images.

    Args:
        depth, truth (Tensor): (B, 1, H, W), metres; 0 is not valid.
        weight (float): Of the loss.

    Returns:
        Tensor: ().
    """
    total = depth.new_zeros(())
    for summed, count in _gradients(depth, truth):
        total = total + summed.sum() / count.sum().clamp_min(1)
    return weight * total


def _gradients(
    depth: Tensor, truth: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Sums over rows and columns, and counts of valid pixels.

    Args:
        depth, truth (Tensor): (rows, columns, ...).

    Yields:
        tuple[Tensor, Tensor]: (...) each, for a stride.
    """
    for stride in GRADIENT_STRIDES:
        d, t = depth[::stride, ::stride], truth[::stride, ::stride]
        valid = t > 0
        difference = torch.where(
            valid, torch.log(d + EPS) - torch.log(t + EPS), 0
        )
        down = (difference[:-2] - difference[2:]).abs()
        across = (difference[:, :-2] - difference[:, 2:]).abs()
        summed = (down * (valid[:-2] & valid[2:])).sum((0, 1)) + (
            across * (valid[:, :-2] & valid[:, 2:])
        ).sum((0, 1))
        yield summed, valid.sum((0, 1))
