"""Feature maps: padding to the patch, chosen layers, resizing."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def up(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize bilinearly, corners not aligned, without antialias.

    Args:
        x (Tensor): (B, C, h, w).
        size (Sequence[int]): (H, W) of the result, larger or smaller.
    """
    return F.interpolate(
        x, size=tuple(size), mode='bilinear', align_corners=False
    )


def nearest(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Resize label maps: output index ``i`` is input ``floor(i * n / size)``.

    Args:
        labels (Tensor): (..., H, W), whole numbers below 2**24.
        size (Sequence[int]): (h, w) of the result.
    """
    maps = labels.reshape(-1, 1, *labels.shape[-2:]).float()
    found = F.interpolate(maps, size=tuple(size))
    return found.reshape(*labels.shape[:-2], *size).to(labels.dtype)


def patch_margins(side: int, patch: int) -> tuple[int, int]:
    """Pixels before and after a side, so that the patch divides it.

    The smaller half is before. Source: DINOv2, ``hub/utils.py``.
    """
    total = -side % patch
    return total // 2, total - total // 2


def pad_to_patch(images: Tensor, patch: int, fill: int = 0) -> Tensor:
    """Pad images all around, so that the patch divides both sides.

    Args:
        images (Tensor): (B, C, H, W), normalised: zero is the mean colour.
        patch (int): Pixels.
        fill (int): Value of what is padded.
    """
    height, width = images.shape[-2:]
    top, bottom = patch_margins(height, patch)
    left, right = patch_margins(width, patch)
    return F.pad(images, (left, right, top, bottom), value=fill)


def four_layers(depth: int) -> tuple[int, int, int, int]:
    """The four blocks, from zero, whose maps the DINOv2 tasks take.

    The ends of the quarters; for 24 blocks the first is 4 instead of 5, an
    error of the official program that is kept for comparable numbers.
    """
    first, *rest = (i * (depth // 4) - 1 for i in range(1, 5))
    return (4 if depth == 24 else first, *rest)  # type: ignore[return-value]


def concatenate(
    maps: Sequence[Tensor],
    class_tokens: Sequence[Tensor] | None = None,
    factor: int = 1,
) -> Tensor:
    """Maps of several layers as the channels of one.

    Args:
        maps (Sequence[Tensor]): (B, D, h, w) each; all get the size of the
            first.
        class_tokens (Sequence[Tensor], optional): (B, D) for each map: a
            layer's channels are then its patches, and its class token at
            every place.
        factor (int): By which the first map's size is multiplied.

    Returns:
        Tensor: (B, C, factor * h, factor * w).
    """
    height, width = maps[0].shape[-2:]
    size = (factor * height, factor * width)
    layers = []
    for i, layer in enumerate(maps):
        if class_tokens is not None:
            token = class_tokens[i][:, :, None, None].expand_as(layer)
            layer = torch.cat((layer, token), dim=1)
        layers.append(
            layer if tuple(layer.shape[-2:]) == size else up(layer, size)
        )
    return torch.cat(layers, dim=1)


def short_side(
    width: int, height: int, short: int, long: float = float('inf')
) -> tuple[int, int]:
    """Size (width, height) of an image after mmseg's resizing.

    Args:
        width, height (int): Pixels.
        short (int): The short side gets this length ..
        long (float): .. unless the long side would be longer than this.
    """
    factor = min(long / max(width, height), short / min(width, height))
    return int(width * factor + 0.5), int(height * factor + 0.5)


def short_side_dinov3(width: int, height: int, short: int) -> tuple[int, int]:
    """`short_side` as DINOv3's program rounds: the short side is exact."""
    if width <= height:
        return short, int(short * height / width + 0.5)
    return int(short * width / height + 0.5), short
