"""Patch vectors with label patches: nearest neighbours, logistic regression.

Reference: CAPI, ``eval_segmentation.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

QUERIES = 1024  # rows of a block of similarities
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
    """Mode of each row (N, M), (N,); ties go to the smallest label."""
    values, places = labels.unique(return_inverse=True)
    counts = F.one_hot(places, len(values)).sum(1)  # (N, U)
    return values[counts.argmax(1)]  # the first of equal counts


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
        return (features - self.mean) / self.std


def kept_rows(labels: Tensor, ignore: Sequence[int]) -> Tensor:
    """Which rows (N, M) have a most frequent label that is not ignored."""
    unwanted = torch.tensor(list(ignore)).to(labels)
    return ~torch.isin(most_frequent(labels), unwanted)


def knn_labels(
    features: Tensor,
    labels: Tensor,
    queries: Tensor,
    neighbours: int,
    metric: str = 'cosine',
) -> Tensor:
    """Labels of each pixel of the queries: the neighbours' most frequent.

    Args:
        features (Tensor): (N, D), rows of `kept_rows`.
        labels (Tensor): (N, M) pixels of a patch.
        queries (Tensor): (Q, D).
        neighbours (int): k.
        metric (str): ``cosine`` or ``L2``.

    Returns:
        Tensor: (Q, M); votes have no weights, ties go to the smallest label.
    """
    if metric == 'cosine':
        features, queries = F.normalize(features), F.normalize(queries)
    found = []
    squares = features.square().sum(1)
    for part in queries.split(QUERIES):
        scores = part @ features.T
        if metric == 'L2':
            scores = 2 * scores - squares  # largest where nearest
        nearest = scores.topk(neighbours).indices  # (q, k)
        votes = labels[nearest].transpose(1, 2)  # (q, M, k)
        found.append(most_frequent(votes.flatten(0, 1)).reshape(len(part), -1))
    return torch.cat(found)


def fit_patches(
    features: Tensor, labels: Tensor, cost: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multinomial logistic regression on patch labels.

    The objective is scikit-learn's: ``cost`` times the summed cross entropy,
    plus half the squared weights; the bias is free.

    Args:
        features (Tensor): (N, D), standardised.
        labels (Tensor): (N,), most frequent labels.
        cost (float): C.

    Returns:
        tuple: Weights (K, D), biases (K,) and the K labels.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=cost, tol=1e-12, max_iter=1000).fit(
        features.double().numpy(), labels.numpy()
    )
    weights, biases = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # the library keeps one row
        weights = np.concatenate((-weights, weights)) / 2
        biases = np.concatenate((-biases, biases)) / 2
    return weights, biases, model.classes_
