"""Resizing by a factor that is drawn from a range."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resize image and label map by one factor, relative to their own size.

    The toolkits' ``RandomResize`` draws a size relative to one that is the
    same for all images, and their ``Resize`` takes a fixed factor.

    Reference: He et al., CVPR 2020, App. A.5 (scales of 0.5 to 2).

    Args:
        ratio_range (tuple[float, float]): The factor is uniform in it.

    Raises:
        ValueError: Not two factors above 0 in rising order.
    """

    def __init__(self, ratio_range: tuple[float, float]) -> None:
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(
                'RandomScale: ratio_range must be two factors above 0 in '
                f'rising order, got {tuple(ratio_range)}.'
            )
        self.ratio_range = (low, high)

    @cache_randomness
    def draw(self) -> float:
        """One factor."""
        return float(np.random.uniform(*self.ratio_range))

    def transform(self, results: dict) -> dict:
        """Resize image, label map and depth map, as mmseg's ``Resize``."""
        return Resize(scale_factor=self.draw())(results)
