"""Correspondences of key points between two images of an object.

Two forms are published and are not comparable: DIFT's PCK in pixels of the
images, and Probe3D's recall on the grid of patches.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import torch
import torch.nn.functional as F
from torch import Tensor


def match_pixels(
    source: Tensor, target: Tensor, points: Tensor, sizes: Sequence[int]
) -> Tensor:
    """Target pixels that are most like the source's points, DIFT's form.

    The maps are resized to the images
    (`ssl_bench.frozen_dense.maps.up`). Neither is ever written out:
    what is compared follows from the maps themselves.

    Args:
        source, target (Tensor): (D, h, w) maps of the two images.
        points (Tensor): (P, 2) int64 x, y in pixels of the source image.
        sizes (Sequence[int]): Width and height of the source image, then of
            the target image: the maps are resized to them.

    Returns:
        Tensor: (P, 2) x, y; the first in reading order where cosines tie.
    """
    source_width, source_height, width, height = sizes
    vectors = at_pixels(source, points, (source_height, source_width))
    lengths = pixel_lengths(target, height, width)
    return nearest_pixels(vectors, target, lengths)


def at_pixels(grid: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (D, h, w), resized to (H, W), at points (P, 2): (P, D)."""
    height, width = size
    sides = points.new_tensor([width, height])
    places = ((2 * points + 1) / sides - 1).to(grid)[None, None]
    return F.grid_sample(
        grid[None], places, padding_mode='border', align_corners=False
    )[0, :, 0].T


def pixel_lengths(grid: Tensor, height: int, width: int) -> Tensor:
    """Lengths of the vectors of a map (D, h, w) that is resized, (H, W).

    A pixel's vector is a weighted sum of those of four cells, so its square
    is a weighted sum of their inner products.
    """
    rows, columns = grid.shape[-2:]
    padded = F.pad(grid[None], (0, 1, 0, 1), mode='replicate')[0]
    corners = [
        padded[:, y : y + rows, x : x + columns]
        for y in (0, 1)
        for x in (0, 1)
    ]
    top, down = _cells(rows, height, grid)
    left, right = _cells(columns, width, grid)
    weights = [
        y * x
        for y in (1 - down[:, None], down[:, None])
        for x in (1 - right, right)
    ]  # (H, W) each
    squares = grid.new_zeros(height, width)
    for i, j in combinations_with_replacement(range(4), 2):
        product = (corners[i] * corners[j]).sum(0)[top][:, left]
        squares += (1 + (i != j)) * weights[i] * weights[j] * product
    return squares.clamp_min(0).sqrt()


def _cells(count: int, pixels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """First of the two cells of each pixel (N,), and the second's weight."""
    places = torch.arange(pixels, dtype=torch.float64, device=like.device)
    places = ((places + 0.5) * count / pixels - 0.5).clamp(0, count - 1)
    first = places.long()
    return first, (places - first).to(like)


def _resized(grids: Tensor, height: int, width: int) -> Tensor:
    """`up` of grids (P, h, w), pixels beyond the outer cells exactly equal.

    There rounding would decide which of equal pixels is the largest.
    """
    for dim, pixels in ((1, height), (2, width)):
        count = grids.shape[dim]
        first, weight = _cells(count, pixels, grids)
        one, other = (
            grids.index_select(dim, index)
            for index in (first, (first + 1).clamp_max(count - 1))
        )
        weight = weight[:, None] if dim == 1 else weight
        grids = one + weight * (other - one)
    return grids


def nearest_pixels(vectors: Tensor, target: Tensor, lengths: Tensor) -> Tensor:
    """Pixels whose cosine with vectors (P, D) is largest, (P, 2) x, y.

    Args:
        vectors (Tensor): Of the source's points.
        target (Tensor): (D, h, w).
        lengths (Tensor): (H, W), `pixel_lengths` of it.
    """
    height, width = lengths.shape
    cells = torch.einsum('pd,dhw->phw', F.normalize(vectors), target)
    products = _resized(cells, height, width)  # of every pixel's vector
    best = (products / lengths.clamp_min(1e-12)).flatten(1).argmax(1)
    return torch.stack((best % width, best // width), dim=1)


def right_points(
    found: Tensor, truth: Tensor, box: Sequence[float], share: float = 0.1
) -> Tensor:
    """Whether points are within a share of the box's longer side, (P,).

    Args:
        found, truth (Tensor): (P, 2) x, y, pixels of the target image.
        box (Sequence[float]): x1, y1, x2, y2 of the target's object.
        share (float): Of PCK; at the limit is right.
    """
    x1, y1, x2, y2 = box
    limit = share * max(x2 - x1, y2 - y1)
    distance = (found - truth).double().norm(dim=1)
    return distance <= limit


def match_cells(source: Tensor, target: Tensor, points: Tensor) -> Tensor:
    """Target cells that are most like the source's points, Probe3D's form.

    Args:
        source, target (Tensor): (D, h, w).
        points (Tensor): (P, 2) x, y as shares of the image's sides, 0..1.

    Returns:
        Tensor: (P, 2) x, y as shares: the cell's index divided by the grid,
        without half a cell, as in the official program.
    """
    source, target = F.normalize(source, dim=0), F.normalize(target, dim=0)
    height, width = target.shape[-2:]
    grid = (points * 2 - 1).to(source)[None, None]  # (1, 1, P, 2)
    vectors = F.grid_sample(source[None], grid, align_corners=True)[0, :, 0]
    best = (vectors.T @ target.flatten(1)).argmax(1)
    return torch.stack(
        ((best % width) / width, (best // width) / height), dim=1
    )


def recalled(
    found: Tensor, truth: Tensor, object_share: float, share: float = 0.1
) -> Tensor:
    """Whether shares of the image are nearer than a share of the object.

    Args:
        found, truth (Tensor): (P, 2), 0..1.
        object_share (float): The longer side of the object's box, divided by
            the longer side of the image.
        share (float): At the limit is wrong.
    """
    distance = (found - truth).double().norm(dim=1)
    return distance / object_share < share
