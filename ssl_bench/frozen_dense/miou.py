"""Definitions of mIoU, which give one prediction different numbers.

Everything is counted: a confusion matrix (K, K) of labels by predictions is
summed over images and processes, and the numbers follow from it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ssl_bench.errors import UserError

VARIANTS = ('present', 'all_classes')


def confusion(
    labels: Tensor, predictions: Tensor, classes: int, ignore: Sequence[int]
) -> Tensor:
    """Pixels by label and prediction, without the ignored labels.

    Args:
        labels, predictions (Tensor): Same shape, int64.
        classes (int): K.
        ignore (Sequence[int]): Labels whose pixels do not count.

    Returns:
        Tensor: (K, K) int64; rows are labels.

    Raises:
        ValueError: A label or a prediction outside the classes.
    """
    kept = ~torch.isin(labels, torch.tensor(list(ignore)).to(labels))
    rows, columns = labels[kept].long(), predictions[kept].long()
    counts = torch.bincount(rows * classes + columns, minlength=classes**2)
    outside = (rows >= classes) | (columns >= classes)
    if len(counts) > classes**2 or bool(outside.any()):
        raise ValueError(f'a label or prediction of {classes} or more')
    return counts.reshape(classes, classes)


def reduce_zero(labels: Tensor) -> Tensor:
    """ADE20K's labels: 0 becomes 255, 255 stays, the others lose 1."""
    return torch.where((labels == 0) | (labels == 255), 255, labels - 1)


def ious(matrix: Tensor) -> np.ndarray:
    """IoU of each class, (K,) float64; NaN where it is nowhere."""
    counts = matrix.double().cpu().numpy()
    hit = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - hit
    with np.errstate(invalid='ignore'):
        return hit / union


def miou(
    matrix: Tensor, variant: str = 'present', classes: int | None = None
) -> float:
    """Mean IoU, 0..1.

    Args:
        matrix (Tensor): (K, K), see `confusion`.
        variant (str): ``present`` (mmseg, and scikit-learn's macro Jaccard,
            which CAPI takes): classes that are neither a label nor a
            prediction are left out, one that is only predicted counts 0.
            So where a label is ignored but can be predicted, K must hold it.
            ``all_classes`` (NeCo, Hummingbird): absent classes count 0.
        classes (int, optional): Of ``all_classes``, where K holds labels that
            are no class; K when None.

    Raises:
        ValueError: Another variant.
    """
    if variant not in VARIANTS:
        raise ValueError(f'mIoU is one of {", ".join(VARIANTS)}: {variant}')
    values = ious(matrix)
    if variant == 'all_classes':
        return float(np.nan_to_num(values[:classes]).mean())
    return float(np.nanmean(values))


def require_pixels(matrix: Tensor, images: str) -> None:
    """Check that there is something to score.

    Args:
        matrix (Tensor): (K, K), see `confusion`.
        images (str): What was counted, for the message.

    Raises:
        UserError: No pixel counts.
    """
    if not matrix.any():
        raise UserError(
            f'no pixel of the {images} images has a label that counts: all '
            'are ignored. Check their masks, or take more images.'
        )


def matched(matrix: Tensor) -> Tensor:
    """Predicted classes renamed so that the sum of their IoUs is largest.

    What the published Hummingbird program does, although its predictions
    are classes already (Kuhn, 1955).
    """
    from scipy.optimize import linear_sum_assignment

    counts = matrix.double().cpu().numpy()
    union = counts.sum(0)[None] + counts.sum(1)[:, None] - counts
    score = counts / np.maximum(union, 1e-8)
    rows, columns = linear_sum_assignment(score, maximize=True)
    order = columns[np.argsort(rows)]
    return matrix[:, torch.from_numpy(order).to(matrix.device)]


def accuracies(matrix: Tensor) -> tuple[float, float]:
    """Share of right pixels, and its mean over the labels that occur."""
    counts = matrix.double().cpu().numpy()
    of_class = counts.sum(1)
    with np.errstate(invalid='ignore'):
        recall = counts.diagonal() / of_class
    return float(counts.trace() / counts.sum()), float(np.nanmean(recall))
