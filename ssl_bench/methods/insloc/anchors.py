"""Box augmentation: anchors that overlap a box, thinned, one drawn.

numpy's, since it runs in the data loader; boxes are ``xyxy`` in pixels and
their width is ``x2 - x1``.
"""

from collections.abc import Sequence

import numpy as np


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
    x1, y1, x2, y2 = np.asarray(boxes, np.float64).T
    left, top, right, bottom = (float(edge) for edge in box)
    width = np.minimum(x2, right) - np.maximum(x1, left)
    height = np.minimum(y2, bottom) - np.maximum(y1, top)
    overlap = np.maximum(width, 0) * np.maximum(height, 0)
    union = (x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - overlap
    return overlap / np.maximum(union, 1e-6)


def overlapping(
    box: np.ndarray,
    anchors: np.ndarray,
    threshold: float = 0.5,
    fallback: int = 4000,
) -> np.ndarray:
    """Indices of the anchors whose IoU with the box exceeds a threshold.

    Args:
        box (ndarray): ``xyxy``, (4,).
        anchors (ndarray): ``xyxy``, (A, 4).
        threshold (float): Fraction, exceeded strictly.
        fallback (int): How many of the anchors, best first, are taken when
            none exceeds it.

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

    A box falls when its IoU with a better survivor strictly exceeds the
    threshold.
    """
    boxes = np.asarray(boxes, np.float64)
    order = np.argsort(-scores, kind='stable')
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[box_iou(boxes[best], boxes[order]) <= threshold]
    return np.array(kept, dtype=np.int64)


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
