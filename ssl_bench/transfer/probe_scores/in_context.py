"""Segmentation by retrieval from a memory of patches (Hummingbird)."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.engine.progress import ProgressLine
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.in_context import (
    patches_kept,
    scarce_patches,
    segment,
    shares_of,
    weighted,
)
from ssl_bench.frozen_dense.miou import (
    confusion,
    matched,
    miou,
    require_pixels,
)
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores.patch_data import (
    Patches,
    blocks,
    in_parts,
    places,
)
from ssl_bench.transfer.probe_scores.patch_knn import (
    HELD,
    QUERIES,
    VOTERS,
    nearest,
)
from ssl_bench.transfer.together import from_all, mine

IMAGES = 16  # training images whose patches are scored at once


def in_context(
    train: Features,
    test: Features,
    *,
    classes: int,
    k: int,
    temperature: float,
    memory_size: int | None,
    void_class: int,
    ignore: Sequence[int],
    variant: str,
    seed: int,
) -> dict[str, float]:
    """mIoU of labels that are retrieved from a memory, percent.

    The memory holds patches of the training images with the shares of their
    pixels' classes. A patch gets the mean of its k nearest, weighted by a
    softmax over their cosines; the shares are resized to the image.

    Reference: Balazevic et al., NeurIPS 2023 (Hummingbird), as in
        open-hummingbird-eval. The search is exact; there it is approximate.

    Args:
        train, test (Features): Of patches, with masks.
        classes (int): K; labels of masks are below this, or 255.
        k (int): Neighbours.
        temperature (float): Of the softmax.
        memory_size (int, optional): Patches, about; of each training image
            as many are kept, those with scarce classes first. None: all.
        void_class (int): What 255 counts as in the memory.
        ignore (Sequence[int]): Labels of test pixels that do not count.
        variant (str): Of `ssl_bench.frozen_dense.miou.miou`.
        seed (int): Of the draw of what is kept.

    Returns:
        dict: ``mIoU``, and ``mIoU_matched``: with predicted classes renamed
        so that it is largest, as the official program prints it. After a
        slash, the patches in the memory.

    Raises:
        UserError: More neighbours than patches in the memory, no test pixel
            that counts, or one whose label is no class.
    """
    bank = Patches(train)
    images = len(train.labels)
    check_memory(k, memory_size, images, len(bank) // images)
    bank.rows = memory(bank, classes, memory_size, void_class, seed)
    parts = mine(image_blocks(test))

    def own() -> Tensor:
        total = torch.zeros(classes, classes, dtype=torch.int64)
        line = ProgressLine('blocks of test images', len(parts))
        for start in range(0, len(parts), HELD):
            held = parts[start : start + HELD]
            for images, shares in zip(
                held,
                retrieved(
                    bank, test, held, k, void_class, classes, temperature
                ),
            ):
                total += scored(shares, test, images, ignore)
            line.update(start + len(held))
        return total

    matrix = torch.stack(from_all(own)).sum(0)
    require_pixels(matrix, 'test')
    return {
        'mIoU': 100 * miou(matrix, variant),
        'mIoU_matched': 100 * miou(matched(matrix), variant),
        'memory/patches': float(len(bank)),
    }


def check_memory(k: int, size: int | None, images: int, patches: int) -> None:
    """Are there as many patches in a memory as are asked of it?

    Args:
        k (int): Neighbours.
        size (int, optional): Of the memory, as it is asked for.
        images (int): In training, over all epochs.
        patches (int): Of each.

    Raises:
        UserError: There are fewer.
    """
    kept = (
        patches if size is None else min(patches, patches_kept(size, images))
    )
    if k > kept * images:
        raise UserError(
            f'{k} neighbours asked of a memory of {kept * images} patches; '
            'lower probe.k, or raise probe.memory_size.'
        )


def memory(
    bank: Patches, classes: int, size: int | None, void_class: int, seed: int
) -> Tensor:
    """Rows of the training patches that are remembered, (M,), rising.

    Every process gets all of them.

    Args:
        bank (Patches): All training patches.
        classes, void_class: As `in_context`.
        size (int, optional): Of the memory.
        seed (int): Of torch's CPU generator, which draws a number for each
            patch: image after image, each in reading order.
    """
    images = len(bank.split.labels)
    count = len(bank) // images  # of an image
    kept = count if size is None else patches_kept(size, images)
    if kept >= count:
        return bank.rows
    draws = torch.rand(
        len(bank), generator=torch.Generator().manual_seed(seed)
    )

    def of_images(part: slice) -> Tensor:
        rows = slice(part.start * count, part.stop * count)
        shares = shares_of(bank.labels(places(rows)), classes, void_class)
        found = [
            index * count + scarce_patches(some, kept, draw).sort().values
            for index, some, draw in zip(
                range(part.start, part.stop),
                shares.split(count),
                draws[rows].split(count),
            )
        ]
        return torch.cat(found)

    return torch.cat(in_parts(blocks(images, IMAGES), of_images))


def image_blocks(test: Features) -> list[slice]:
    """Test images in blocks of about `QUERIES` patches."""
    height, width = test.grid or (1, 1)
    size = max(1, QUERIES // (height * width))
    return blocks(len(test.labels), size)


def retrieved(
    bank: Patches,
    test: Features,
    parts: Sequence[slice],
    k: int,
    void_class: int,
    classes: int,
    temperature: float,
) -> list[Tensor]:
    """Label shares of the patches of some test images.

    Args:
        bank (Patches): The memory.
        test (Features): Of patches.
        parts (Sequence[slice]): Blocks of images.
        **others: As `in_context`.

    Returns:
        list[Tensor]: (b, h, w, K) of each block.
    """
    queries = Patches(test)
    height, width = test.grid or (1, 1)
    count = height * width
    rows = [slice(p.start * count, p.stop * count) for p in parts]
    near = nearest(bank, queries, rows, None, k, ['cosine'])['cosine']
    found = []
    for part, (products, index) in zip(rows, near):
        lengths = queries.features(part).norm(dim=1, keepdim=True)
        cosine = products / lengths.clamp_min(1e-12)
        shares = [
            _mean_of(bank, *some, classes, temperature, void_class)
            for some in zip(cosine.split(VOTERS), index.split(VOTERS))
        ]
        found.append(torch.cat(shares).reshape(-1, height, width, classes))
    return found


def _mean_of(
    bank: Patches,
    cosine: Tensor,
    index: Tensor,
    classes: int,
    temperature: float,
    void_class: int,
) -> Tensor:
    """Weighted shares (Q, K) of the neighbours (Q, k)."""
    device: Any = get_device()
    pixels = bank.labels(index.reshape(-1)).to(device)
    shares = shares_of(pixels, classes, void_class)
    return weighted(
        cosine.to(device), shares.reshape(*index.shape, classes), temperature
    )


def scored(
    shares: Tensor, test: Features, images: slice, ignore: Sequence[int]
) -> Tensor:
    """Confusion (K, K) of some test images.

    Args:
        shares (Tensor): (b, h, w, K), of their patches.
        test (Features): With masks.
        images (slice): Which b images.
        ignore (Sequence[int]): As `in_context`.

    Raises:
        UserError: A label is no class, and not ignored.
    """
    masks, classes = test.labels[images], shares.shape[-1]
    beyond = masks[masks >= classes]
    beyond = beyond[~torch.isin(beyond, torch.tensor(list(ignore)))]
    if len(beyond):
        raise UserError(
            f'test masks have the label {int(beyond[0])}, and '
            f'probe.classes={classes} are below {classes}; add it to '
            f'probe.ignore={list(ignore)} if it does not count.'
        )
    found = [
        confusion(
            mask[None],
            segment(some[None], mask.shape[-1]).cpu(),
            classes,
            ignore,
        )
        for mask, some in zip(masks, shares)
    ]
    return torch.stack(found).sum(0)
