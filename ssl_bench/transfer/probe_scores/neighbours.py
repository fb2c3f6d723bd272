"""Votes of the nearest training images."""

import torch
import torch.nn.functional as F
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.together import from_all, mine

QUERIES, BLOCK = 512, 8192  # rows that meet in one product


def nearest(
    train: Features, queries: list[Tensor], neighbours: int
) -> list[tuple[Tensor, Tensor]]:
    """Cosines and labels of the nearest training images.

    The training features are read once, in blocks.

    Args:
        train (Features): Normalised here.
        queries (list[Tensor]): (Q, D) of unit length each.
        neighbours (int): k.

    Returns:
        list[tuple[Tensor, Tensor]]: For each of ``queries`` (Q, k) and
        (Q, k), the nearest first.
    """
    if not queries:
        return []
    best: list[tuple[Tensor, Tensor]] = []
    device = queries[0].device
    for start in range(0, len(train.labels), BLOCK):
        rows = train.features[start : start + BLOCK].to(device)  # (b, D)
        labels = train.labels[start : start + BLOCK].to(device)
        bank = F.normalize(rows, dim=1).T
        for number, query in enumerate(queries):
            found, index = (query @ bank).topk(
                min(neighbours, len(labels)), dim=1
            )
            label = labels[index]
            if not start:
                best.append((found, label))
                continue
            found = torch.cat([best[number][0], found], dim=1)
            label = torch.cat([best[number][1], label], dim=1)
            found, index = found.topk(min(neighbours, found.shape[1]), dim=1)
            best[number] = found, label.gather(1, index)
    return best


def votes_of(
    similarity: Tensor, labels: Tensor, classes: int, temperature: float
) -> Tensor:
    """Votes of neighbours.

    Reference: Wu et al., CVPR 2018, Sec. 3.4: each of the k nearest gives
        its class exp(cosine / temperature). Here all of a query's are
        divided by the largest, which would be infinite for small
        temperatures.

    Args:
        similarity (Tensor): (Q, k) cosines.
        labels (Tensor): (Q, k).
        classes (int): C.
        temperature (float): 0.07 in the paper.

    Returns:
        Tensor: (Q, C) sums of weights.
    """
    largest = similarity.amax(dim=1, keepdim=True)
    weight = ((similarity - largest) / temperature).exp()  # (Q, k)
    return weight.new_zeros(len(weight), classes).scatter_add_(
        1, labels, weight
    )


def knn(
    train: Features,
    test: Features,
    neighbours: list,
    headline: int,
    temperature: float = 0.07,
    per_class: int | None = None,
    tries: int = 1,
) -> dict[str, float]:
    """Top-1 for several k, percent.

    Each process has a part of the queries, in the products that one process
    would form: the numbers are the same.

    Reference: with few images of a class: DINOv2, ``eval/knn.py``. No k is
        above their number, which is itself a k; the mean of the draws.

    Args:
        train, test (Features): With class indices.
        neighbours (list[int]): Every k that is reported, as ``top1_kK``.
        headline (int): The k that is ``top1``; with few images of a class at
            most their number.
        temperature (float): Of the vote.
        per_class (int, optional): Training images of each class that are
            used; all when None.
        tries (int): How often they are drawn, with seeds 0, 1 and so on.

    Raises:
        UserError: More neighbours than training images, or a number of
            images or draws below 1.
    """
    if per_class is None:
        return _knn(train, test, neighbours, headline, temperature)
    for name, value in (('per_class', per_class), ('tries', tries)):
        if type(value) is not int or value < 1:
            raise UserError(
                f'probe.{name} must be 1 or more, a whole number, not '
                f'{value!r}.'
            )
    few = [k for k in neighbours if k <= per_class]
    found = []
    for seed in range(tries):
        rows = draw_few(train.labels, per_class, seed)
        part = Features(train.features[rows], train.labels[rows])
        found.append(
            _knn(
                part,
                test,
                [*few, per_class],
                min(headline, per_class),
                temperature,
            )
        )
    return {name: sum(one[name] for one in found) / tries for name in found[0]}


def draw_few(labels: Tensor, count: int, seed: int) -> Tensor:
    """Rows of a few images of each class, class by class.

    Reference: DINOv2, ``eval/knn.py``: torch's permutation of each class's
        rows, all from one seed.

    Args:
        labels (Tensor): (N,).
        count (int): Of each class; of one that has fewer all.
        seed (int): Of the draw.
    """
    draw = torch.Generator().manual_seed(seed)
    parts = []
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        parts.append(rows[torch.randperm(len(rows), generator=draw)[:count]])
    return torch.cat(parts)


def _knn(
    train: Features,
    test: Features,
    neighbours: list[int],
    headline: int,
    temperature: float,
) -> dict[str, float]:
    every = sorted({*neighbours, headline})
    if every[-1] > len(train.labels):
        raise UserError(
            f'{every[-1]} neighbours asked of {len(train.labels)} '
            'training images; lower probe.neighbours.'
        )
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    parts = [
        slice(start, start + QUERIES)
        for start in mine(range(0, len(test.labels), QUERIES))
    ]
    queries = [
        F.normalize(test.features[part].to(get_device()), dim=1)
        for part in parts
    ]
    right = dict.fromkeys(every, 0)
    for part, (similarity, labels) in zip(
        parts, nearest(train, queries, every[-1])
    ):
        wanted = test.labels[part].to(labels.device)
        for k in every:
            votes = votes_of(
                similarity[:, :k], labels[:, :k], classes, temperature
            )
            right[k] += int((votes.argmax(dim=1) == wanted).sum())
    counts = from_all(lambda: right)
    top1 = {
        k: 100 * (sum(count[k] for count in counts) / len(test.labels))
        for k in every
    }
    return dict(
        top1=top1[headline],
        **{f'top1_k{k}': value for k, value in top1.items()},
    )
