"""A random crop of an image and its mask, resized."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F


@TRANSFORMS.register_module()
class RandomResizedMaskCrop(BaseTransform):
    """torchvision's ``RandomResizedCrop`` of an image and its label map.

    The image is resized with Pillow's bilinear filter, which is antialiased,
    the label map by the nearest pixel.

    Args:
        size (Sequence[int]): (h, w) of the result, pixels.
        area (Sequence[float]): Least and largest share of the image's area.
        ratio (Sequence[float]): Least and largest width over height.
    """

    def __init__(
        self,
        *,
        size: Sequence[int],
        area: Sequence[float],
        ratio: Sequence[float],
    ) -> None:
        self.size = list(size)
        self.area, self.ratio = list(area), list(ratio)

    @cache_randomness
    def draw(self, image: Image.Image) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop."""
        return RandomResizedCrop.get_params(image, self.area, self.ratio)

    def transform(self, results: dict) -> dict:
        """Crop ``img`` (H, W, 3) and the maps of ``seg_fields`` (H, W)."""
        image = Image.fromarray(results['img'])
        place = self.draw(image)
        results['img'] = np.asarray(
            F.resized_crop(
                image, *place, self.size, InterpolationMode.BILINEAR
            )
        )
        for name in results.get('seg_fields', []):
            mask = Image.fromarray(results[name])
            results[name] = np.asarray(
                F.resized_crop(
                    mask, *place, self.size, InterpolationMode.NEAREST
                )
            )
        results['img_shape'] = tuple(self.size)
        return results
