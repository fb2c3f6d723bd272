"""Multi-scale deformable attention (Zhu et al., Deformable DETR, Eq. 3).

mmcv has a form in plain torch and uses it on CPUs; here it is used on every
device. Shapes: value (B, K, M, D), spatial_shapes (L, 2) as (H, W),
sampling_locations (B, Q, M, L, P, 2) as fractions of the map, x before y,
attention_weights (B, Q, M, L, P), output (B, Q, M * D).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ssl_bench.compat.dtypes import full


def ms_deform_attn_forward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Attend; returns (B, Q, M * D).

    Levels follow each other, so ``level_start_index`` follows from their
    shapes; ``im2col_step`` only divided the compiled kernel's work.
    """
    tensors = full(value, sampling_locations, attention_weights)
    return _attend(tensors, spatial_shapes).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Fill the three gradients by running the forward pass again."""
    inputs = [
        tensor.detach().requires_grad_()
        for tensor in full(value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        output = _attend(inputs, spatial_shapes)
    gradients = torch.autograd.grad(
        output, inputs, grad_output.to(output.dtype)
    )
    for buffer, gradient in zip(
        (grad_value, grad_sampling_loc, grad_attn_weight), gradients
    ):
        buffer.copy_(gradient)


def _attend(tensors: Sequence[Tensor], spatial_shapes: Tensor) -> Tensor:
    """Attend with value, sampling_locations and attention_weights."""
    # imported here: mmcv.ops imports the extension, and so this module
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    value, sampling_locations, attention_weights = tensors
    return multi_scale_deformable_attn_pytorch(
        value, spatial_shapes, sampling_locations, attention_weights
    )
