"""Operators on boxes: suppression and overlaps.

Boxes are (N, 4) xyxy in pixels; ``offset`` 1 counts the last pixel in, so
that a width is x2 - x1 + 1.
"""
import torch
import torchvision  # noqa: F401  registers torch.ops.torchvision
from torch import Tensor

from ssl_bench.compat.dtypes import full


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float,
        offset: int) -> Tensor:
    """Non-maximum suppression; overlap above the threshold suppresses.

    mmcv sorts equal scores as torch's unstable sort leaves them, torchvision
    stably. Sorting here and handing torchvision strictly falling scores gives
    mmcv's order and mmcv's kept set.

    Args:
        boxes (Tensor): (N, 4).
        scores (Tensor): (N,).
        iou_threshold (float): Fraction.
        offset (int): 0 or 1.

    Returns:
        Tensor: Kept indices by falling score, (K,) int64.
    """
    boxes, = full(boxes)
    order = scores.sort(0, descending=True)[1]                    # (N,)
    boxes = boxes[order]
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    ranks = torch.arange(
        len(boxes), 0, -1, dtype=boxes.dtype, device=boxes.device)
    return order[torch.ops.torchvision.nms(boxes, ranks, iou_threshold)]
