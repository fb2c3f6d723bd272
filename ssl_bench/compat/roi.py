"""Operators on regions of interest (RoIs), served by torchvision.

RoIs are (K, 5): image index, then xyxy in pixels of the input image;
multiplied by ``spatial_scale`` they are in pixels of the feature map.
"""

import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from ssl_bench.compat.dtypes import full, put
from ssl_bench.compat.roi_max import max_align_backward, max_align_forward

_MAX, _AVERAGE = 0, 1


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """RoIAlign (He et al., Mask R-CNN, Sec. 3).

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (K, 5).
        output (Tensor): Filled, (K, C, aligned_height, aligned_width).
        argmax_y, argmax_x (Tensor): Filled by maximum pooling with the
            sample's place on the feature map, shaped like ``output``.
        aligned_height, aligned_width (int): Bins per RoI.
        spatial_scale (float): Feature pixels per image pixel.
        sampling_ratio (int): Samples per bin and axis, 0: by the RoI's size.
        pool_mode (int): 0 maximum, 1 average.
        aligned (bool): Whether to shift by half a pixel.
    """
    features, boxes = full(input, rois)
    if pool_mode == _MAX:
        max_align_forward(
            features,
            boxes,
            output,
            argmax_y,
            argmax_x,
            spatial_scale,
            sampling_ratio,
            aligned,
        )
        return
    put(
        torch.ops.torchvision.roi_align(
            features,
            boxes,
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        ),
        output,
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of `roi_align_forward` by its input.

    Args:
        grad_output (Tensor): (K, C, aligned_height, aligned_width).
        grad_input (Tensor): Filled, (B, C, H, W).

    The others are those of `roi_align_forward`.
    """
    gradient, boxes = full(grad_output, rois)
    if pool_mode == _MAX:
        max_align_backward(gradient, boxes, argmax_y, argmax_x, grad_input)
        return
    put(
        torch.ops.torchvision._roi_align_backward(
            gradient,
            boxes,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        ),
        grad_input,
    )
