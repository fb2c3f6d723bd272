"""Crops that a paper draws otherwise than mmpretrain."""

from math import exp, log, sqrt

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmpretrain.datasets import RandomResizedCrop
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class OneTryCrop(RandomResizedCrop):
    """A random resized crop whose sides are cut to the image's.

    mmpretrain's draws again, up to 10 times, while a side is too long, and
    then takes the middle of the image. The linear probes of MAE
    (``util/crop.py``) and SiameseIM take what the first draw leaves within
    the image.

    Args:
        As mmpretrain's ``RandomResizedCrop``; ``max_attempts`` is unused.
    """

    @cache_randomness
    def rand_crop_params(self, img: np.ndarray) -> tuple[int, int, int, int]:
        """Draw top, left, height and width for an image (H, W, 3)."""
        height, width = img.shape[:2]
        area = height * width * np.random.uniform(*self.crop_ratio_range)
        low, high = self.aspect_ratio_range
        aspect = exp(np.random.uniform(log(low), log(high)))
        w = min(max(round(sqrt(area * aspect)), 1), width)
        h = min(max(round(sqrt(area / aspect)), 1), height)
        return (
            np.random.randint(height - h + 1),
            np.random.randint(width - w + 1),
            h,
            w,
        )
