"""Box augmentation: one of the anchors that overlap a box, drawn at random.

Boxes are ``xyxy`` in pixels and their width is ``x2 - x1``. Overlaps are
computed in double precision, since some are at the threshold.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision import ops


def anchor_grid(
    cells: tuple[int, int],
    stride: int,
    scales: Sequence[float],
    ratios: Sequence[float],
) -> np.ndarray:
    """Anchors on the corners of a feature map's cells.

    Args:
        cells (tuple): Rows and columns of the map.
        stride (int): Pixels per cell, and side of the anchor of scale 1.
        scales (sequence[float]): Multiples of the side.
        ratios (sequence[float]): Height / width.

    Returns:
        ndarray: ``xyxy`` float32, (A, 4), neither rounded nor clipped; rows,
        columns, ratios, scales, the last one fastest.
    """
    roots = np.sqrt(np.asarray(ratios, dtype=np.float64))[:, None]
    sides = stride * np.asarray(scales, dtype=np.float64)
    half = np.stack([sides / roots, sides * roots], -1).reshape(-1, 2) / 2
    y, x = np.mgrid[: cells[0], : cells[1]] * stride
    centres = np.stack([x, y], -1).reshape(-1, 1, 2)
    boxes = np.concatenate([centres - half, centres + half], -1)
    return boxes.reshape(-1, 4).astype(np.float32)


def box_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (4,) with boxes (A, 4), (A,)."""
    # half of the time of torchvision's function
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T, np.float64)  # (A,) each
    left, top, right, bottom = np.asarray(box, np.float64)
    width = np.minimum(x2, right) - np.maximum(x1, left)
    height = np.minimum(y2, bottom) - np.maximum(y1, top)
    both = width.clip(0) * height.clip(0)
    areas = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top)
    return both / (areas - both)


def _double(boxes: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(boxes, np.float64))


def overlapping(
    box: np.ndarray,
    anchors: np.ndarray,
    threshold: float = 0.5,
    fallback: int = 4000,
) -> np.ndarray:
    """Indices of the anchors whose IoU with the box is above a threshold.

    Args:
        box (ndarray): ``xyxy``, (4,).
        anchors (ndarray): ``xyxy``, (A, 4).
        threshold (float): Fraction; equal to it is not above.
        fallback (int): How many of the anchors, best first, are taken when
            none is above it.

    Returns:
        ndarray: Indices; in the anchors' order when the threshold is met.
    """
    iou = box_iou(box, anchors)
    found = np.flatnonzero(iou > threshold)
    return found if len(found) else np.argsort(-iou, kind='stable')[:fallback]


def greedy_nms(
    boxes: np.ndarray, scores: np.ndarray, threshold: float = 0.7
) -> np.ndarray:
    """Indices of the boxes that survive, by descending score.

    A box is removed when its IoU with a better survivor is greater than the
    threshold.
    """
    kept = ops.nms(_double(boxes), _double(scores), threshold)
    return kept.numpy()


def augment_box(
    box: np.ndarray,
    anchors: np.ndarray,
    iou: float = 0.5,
    nms: float = 0.7,
    fallback: int = 4000,
) -> np.ndarray:
    """Replace a box by a random anchor that overlaps it, (4,).

    One of the anchors that survive suppression under random scores, so that
    crowded places do not win (InsLoc's box augmentation).
    """
    found = overlapping(box, anchors, iou, fallback)
    scores = np.random.random_sample(len(found))
    kept = found[greedy_nms(anchors[found], scores, nms)]
    return anchors[kept[np.random.randint(len(kept))]]
