"""What makes an annotation or a mask of no use. Imports no toolkit."""

from typing import Any

import numpy as np

NO_AREA = 'boxes of no area'
NO_MASK = 'objects without mask'
OUTSIDE = 'boxes outside their image'
IGNORED = 255  # label of pixels that do not count


def annotation_fault(ann: dict[str, Any], image: dict[str, Any]) -> str | None:
    """Why an annotation of COCO's form is of no use; None when it is.

    mmdet passes over the boxes that are named here without a word.

    Args:
        ann (dict): One of ``annotations``.
        image (dict): Its row of ``images``.
    """
    x, y, width, height = ann['bbox']
    if width < 1 or height < 1 or ann.get('area', 1) <= 0:
        return NO_AREA
    if min(x + width, image['width']) <= max(x, 0) or min(
        y + height, image['height']
    ) <= max(y, 0):
        return OUTSIDE
    if not ann.get('segmentation'):
        return NO_MASK
    return None


def mask_fault(mask: np.ndarray, shape: tuple, classes: int) -> str | None:
    """Why a mask is of no use; None when it is.

    Args:
        mask (np.ndarray): Labels, (H, W) of its image.
        shape (tuple): (H, W) of the image.
        classes (int): Labels are below this, or 255.
    """
    if mask.shape != tuple(shape):
        return f'is {mask.shape}, its image {tuple(shape)}'
    beyond = mask[(mask >= classes) & (mask != IGNORED)]
    if beyond.size:
        return (
            f'has the label {beyond.max()}; this task knows 0 to '
            f'{classes - 1}, and {IGNORED} for what is ignored'
        )
    return None
