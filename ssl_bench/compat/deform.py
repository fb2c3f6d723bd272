"""Deformable convolution v1 (Dai et al., 2017) and v2 (Zhu et al., 2019).

Both are torchvision's ``deform_conv2d``, v1 without a mask. mmcv calls v1
with the width first and v2 with the height first. Shapes: input (B, C, H, W),
weight (O, C / groups, kH, kW), offset (B, 2 * G * kH * kW, H', W') in pixels,
y before x, mask (B, G * kH * kW, H', W'), output (B, O, H', W').
"""

import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from ssl_bench.compat.dtypes import full, put


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill ``output`` of a v1 convolution.

    ``columns`` and ``ones`` are work space of the compiled extension, and the
    kernel size is that of ``weight``: these and ``im2col_step`` are unused.
    """
    geometry = (
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
    )
    put(_forward(input, weight, offset, None, None, geometry), output)


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill ``grad_input`` and ``grad_offset`` of a v1 convolution.

    torchvision computes the gradient of the weight at the same time. It is
    kept as an attribute of ``columns`` for the next call, which asks for it.
    """
    geometry = (
        dH,
        dW,
        padH,
        padW,
        dilationH,
        dilationW,
        group,
        deformable_group,
    )
    by_input, by_weight, by_offset, _, _ = _backward(
        grad_output, input, weight, offset, None, geometry
    )
    put(by_input, grad_input)
    put(by_offset, grad_offset)
    columns.__dict__['waiting'] = (
        grad_output,
        grad_output._version,
        by_weight,
    )


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add ``scale`` times the weight's gradient to ``grad_weight``."""
    of, version, by_weight = columns.__dict__.pop(
        'waiting', (None, None, None)
    )
    if of is not grad_output or version != grad_output._version:
        geometry = (
            dH,
            dW,
            padH,
            padW,
            dilationH,
            dilationW,
            group,
            deformable_group,
        )
        # the gradient of the weight does not depend on the weight
        by_weight = _backward(
            grad_output,
            input,
            torch.zeros_like(grad_weight),
            offset,
            None,
            geometry,
        )[1]
    grad_weight.add_(by_weight.to(grad_weight.dtype), alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill ``output`` of a v2 convolution; see `deform_conv_forward`."""
    geometry = (
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
    )
    added = bias if with_bias else None
    put(_forward(input, weight, offset, mask, added, geometry), output)


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Fill every gradient of a v2 convolution."""
    geometry = (
        stride_h,
        stride_w,
        pad_h,
        pad_w,
        dilation_h,
        dilation_w,
        group,
        deformable_group,
    )
    by_input, by_weight, by_offset, by_mask, by_bias = _backward(
        grad_output, input, weight, offset, mask, geometry
    )
    put(by_input, grad_input)
    put(by_weight, grad_weight)
    put(by_offset, grad_offset)
    put(by_mask, grad_mask)
    if with_bias:
        put(by_bias, grad_bias)


def _forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    bias: Tensor | None,
    geometry: tuple[int, ...],
) -> Tensor:
    """torchvision's convolution; ``geometry`` in its order, height first."""
    modulated = mask is not None
    if mask is None:
        mask = input.new_zeros(len(input), 1)
    bias = input.new_zeros(len(weight)) if bias is None else bias
    return torch.ops.torchvision.deform_conv2d(
        *full(input, weight, offset, mask, bias), *geometry, modulated
    )


def _backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    geometry: tuple[int, ...],
) -> tuple[Tensor, ...]:
    """Gradients by input, weight, offset, mask and bias."""
    modulated = mask is not None
    if mask is None:
        mask = input.new_zeros(len(input), 1)
    bias = input.new_zeros(len(weight))
    return torch.ops.torchvision._deform_conv2d_backward(
        *full(grad_output, input, weight, offset, mask, bias),
        *geometry,
        modulated,
    )
