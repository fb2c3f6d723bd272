"""Maximum pooling over RoIs, which torchvision lacks or rounds differently.

Each operator visits one sample (or pixel) of every bin at a time, in the
order of mmcv's loops: of equal values the first one is the maximum, and only
RoIs that have the sample take part. RoIs are as in `ssl_bench.compat.roi`.
"""

import torch
from torch import Tensor

from ssl_bench.compat.dtypes import full

#: Value of a RoIAlign bin without samples in mmcv's CPU kernel.
_NO_SAMPLE = -10000
_LOWEST = torch.finfo(torch.float32).min
_NOWHERE = -1


def max_align_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """RoIAlign with the maximum of a bin's samples instead of their mean.

    Args:
        features (Tensor): (B, C, H, W).
        rois (Tensor): (K, 5).
        output (Tensor): Filled, (K, C, P, Q); -10000 where a bin has no
            sample, as with mmcv.
        argmax_y, argmax_x (Tensor): Filled with the place of the largest
            sample in feature pixels, (K, C, P, Q); -1 where there is none.
        spatial_scale (float): Feature pixels per image pixel.
        sampling_ratio (int): Samples per bin and axis, 0: by the RoI's size.
        aligned (bool): Whether to shift by half a pixel.
    """
    corners = rois[:, [2, 1, 4, 3]] * spatial_scale - 0.5 * aligned
    start, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    size = size if aligned else size.clamp(min=1)  # (K, 2)
    bins = rois.new_tensor(output.shape[2:])  # (2,)
    step = size / bins
    grid = (
        torch.full_like(step, sampling_ratio)
        if sampling_ratio > 0
        else step.ceil()
    )  # (K, 2)
    images = rois[:, 0].long()
    pixels = features.permute(0, 2, 3, 1).contiguous()
    best = features.new_full(output.permute(0, 2, 3, 1).shape, _LOWEST)
    places = [torch.full_like(best, _NOWHERE) for _ in range(2)]
    rows, columns = grid.amax(0).int().tolist() if len(rois) else (0, 0)
    for row, column in _pairs(rows, columns):
        sample = grid.new_tensor((row, column))
        live = (sample < grid).all(1).nonzero()[:, 0]
        y, x = (
            _positions(
                start[live, axis],
                step[live, axis],
                grid[live, axis],
                sample[axis],
                output.shape[2 + axis],
            )
            for axis in range(2)
        )  # (k, P|Q)
        value = _interpolate(pixels, images[live], y, x)  # (k, P, Q, C)
        larger = value > best[live]
        best[live] = torch.where(larger, value, best[live])
        for place, at in zip(
            places, (y[:, :, None, None], x[:, None, :, None])
        ):
            place[live] = torch.where(larger, at, place[live])
    best = best.masked_fill(places[0] == _NOWHERE, _NO_SAMPLE)
    output.copy_(best.permute(0, 3, 1, 2))
    for buffer, place in zip((argmax_y, argmax_x), places):
        # a 16-bit buffer would round the place to whole pixels: replace it
        buffer.data = place.permute(0, 3, 1, 2).contiguous()


