"""Sliding windows over an image that is larger than the training crop."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ssl_bench.frozen_dense.maps import up

Window = tuple[slice, slice]


def windows(
    height: int, width: int, crop: int, stride: int, square: bool = False
) -> Iterator[Window]:
    """The windows of an image, row by row; the last are pulled back inside.

    Args:
        height, width (int): Of the image, pixels.
        crop, stride (int): Of the windows, pixels.
        square (bool): DINOv3's rule for an image of which both sides are
            smaller than the crop: the window is a square of the short side.
            mmseg takes the whole image.
    """
    if square and max(height, width) < crop:
        crop = min(height, width)
    for top in _starts(height, crop, stride):
        for left in _starts(width, crop, stride):
            yield (
                slice(top, min(top + crop, height)),
                slice(left, min(left + crop, width)),
            )


def _starts(side: int, crop: int, stride: int) -> list[int]:
    count = max(side - crop + stride - 1, 0) // stride + 1
    return [max(min(i * stride + crop, side) - crop, 0) for i in range(count)]


def slide(
    images: Tensor,
    logits_of: Callable[[Tensor], Tensor],
    crop: int = 512,
    stride: int = 341,
    square: bool = False,
) -> Tensor:
    """Mean of the logits of all windows that see a pixel.

    Args:
        images (Tensor): (B, C, H, W).
        logits_of (Callable): A window (B, C, h, w) to logits (B, K, h', w'),
            which are resized to the window.
        crop, stride, square: See `windows`.

    Returns:
        Tensor: (B, K, H, W).
    """
    height, width = images.shape[-2:]
    total: Tensor | None = None
    count = images.new_zeros(1, 1, height, width)
    for rows, columns in windows(height, width, crop, stride, square):
        part = images[..., rows, columns]
        logits = up(logits_of(part), part.shape[-2:])
        if total is None:
            total = logits.new_zeros(*logits.shape[:2], height, width)
        total[..., rows, columns] += logits
        count[..., rows, columns] += 1
    if total is None:  # there is always one window
        raise ValueError(f'no window in an image of {height} x {width}')
    return total / count


def probabilities(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (B, K, h, w) to probabilities at the label's size (H, W).

    Views of test-time augmentation are averaged after this.
    """
    return up(logits, size).softmax(dim=1)


def most_likely(views: list[Tensor]) -> Tensor:
    """Mean of the views' probabilities (B, K, H, W), and the class of it."""
    return torch.stack(views).mean(0).argmax(1)
