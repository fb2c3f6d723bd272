"""Losses of the frozen dense tasks."""

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
    """

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('calls', torch.zeros((), dtype=torch.int64))

    def forward(
        self, depth: Tensor, truth: Tensor, valid: Tensor | None = None
    ) -> Tensor:
        """Loss over all valid pixels of the batch together.

        Args:
            depth, truth (Tensor): (B, 1, H, W), metres.
            valid (Tensor, optional): bool; where the truth is above 0 when
                None.

        Returns:
            Tensor: ().
        """
        valid = truth > 0 if valid is None else valid
        g = log_difference(depth, truth, valid)
        bias = 0.15 * g.mean() ** 2
        self.calls += 1
        with_variance = (self.calls > VARIANCE_FROM).to(g)
        # unbiased, over the batch; a branch on the device needs no wait
        return torch.sqrt(with_variance * g.var() + bias)


def gradient_loss(depth: Tensor, truth: Tensor, weight: float = 0.5) -> Tensor:
    """Differences between pixels two apart, at strides 1, 2, 4 and 6.

    The official DINOv2 program calls it with a batch, whose first two axes it
    takes for rows and columns: with two images of a process it is exactly 0.
    So no protocol here has it on; this is the stated deviation.

    Args:
        depth, truth (Tensor): (B, 1, H, W), metres; 0 is not valid.
        weight (float): Of the loss.

    Returns:
        Tensor: (B,), one value for an image.
    """
    total = depth.new_zeros(len(depth))
    for stride in (1, 2, 4, 6):
        valid = truth[:, 0, ::stride, ::stride] > 0  # (B, h, w)
        difference = torch.where(
            valid,
            torch.log(depth[:, 0, ::stride, ::stride] + EPS)
            - torch.log(truth[:, 0, ::stride, ::stride] + EPS),
            0,
        )
        vertical = (difference[:, :-2] - difference[:, 2:]).abs()
        horizontal = (difference[:, :, :-2] - difference[:, :, 2:]).abs()
        summed = (vertical * (valid[:, :-2] & valid[:, 2:])).sum((1, 2)) + (
            horizontal * (valid[:, :, :-2] & valid[:, :, 2:])
        ).sum((1, 2))
        total = total + summed / valid.sum((1, 2))
    return weight * total