def max_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
) -> None:
    """Gradient of `max_align_forward` by its features.

    Args:
        grad_output (Tensor): (K, C, P, Q).
        rois (Tensor): (K, 5).
        argmax_y, argmax_x (Tensor): As `max_align_forward` filled them.
        grad_input (Tensor): Filled, (B, C, H, W).
    """
    height, width = grad_input.shape[2:]
    y_corners, y_inside = _neighbours(argmax_y, height)
    x_corners, x_inside = _neighbours(argmax_x, width)
    found = (argmax_y != _NOWHERE) & y_inside & x_inside
    total = grad_output.new_zeros(grad_input.numel())
    plane = _planes(rois, grad_input)  # (K, C, 1, 1)
    for y, y_weight in y_corners:
        for x, x_weight in x_corners:
            share = grad_output * y_weight * x_weight * found
            target = plane + y * width + x
            total.index_add_(0, target.flatten(), share.flatten())
    grad_input.copy_(total.view_as(grad_input))


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """RoIPool (Girshick, Fast R-CNN, Sec. 2.1) with mmcv's rounding.

    x2 and y2 are increased by one before scaling, the RoI is not rounded, and
    a bin is from the floor of its start to the ceiling of its end.

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (K, 5).
        output (Tensor): Filled, (K, C, pooled_height, pooled_width); 0 where
            a bin is empty.
        argmax (Tensor): Filled with y * W + x of the maximum, int32, shaped
            like ``output``; -1 where a bin is empty.
        pooled_height, pooled_width (int): Bins per RoI.
        spatial_scale (float): Feature pixels per image pixel.
    """
    features, rois = full(input, rois)
    height, width = input.shape[2:]
    first_y, last_y = _bin_edges(
        rois[:, 2], rois[:, 4], spatial_scale, pooled_height, height
    )
    first_x, last_x = _bin_edges(
        rois[:, 1], rois[:, 3], spatial_scale, pooled_width, width
    )
    images = rois[:, 0].long()
    pixels = features.permute(0, 2, 3, 1).contiguous()
    best = features.new_full(output.permute(0, 2, 3, 1).shape, _LOWEST)
    place = torch.full_like(best, _NOWHERE, dtype=torch.int64)
    sizes = [
        int((last - first).amax()) if first.numel() else 0
        for first, last in ((first_y, last_y), (first_x, last_x))
    ]
    for row, column in _pairs(*sizes):
        y, x = first_y + row, first_x + column  # (K, P|Q)
        inside = (y < last_y)[:, :, None] & (x < last_x)[:, None]
        live = inside.flatten(1).any(1).nonzero()[:, 0]
        y = y[live].clamp(max=height - 1)[:, :, None]
        x = x[live].clamp(max=width - 1)[:, None]
        value = pixels[images[live][:, None, None], y, x]  # (k, P, Q, C)
        larger = inside[live][..., None] & (value > best[live])
        best[live] = torch.where(larger, value, best[live])
        place[live] = torch.where(
            larger, (y * width + x)[..., None], place[live]
        )
    empty = (last_y <= first_y)[:, :, None] | (last_x <= first_x)[:, None]
    best = best.masked_fill(empty[..., None], 0)
    output.copy_(best.permute(0, 3, 1, 2))
    argmax.copy_(place.permute(0, 3, 1, 2))


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Gradient of `roi_pool_forward` by its input.

    Args:
        grad_output (Tensor): (K, C, pooled_height, pooled_width).
        argmax (Tensor): As `roi_pool_forward` filled it.
        grad_input (Tensor): Filled, (B, C, H, W).

    The others are those of `roi_pool_forward`.
    """
    (gradient,) = full(grad_output)
    total = gradient.new_zeros(grad_input.numel())
    target = _planes(rois, grad_input) + argmax.clamp(min=0)
    share = gradient * (argmax != _NOWHERE)
    total.index_add_(0, target.flatten(), share.flatten())
    grad_input.copy_(total.view_as(grad_input))


def _pairs(rows: int, columns: int):
    """Rows times columns in reading order."""
    return ((row, column) for row in range(rows) for column in range(columns))


def _positions(
    start: Tensor, step: Tensor, grid: Tensor, sample: Tensor, bins: int
) -> Tensor:
    """Place of one sample in each bin along one axis, (k, bins)."""
    start, step, grid = (x[:, None] for x in (start, step, grid))
    places = torch.arange(bins, dtype=start.dtype, device=start.device)
    # the kernel adds in this order; another one changes which of equal
    # samples is the maximum
    return start + places * step + (sample + 0.5) * step / grid


def _neighbours(position: Tensor, length: int) -> tuple[tuple, Tensor]:
    """Pixels around positions along one axis, with their weights.

    Returns:
        tuple: ((lower index, weight), (upper index, weight)), and whether
        each position is at most one pixel outside the map.
    """
    inside = (position >= -1) & (position <= length)
    position = position.clamp(0, length - 1)
    low = position.floor()
    upper_weight = position - low
    low = low.long()
    high = (low + 1).clamp(max=length - 1)
    return ((low, 1 - upper_weight), (high, upper_weight)), inside


def _interpolate(
    pixels: Tensor, images: Tensor, y: Tensor, x: Tensor
) -> Tensor:
    """Bilinear values, (k, P, Q, C), of (B, H, W, C) at y (k, P), x (k, Q)."""
    y_corners, y_inside = _neighbours(y, pixels.shape[1])
    x_corners, x_inside = _neighbours(x, pixels.shape[2])
    images = images[:, None, None]
    value = sum(
        pixels[images, row[:, :, None], column[:, None]]
        * (row_weight[:, :, None] * column_weight[:, None])[..., None]
        for row, row_weight in y_corners
        for column, column_weight in x_corners
    )
    return value * (y_inside[:, :, None] & x_inside[:, None])[..., None]


def _bin_edges(
    low: Tensor, high: Tensor, scale: float, bins: int, length: int
) -> tuple[Tensor, Tensor]:
    """First pixel and the one after the last of every bin, (K, bins) each."""
    start = low * scale  # (K,)
    size = (high + 1) * scale - start
    step = (size / bins)[:, None]
    places = torch.arange(bins, dtype=low.dtype, device=low.device)
    first = (places * step + start[:, None]).floor().clamp(0, length)
    last = ((places + 1) * step + start[:, None]).ceil().clamp(0, length)
    last = torch.where(size[:, None] > 0, last, first)
    return first.long(), last.long()


def _planes(rois: Tensor, grad_input: Tensor) -> Tensor:
    """Where each RoI's image and channel start in a flat map, (K, C, 1, 1)."""
    channels, height, width = grad_input.shape[1:]
    channel = torch.arange(channels, device=rois.device)
    plane = rois[:, 0].long()[:, None] * channels + channel  # (K, C)
    return (plane * height * width)[..., None, None]
