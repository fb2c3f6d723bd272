"""Are the masks of a segmentation set as they should be?"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from ssl_bench.tasks.annotation_rules import mask_fault
from ssl_bench.tasks.datasets import Dataset


class Pair(NamedTuple):
    """An image and the mask that belongs to it."""

    image: Path
    mask: Path


def mask_pairs(dataset: Dataset, root: Path) -> list[Pair]:
    """Every image of a segmentation set with its mask, there or not."""
    pairs: list[Pair] = []
    for path in dataset.paths:
        full = root / path
        if '/ImageSets/Segmentation/' in path:
            maps = (
                'SegmentationClassAug'
                if full.stem == 'aug'
                else 'SegmentationClass'
            )
            home = full.parents[2]
            pairs += [
                Pair(
                    home / f'JPEGImages/{name}.jpg',
                    home / f'{maps}/{name}.png',
                )
                for name in full.read_text().split()
            ]
        elif path.startswith('ade/') and '/images/' in path:
            masks = full.parents[1] / 'annotations' / full.name
            pairs += [
                Pair(image, masks / f'{image.stem}.png')
                for image in sorted(full.glob('*.jpg'))
            ]
        elif path.startswith('cityscapes/leftImg8bit/'):
            masks = root / 'cityscapes/gtFine' / full.name
            for image in sorted(full.glob('*/*_leftImg8bit.png')):
                name = image.name.replace(
                    'leftImg8bit', 'gtFine_labelTrainIds'
                )
                pairs.append(Pair(image, masks / image.parent.name / name))
    return pairs


def mask_problems(pairs: list[Pair], labels: int) -> Iterator[str]:
    """Open each mask and name those that are of no use.

    An image's own faults are met where images are opened.

    Args:
        pairs (list[Pair]): Files that are there.
        labels (int): Labels are below this, or 255.
    """
    for pair in pairs:
        try:
            with Image.open(pair.image) as image:
                shape = image.size[::-1]
        except (OSError, UnidentifiedImageError, ValueError):
            continue
        try:
            with Image.open(pair.mask) as mask:
                values = np.asarray(mask)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            yield f'{pair.mask} cannot be decoded: {error}'
            continue
        fault = mask_fault(values, shape, labels)
        if fault is not None:
            yield f'the mask {pair.mask} {fault}'
