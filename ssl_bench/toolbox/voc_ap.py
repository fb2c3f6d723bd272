"""PASCAL VOC average precision by the rules of Detectron2's evaluator."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

#: IoU thresholds of AP, as percent, which is how results are keyed.
THRESHOLDS = tuple(range(50, 100, 5))


class Objects(NamedTuple):
    """The objects of one class over all images.

    Attributes:
        image (np.ndarray): Image number of each, (G,) int.
        boxes (np.ndarray): 1-based, inclusive xyxy as in the XML, (G, 4).
        difficult (np.ndarray): (G,) bool.
    """

    image: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray


class Detections(NamedTuple):
    """The detections of one class over all images.

    Attributes:
        image (np.ndarray): Image number of each, (D,) int.
        boxes (np.ndarray): 0-based continuous xyxy, (D, 4).
        scores (np.ndarray): (D,).
    """

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def _rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """What is read back after printing with ``decimals`` digits."""
    flat = [float(f'{value:.{decimals}f}') for value in values.ravel()]
    return np.array(flat, dtype=np.float64).reshape(values.shape)


def _best_overlaps(boxes: np.ndarray, objects: np.ndarray) -> tuple:
    """For each of (D, 4) boxes the best IoU with (G, 4) objects, and which.

    Pixels are counted inclusively: a box from 3 to 3 is one wide.
    """
    x1y1 = np.maximum(boxes[:, None, :2], objects[None, :, :2])
    x2y2 = np.minimum(boxes[:, None, 2:], objects[None, :, 2:])
    width, height = np.moveaxis(np.maximum(x2y2 - x1y1 + 1, 0), -1, 0)
    shared = width * height  # (D, G)
    area, object_area = (
        (b[:, 2] - b[:, 0] + 1) * (b[:, 3] - b[:, 1] + 1)
        for b in (boxes, objects)
    )
    iou = shared / (area[:, None] + object_area[None] - shared)
    best = iou.argmax(axis=1)
    return iou[np.arange(len(boxes)), best], best


def _match(objects: Objects, detections: Detections) -> tuple:
    """Best overlap of each detection in its image, and the object's number.

    Returns:
        tuple: (D,) IoU, -inf without an object; (D,) index into objects.
    """
    overlap = np.full(len(detections.image), -np.inf)
    index = np.zeros(len(detections.image), dtype=int)
    places: dict[int, list[int]] = {}
    for place, image in enumerate(detections.image.tolist()):
        places.setdefault(image, []).append(place)
    for image, in_image in places.items():
        mine = np.flatnonzero(objects.image == image)
        if len(mine):
            rows = np.array(in_image)
            overlap[rows], best = _best_overlaps(
                detections.boxes[rows], objects.boxes[mine]
            )
            index[rows] = mine[best]
    return overlap, index


def average_precision(
    recall: np.ndarray, precision: np.ndarray, rule: str
) -> float:
    """Area under a precision-recall curve, fraction.

    Args:
        recall, precision (np.ndarray): After each detection, (D,).
        rule (str): ``11point`` (VOC2007) or ``area`` (VOC2010 and later:
            under the envelope).
    """
    if rule == '11point':
        # arange, not linspace: its 0.30000000000000004 counts
        return float(
            np.mean(
                [
                    precision[recall >= point].max(initial=0.0)
                    for point in np.arange(0.0, 1.1, 0.1)
                ]
            )
        )
    recall = np.concatenate([[0.0], recall, [1.0]])
    precision = np.concatenate([[0.0], precision, [0.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(
        np.sum((recall[steps + 1] - recall[steps]) * envelope[steps + 1])
    )


def class_ap(
    objects: Objects,
    detections: Detections,
    thresholds: Sequence[int] = THRESHOLDS,
    rule: str = '11point',
    rounded: bool = True,
) -> dict[int, float | None]:
    """AP of one class at several overlaps.

    A detection is compared with the object of its image that it overlaps
    most; it is right when the overlap is greater than the threshold and the
    object is not yet found. If that object is difficult, the detection does
    not count at all.

    Args:
        objects (Objects): Ground truth.
        detections (Detections): In any order; ties keep this order.
        thresholds (Sequence[int]): Overlaps in percent.
        rule (str): ``11point`` or ``area``.
        rounded (bool): Round scores to 3 decimals and coordinates to 1
            before scoring, as Detectron2 does by writing them to files.

    Returns:
        dict[int, float | None]: Percent; None for detections without any
        object under ``area``.
    """
    boxes = detections.boxes.astype(np.float64).reshape(-1, 4) + [1, 1, 0, 0]
    scores = detections.scores.astype(np.float64)
    if rounded:
        boxes, scores = _rounded(boxes, 1), _rounded(scores, 3)
    order = np.argsort(-scores, kind='stable')
    overlap, index = _match(
        objects, Detections(detections.image[order], boxes[order], scores)
    )
    difficult = np.append(objects.difficult, False)[index]
    positives = int((~objects.difficult).sum())
    result: dict[int, float | None] = {}
    for threshold in thresholds:
        # the double nearest to 0.55, not 11 * 0.05
        hit = overlap > threshold / 100
        ignored = hit & difficult
        candidates = np.flatnonzero(hit & ~difficult)
        _, first = np.unique(index[candidates], return_index=True)
        right = np.zeros(len(hit), dtype=bool)
        right[candidates[first]] = True
        found = np.cumsum(right)
        wrong = np.cumsum(~right & ~ignored)
        if not positives or not len(hit):
            empty = rule == '11point' or not len(hit)
            result[threshold] = 0.0 if empty else None
            continue
        precision = found / np.maximum(found + wrong, np.finfo(np.float64).eps)
        result[threshold] = 100 * average_precision(
            found / positives, precision, rule
        )
    return result


def summarise(
    per_class: Sequence[Mapping[int, float | None]],
) -> dict[str, float]:
    """AP over the ten thresholds, AP50 and AP75: class means, percent.

    NaN if a class has no AP.
    """
    means = {
        threshold: float(
            np.mean(np.array([ap[threshold] for ap in per_class], float))
        )
        for threshold in THRESHOLDS
    }
    return dict(
        AP=float(np.mean(list(means.values()))), AP50=means[50], AP75=means[75]
    )
