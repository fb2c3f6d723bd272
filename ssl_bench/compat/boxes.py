"""Operators on boxes: suppression and overlaps.

Boxes are (N, 4) xyxy in pixels; ``offset`` 1 counts the last pixel in, so
that a width is x2 - x1 + 1. Overlap is intersection over union, a fraction.
"""

import numpy as np
import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from ssl_bench.compat.dtypes import full

_NAIVE, _LINEAR, _GAUSSIAN = 0, 1, 2
_SCORE = 4


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Non-maximum suppression; overlap above the threshold suppresses.

    mmcv sorts with torch's unstable sort, torchvision with a stable one: equal
    scores come in different orders. So the boxes are sorted here, and
    torchvision gets strictly falling scores: order and result are mmcv's.

    Args:
        boxes (Tensor): (N, 4).
        scores (Tensor): (N,).
        iou_threshold (float): Fraction.
        offset (int): 0 or 1.

    Returns:
        Tensor: Kept indices by falling score, (K,) int64.
    """
    (boxes,) = full(boxes)
    order = scores.sort(0, descending=True)[1]  # (N,)
    boxes = boxes[order]
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    ranks = torch.arange(
        len(boxes), 0, -1, dtype=boxes.dtype, device=boxes.device
    )
    return order[torch.ops.torchvision.nms(boxes, ranks, iou_threshold)]


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Soft-NMS (Bodla et al., ICCV 2017, Eq. 1-3).

    As in mmcv, the last box takes the place of a discarded one. That decides
    which of two equal scores comes first.

    Args:
        boxes (Tensor): (N, 4).
        scores (Tensor): (N,).
        dets (Tensor): Filled with boxes and decayed scores, (N, 5); only as
            many rows as boxes are kept.
        iou_threshold (float): Overlap from which boxes decay (not gaussian).
        sigma (float): Width of the gaussian decay.
        min_score (float): A box that decays below is discarded.
        method (int): 0 naive, 1 linear, 2 gaussian.
        offset (int): 0 or 1.

    Returns:
        Tensor: Kept indices in the order of selection, (K,) int64, on CPU.
    """
    boxes, column = full(boxes, scores[:, None])
    table = torch.cat((boxes, column), dim=1).detach().cpu().numpy().T.copy()
    index = np.arange(table.shape[1])
    count, place = len(index), 0
    while place < count:
        best = place + int(table[_SCORE, place:count].argmax())
        swap, swapped = [place, best], [best, place]
        table[:, swap], index[swap] = table[:, swapped], index[swapped]
        rest = table[:, place + 1 : count]
        overlap = _overlap(table[:, place], rest, offset)
        rest[_SCORE] *= _decay(overlap, iou_threshold, sigma, method)
        kept = _fill_holes(
            rest, index[place + 1 : count], rest[_SCORE] >= min_score
        )
        place += 1
        count = place + kept
    dets[:count] = torch.from_numpy(table[:, :count].T)
    return torch.from_numpy(index[:count])


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Group every suppressed box with the box that suppressed it.

    Args:
        dets (Tensor): Boxes and scores, (N, 5).
        iou_threshold (float): Overlap from which a box is suppressed.

    Returns:
        list[list[int]]: Groups, each by falling score.
    """
    (dets,) = full(dets)
    left = dets[:, _SCORE].sort(0, descending=True)[1].cpu().numpy()
    table = dets.detach().cpu().numpy().T
    groups = []
    while len(left):
        first, others = left[0], left[1:]
        overlap = _overlap(table[:, first], table[:, others], offset=0)
        hit = overlap >= table.dtype.type(iou_threshold)
        groups.append([int(first), *others[hit].tolist()])
        left = others[~hit]
    return groups


def bbox_overlaps(
    bboxes1: Tensor,
    bboxes2: Tensor,
    ious: Tensor,
    mode: int,
    aligned: bool,
    offset: int,
) -> None:
    """Overlaps of two sets of boxes.

    Args:
        bboxes1 (Tensor): (M, 4).
        bboxes2 (Tensor): (N, 4).
        ious (Tensor): Filled, (M, N), or (M,) when aligned.
        mode (int): 0 over the union, 1 over the area of ``bboxes1``.
        aligned (bool): Whether to compare row by row; M == N then.
        offset (int): 0 or 1.
    """
    first, second = full(bboxes1, bboxes2)
    if not aligned:
        first, second = first[:, None], second[None]
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low + offset).clamp(min=0).prod(-1)
    whole = (first[..., 2:] - first[..., :2] + offset).prod(-1)
    if mode == 0:
        area = (second[..., 2:] - second[..., :2] + offset).prod(-1)
        whole = whole + area - shared
    ious.copy_(shared / whole)


def _overlap(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    """Overlap of one box, (4+,), with others, (4+, N); 0 / 0 gives NaN."""
    low = np.maximum(box[:2, None], others[:2])
    high = np.minimum(box[2:4, None], others[2:4])
    width, height = np.maximum(high - low + offset, 0)  # (N,) each
    shared = width * height
    area, areas = (_area(boxes, offset) for boxes in (box, others))
    with np.errstate(divide='ignore', invalid='ignore'):
        return shared / (area + areas - shared)


def _area(boxes: np.ndarray, offset: int) -> np.ndarray:
    return (boxes[2] - boxes[0] + offset) * (boxes[3] - boxes[1] + offset)


def _decay(
    overlap: np.ndarray, iou_threshold: float, sigma: float, method: int
) -> np.ndarray:
    """Factors, (N,), by which overlapping boxes lose score."""
    if method == _GAUSSIAN:
        return np.exp(-(overlap * overlap) / sigma)
    left = 1 - overlap if method == _LINEAR else np.zeros_like(overlap)
    return np.where(
        overlap >= overlap.dtype.type(iou_threshold),
        left,
        np.ones_like(overlap),
    )


def _fill_holes(table: np.ndarray, index: np.ndarray, keep: np.ndarray) -> int:
    """Move kept columns from the end into discarded places, in place.

    Returns:
        int: How many columns are kept; they come first.
    """
    count = int(keep.sum())
    holes = np.flatnonzero(~keep[:count])
    fillers = count + np.flatnonzero(keep[count:])[::-1]
    table[:, holes], index[holes] = table[:, fillers], index[fillers]
    return count
