"""Patch vectors with label patches: nearest neighbours, logistic regression.

Reference: CAPI, ``eval_segmentation.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

METRICS = ('cosine', 'L2')


def label_patches(labels: Tensor, patch: int) -> Tensor:
    """Label maps (B, H, W) to patches (B * h * w, patch * patch).

    Images, patches and the pixels of a patch are in reading order.
    """
    batch, height, width = labels.shape
    rows = labels.reshape(
        batch, height // patch, patch, width // patch, patch
    ).transpose(2, 3)
    return rows.reshape(-1, patch * patch)


def label_maps(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """`label_patches` backwards, for a grid (h, w) of patches an image."""
    height, width = grid
    side = round(patches.shape[1] ** 0.5)
    rows = patches.reshape(-1, height, width, side, side).transpose(2, 3)
    return rows.reshape(-1, height * side, width * side)


def most_frequent(labels: Tensor) -> Tensor:
    """Mode of each row (N, M), (N,); ties go to the smallest label.

    Args:
        labels (Tensor): 0 to 255.
    """
    return votes(labels[:, :, None], [labels.shape[1]])[0][:, 0]


def votes(labels: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """The most frequent of the first k labels, for several k.

    Votes have no weights; ties go to the smallest label.

    Args:
        labels (Tensor): (N, k, M), of k neighbours for M pixels each, 0 to
            255.
        counts (Sequence[int]): Every k, rising.

    Returns:
        list[Tensor]: (N, M) for each k.
    """
    known = torch.bincount(labels.reshape(-1), minlength=256).nonzero()[:, 0]
    classes = len(known)
    place = torch.zeros(256, dtype=torch.int64, device=labels.device)
    place[known] = torch.arange(classes, device=labels.device)
    count, _, pixels = labels.shape
    cell = torch.arange(count * pixels, device=labels.device) * classes
    cell = cell.reshape(count, 1, pixels)
    total = torch.zeros(
        count * pixels * classes, dtype=torch.int64, device=labels.device
    )
    found, done = [], 0
    for k in counts:
        index = cell + place[labels[:, done:k].long()]
        total += torch.bincount(index.reshape(-1), minlength=len(total))
        done = k
        # the first of equal counts
        best = total.reshape(count, pixels, classes).argmax(2)
        found.append(known.to(labels.dtype)[best])
    return found


@dataclass
class Standard:
    """Mean and biased deviation of each channel.

    A channel without deviation is only centred (scikit-learn's
    ``StandardScaler``).
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, features: Tensor) -> 'Standard':
        """Of rows (N, D)."""
        std = features.std(0, unbiased=False)
        return cls(features.mean(0), torch.where(std == 0, 1, std))

    def __call__(self, features: Tensor) -> Tensor:
        """Standardised rows."""
        mean, std = self.mean.to(features), self.std.to(features)
        return (features - mean) / std


def closeness(queries: Tensor, rows: Tensor, metrics: Sequence[str]) -> dict:
    """How near rows are to queries; only the order of a query's rows counts.

    One product serves every metric.

    Args:
        queries (Tensor): (Q, D).
        rows (Tensor): (N, D).
        metrics (Sequence[str]): ``cosine``, ``L2``.

    Returns:
        dict[str, Tensor]: (Q, N) of each metric, largest where nearest.
    """
    product = queries @ rows.T
    squares = rows.square().sum(1)
    found = {}
    if 'cosine' in metrics:
        length = squares.sqrt().clamp(min=1e-12)
        found['cosine'] = product / length
    if 'L2' in metrics:
        found['L2'] = product - squares / 2
    return found
