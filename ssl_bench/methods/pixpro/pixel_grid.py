"""Where the positions of two feature maps are in their source image.

PixPro's frame: the source spans [0, 1] in both directions between the
centres of its outermost pixels, so distances are anisotropic unless the
source is square.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def crop_coordinates(
    crops: Tensor, flips: Tensor, source_size: Tensor
) -> Tensor:
    """Where the first and last pixel centres of views are in the source.

    A flipped view has ``x1 < x0``.

    Args:
        crops (Tensor): ``xyxy`` in source pixels, right and bottom
            exclusive, (..., 4).
        flips (Tensor): Whether mirrored left to right, bool, (...).
        source_size (Tensor): Height and width, broadcast to (..., 2).

    Returns:
        Tensor: (x0, y0, x1, y1) as fractions, (..., 4).
    """
    last = (source_size - 1).clamp(min=1).to(crops.dtype)
    height, width = last[..., 0], last[..., 1]
    x0, x1 = crops[..., 0] / width, (crops[..., 2] - 1) / width
    y0, y1 = crops[..., 1] / height, (crops[..., 3] - 1) / height
    return torch.stack(
        [torch.where(flips, x1, x0), y0, torch.where(flips, x0, x1), y1], -1
    )


def view_coordinates(data_samples: dict[str, Tensor]) -> Tensor:
    """Coordinates of all views of a batch, (N, V, 4), or of one image."""
    return crop_coordinates(
        data_samples['crops'],
        data_samples['flips'],
        data_samples['source_size'].unsqueeze(-2),
    )


def _bin_centres(coords: Tensor, size: tuple[int, int]) -> Sequence[Tensor]:
    """x and y of all bins, (N, H*W) each, and their diagonal, (N,)."""
    height, width = size
    x0, y0, x1, y1 = coords.unsqueeze(-1).unbind(1)  # (N, 1)
    bin_w, bin_h = (x1 - x0) / width, (y1 - y0) / height
    index = torch.arange(height * width, device=coords.device)
    x = x0 + (index % width + 0.5) * bin_w  # (N, H*W)
    y = y0 + (index // width + 0.5) * bin_h
    return x, y, torch.hypot(bin_w, bin_h).squeeze(1)


def pixel_distances(
    coords_q: Tensor, coords_k: Tensor, size: tuple[int, int]
) -> Tensor:
    """Distances of feature map positions in units of the larger diagonal.

    Args:
        coords_q, coords_k (Tensor): Of `crop_coordinates`, (N, 4) each.
        size (tuple): Height and width of both feature maps.

    Returns:
        Tensor: (N, H*W, H*W), row-major positions of q by those of k; inf
        where both crops are a single pixel.
    """
    xq, yq, diagonal_q = _bin_centres(coords_q, size)
    xk, yk, diagonal_k = _bin_centres(coords_k, size)
    distance = torch.hypot(
        xq.unsqueeze(2) - xk.unsqueeze(1), yq.unsqueeze(2) - yk.unsqueeze(1)
    )
    diagonal = torch.maximum(diagonal_q, diagonal_k)[:, None, None]
    return torch.where(diagonal > 0, distance / diagonal, torch.inf)
