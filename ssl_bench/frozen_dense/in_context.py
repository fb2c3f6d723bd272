"""Segmentation by retrieval: labels are a weighted mean of the neighbours'.

Reference: Balazevic et al., NeurIPS 2023 (Hummingbird); open-hummingbird-eval.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.frozen_dense.maps import up
from ssl_bench.frozen_dense.patches import label_patches

VOID = 255  # label of pixels without a class
QUERIES = 1024  # rows of a block of similarities


def label_shares(masks: Tensor, patch: int, classes: int) -> Tensor:
    """Share of the pixels of each class, (B, h, w, K) float32.

    Args:
        masks (Tensor): (B, H, W) int64; 255 counts as class 0, as in the
            official program (on Cityscapes that is road).
        patch (int): Side of a patch, pixels.
        classes (int): K.
    """
    batch, height, width = masks.shape
    rows = shares_of(label_patches(masks, patch), classes)
    return rows.reshape(batch, height // patch, width // patch, classes)


def shares_of(pixels: Tensor, classes: int, void_class: int = 0) -> Tensor:
    """Share of each class among the pixels (N, M) of patches, (N, K).

    Args:
        pixels (Tensor): Labels below K, or 255.
        classes (int): K.
        void_class (int): Class that 255 counts as.
    """
    labels = pixels.long()
    labels = torch.where(labels == VOID, void_class, labels)
    counts = torch.zeros(len(labels), classes, device=labels.device)
    ones = counts.new_ones(1, 1).expand(labels.shape)
    return counts.scatter_add_(1, labels, ones) / labels.shape[1]


def patches_kept(memory: int, images: int, epochs: int = 1) -> int:
    """Patches of each image in a memory of bounded size, at least 1."""
    return max(1, memory // (images * epochs))


def scarce_patches(shares: Tensor, count: int, draws: Tensor) -> Tensor:
    """Indices of the patches that a bounded memory keeps of an image.

    A patch's score is the sum, over the classes in it, of the number of the
    image's patches with that class, times a uniform draw; the lowest stay.

    Args:
        shares (Tensor): (N, K), `label_shares` of one image.
        count (int): Patches kept.
        draws (Tensor): (N,) in 0..1.

    Returns:
        Tensor: (count,) in order of rising score.
    """
    return (patch_scores(shares) * draws).topk(count, largest=False).indices


def patch_scores(shares: Tensor) -> Tensor:
    """Patches with the classes of each patch (N, K), summed: (N,)."""
    present = (shares > 0).to(shares)
    return (present * present.sum(0)).sum(1)


def soft_labels(
    memory: Tensor,
    labels: Tensor,
    queries: Tensor,
    neighbours: int = 30,
    temperature: float = 0.02,
) -> Tensor:
    """Label shares of the queries.

    Args:
        memory (Tensor): (N, D), unit rows.
        labels (Tensor): (N, K), `label_shares` of them.
        queries (Tensor): (Q, D), of any length.
        neighbours (int): k.
        temperature (float): Of the softmax over the neighbours' cosines.

    Returns:
        Tensor: (Q, K).
    """
    found = []
    for part in queries.split(QUERIES):
        cosine, index = (F.normalize(part) @ memory.T).topk(neighbours)
        found.append(weighted(cosine, labels[index], temperature))
    return torch.cat(found)


def weighted(cosine: Tensor, shares: Tensor, temperature: float) -> Tensor:
    """Mean of the neighbours' shares (Q, k, K), weighted, (Q, K).

    Args:
        cosine (Tensor): (Q, k), of the neighbours.
        shares (Tensor): Of their labels.
        temperature (float): Of the softmax over the k cosines.
    """
    weights = (cosine / temperature).softmax(1)
    return (weights[..., None] * shares).sum(1)


def segment(shares: Tensor, size: int) -> Tensor:
    """Label shares (B, S, S, K) to classes (B, size, size)."""
    return up(shares.permute(0, 3, 1, 2), (size, size)).argmax(1)
