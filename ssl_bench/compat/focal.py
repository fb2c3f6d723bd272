"""Sigmoid focal loss (Lin et al., ICCV 2017, Eq. 5) as in mmcv's kernel.

The kernel takes log(max(p, FLT_MIN)). Where float32 rounds p to 0 (a negative
with a logit above 16.6) the value is 87.3 times the weight and not the exact
logit; the gradient is right in both cases. This is reproduced here.
"""

import torch
from torch import Tensor

from ssl_bench.compat.dtypes import full

_SMALLEST = torch.finfo(torch.float32).tiny  # FLT_MIN


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Loss of every element.

    Args:
        input (Tensor): Logits, (N, C).
        target (Tensor): Class indices, (N,) int64; anything outside
            [0, C) is background, a negative of every class.
        weight (Tensor): Empty, or a factor per target class, (C,).
        output (Tensor): Filled, (N, C).
        gamma (float): Focusing exponent.
        alpha (float): Weight of positives; negatives have 1 - alpha.

    Raises:
        ValueError: Weights are given and a target has none.
    """
    p, positive, factor = _prepare(input, target, weight)
    loss = torch.where(
        positive,
        -alpha * (1 - p).pow(gamma) * p.clamp(min=_SMALLEST).log(),
        -(1 - alpha) * p.pow(gamma) * (1 - p).clamp(min=_SMALLEST).log(),
    )
    output.copy_(loss * factor)


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Derivative of every element's loss by its logit, into ``grad_input``.

    The others are those of `sigmoid_focal_loss_forward`.
    """
    p, positive, factor = _prepare(input, target, weight)
    log_p, log_not_p = (x.clamp(min=_SMALLEST).log() for x in (p, 1 - p))
    slope = torch.where(
        positive,
        -alpha * (1 - p).pow(gamma) * (1 - p - gamma * p * log_p),
        -(1 - alpha) * p.pow(gamma) * (gamma * (1 - p) * log_not_p - p),
    )
    grad_input.copy_(slope * factor)


def _prepare(
    input: Tensor, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities (N, C), positives (N, C), factors (N or 1, 1)."""
    logits, weight = full(input, weight)
    classes = torch.arange(input.shape[1], device=input.device)
    positive = target[:, None] == classes
    if not weight.numel():
        return logits.sigmoid(), positive, logits.new_ones(1, 1)
    if ((target < 0) | (target >= len(weight))).any():
        raise ValueError(
            f'sigmoid_focal_loss: {len(weight)} class weights, but targets '
            f'from {target.min().item()} to {target.max().item()}. A weight '
            'is looked up by the target, the background included: leave the '
            'weights out, or give every target class one.'
        )
    return logits.sigmoid(), positive, weight[target][:, None]
