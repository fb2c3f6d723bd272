"""Correspondences of key points between two images of an object.

Two forms are published and are not comparable: DIFT's PCK in pixels of the
images, and Probe3D's recall on the grid of patches.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.frozen_dense.maps import up


def match_pixels(
    source: Tensor, target: Tensor, points: Tensor, sizes: Sequence[int]
) -> Tensor:
    """Target pixels that are most like the source's points, DIFT's form.

    Args:
        source, target (Tensor): (D, h, w) maps of the two images.
        points (Tensor): (P, 2) int64 x, y in pixels of the source image.
        sizes (Sequence[int]): Width and height of the source image, then of
            the target image: the maps are resized to them.

    Returns:
        Tensor: (P, 2) x, y; the first in reading order where cosines tie.
    """
    source_width, source_height, width, height = sizes
    source_map = up(source[None], (source_height, source_width))[0]
    target_map = F.normalize(up(target[None], (height, width))[0], dim=0)
    vectors = F.normalize(
        source_map[:, points[:, 1], points[:, 0]].T
    )  # (P, D)
    best = (vectors @ target_map.flatten(1)).argmax(1)
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
