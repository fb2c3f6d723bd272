"""Segmentation by the label patches of the nearest patches."""

from collections.abc import Sequence

import torch
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.miou import confusion
from ssl_bench.frozen_dense.patches import Standard, closeness, votes
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores.patch_data import (
    HELD_OUT,
    LABELS,
    TEST,
    Patches,
    blocks,
    learnt,
    places,
    scores,
    split_images,
)
from ssl_bench.transfer.together import from_all, mine

QUERIES = 1024  # rows that meet a block of training rows in one product
HELD = 64  # blocks of queries for which the training rows are read once
VOTERS = 256  # queries whose neighbours vote at once


def patch_knn(
    train: Features,
    test: Features,
    *,
    classes: int,
    neighbours: Sequence[int],
    metrics: Sequence[str],
    ignore: Sequence[int],
    variant: str,
    validation: float,
    split_seed: int,
    standardise: bool,
) -> dict[str, float]:
    """mIoU and pixel accuracy of the neighbours' label patches, percent.

    A pixel of a patch gets the label that is most frequent at this place of
    the patches of its k nearest neighbours. Number and metric are chosen by
    mIoU on images held out, and all training images are then searched.

    Reference: CAPI (Darcet et al., 2025), ``eval_segmentation.py``.

    Args:
        train, test (Features): Of patches, with masks.
        classes (int): Labels of masks are below this, or 255.
        neighbours (Sequence[int]): Every k that may be chosen.
        metrics (Sequence[str]): ``cosine``, ``L2``.
        ignore (Sequence[int]): Labels whose pixels do not count. Training
            patches of which they are the most frequent are left out; a
            patch that stays may vote for them.
        variant (str): Of `ssl_bench.frozen_dense.miou.miou`.
        validation (float): Share of the training images to choose by; 0
            where there is nothing to choose.
        split_seed (int): Of their draw.
        standardise (bool): Zero mean and variance 1 of each channel, over
            the training images that are not held out.

    Returns:
        dict: ``mIoU``, ``aAcc``; after a slash, what was chosen, and mIoU on
        the images held out for each choice.

    Raises:
        UserError: More neighbours than patches, a choice without images to
            choose by, or no pixel that counts.
    """
    every = [(metric, k) for metric in metrics for k in sorted(neighbours)]
    used, held_out = split_images(len(train.labels), validation, split_seed)
    bank = Patches(train, used)
    scaling = bank.standard() if standardise else None
    details = {}
    if len(every) > 1:
        tried = dict(
            zip(
                every,
                matrices(
                    learnt(bank, ignore)[0],
                    Patches(train, held_out),
                    scaling,
                    every,
                    ignore,
                ),
            )
        )
        found = {
            choice: scores(tried[choice], HELD_OUT, classes, variant)['mIoU']
            for choice in every
        }
        details = {
            f'validation/mIoU_{metric}_k{k}': value
            for (metric, k), value in found.items()
        }
        every = [max(every, key=lambda choice: found[choice])]
    (metric, k) = every[0]
    bank = learnt(Patches(train), ignore)[0]
    (matrix,) = matrices(bank, Patches(test), scaling, every, ignore)
    return {
        **scores(matrix, TEST, classes, variant),
        f'chosen/{metric}': 1.0,
        'chosen/k': float(k),
        'chosen/split_seed': float(split_seed),
        **details,
    }


def matrices(
    bank: Patches,
    queries: Patches,
    scaling: Standard | None,
    choices: Sequence[tuple[str, int]],
    ignore: Sequence[int],
) -> list[Tensor]:
    """Confusion (256, 256) of each choice of metric and k.

    All processes call it, and each has some of the queries.
    """
    most = max(k for _, k in choices)
    if most > len(bank):
        raise UserError(
            f'{most} neighbours asked of {len(bank)} training patches whose '
            'label counts; lower probe.neighbours.'
        )
    wanted: dict[str, list[int]] = {}
    for metric, k in choices:
        wanted.setdefault(metric, []).append(k)
    parts = mine(blocks(len(queries), QUERIES))

    def own() -> Tensor:
        total = {
            choice: torch.zeros(LABELS, LABELS, dtype=torch.int64)
            for choice in choices
        }
        for start in range(0, len(parts), HELD):
            held = parts[start : start + HELD]
            found = nearest(bank, queries, held, scaling, most, [*wanted])
            for metric, counts in wanted.items():
                for part, (_, index) in zip(held, found[metric]):
                    matrix = voted(bank, index, queries, part, counts, ignore)
                    for k, some in zip(counts, matrix):
                        total[metric, k] += some
        return torch.stack([total[choice] for choice in choices])

    return [*torch.stack(from_all(own)).sum(0)]


def nearest(
    bank: Patches,
    queries: Patches,
    parts: Sequence[slice],
    scaling: Standard | None,
    count: int,
    metrics: Sequence[str],
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Places of the nearest training patches, the nearest first.

    The training rows are read once, in blocks.

    Returns:
        dict[str, list[tuple[Tensor, Tensor]]]: Of each metric, for each of
        ``parts``, (Q, k) of `closeness` and (Q, k) places in ``bank``.
    """
    device = get_device()

    def rows(patches: Patches, part: slice) -> Tensor:
        found = patches.features(part).to(device)
        return found if scaling is None else scaling(found)

    asked = [rows(queries, part) for part in parts]
    # made first: small results that stay, between large ones that go, split
    # up the memory
    best = {
        metric: [
            (
                query.new_full((len(query), count), -torch.inf),
                torch.zeros(
                    len(query), count, dtype=torch.int64, device=device
                ),
            )
            for query in asked
        ]
        for metric in metrics
    }
    for block in bank.parts():
        given = rows(bank, block)
        for number, query in enumerate(asked):
            for metric, near in closeness(query, given, metrics).items():
                _keep(best[metric][number], near, block.start)
    return {
        metric: [(value.cpu(), index.cpu()) for value, index in found]
        for metric, found in best.items()
    }


def _keep(best: tuple[Tensor, Tensor], near: Tensor, start: int) -> None:
    """Put what is nearer in a block into the nearest so far, (Q, k) each."""
    count = best[0].shape[1]
    value, index = near.topk(min(count, near.shape[1]), dim=1)
    value = torch.cat([best[0], value], dim=1)
    index = torch.cat([best[1], index + start], dim=1)
    value, order = value.topk(count, dim=1)
    best[0].copy_(value)
    best[1].copy_(index.gather(1, order))


def voted(
    bank: Patches,
    index: Tensor,
    queries: Patches,
    part: slice,
    counts: Sequence[int],
    ignore: Sequence[int],
) -> list[Tensor]:
    """Confusion (256, 256) of the votes of the nearest, for each k.

    Args:
        index (Tensor): (Q, k) places in ``bank``.
        part (slice): Which queries these are.
        counts (Sequence[int]): Every k, rising.
    """
    device = get_device()
    total = [torch.zeros(LABELS, LABELS, dtype=torch.int64) for _ in counts]
    truth = queries.labels(places(part))
    for some, label in zip(index.split(VOTERS), truth.split(VOTERS)):
        some = some[:, : counts[-1]]
        voters = bank.labels(some.reshape(-1)).reshape(*some.shape, -1)
        for number, found in enumerate(votes(voters.to(device), counts)):
            total[number] += confusion(label, found.cpu(), LABELS, ignore)
    return total
