"""Steps that images with depth maps go through in training."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from ssl_bench.frozen_dense.depth_scores import border_rectangle


@TRANSFORMS.register_module()
class CropNyuBorder(BaseTransform):
    """Take the white border of NYUv2 away, `border_rectangle`."""

    def transform(self, results: dict) -> dict:
        """Crop ``img`` and the maps of ``seg_fields``."""
        rows, columns = border_rectangle(*results['img'].shape[:2])
        for key in ('img', *results['seg_fields']):
            results[key] = results[key][rows, columns]
        results['img_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class GammaAndColours(BaseTransform):
    """Change gamma, brightness and the balance of colours.

    Reference: Bhat et al., CVPR 2021 (AdaBins); DINOv2, linear depth. On
        values from 0 to 255: ``clip(x ** gamma * brightness * colour)``,
        a colour for each channel.

    Args:
        prob (float): Of a change.
        gamma, brightness, colour (tuple[float, float]): Ranges that are
            drawn from uniformly.
    """

    def __init__(
        self,
        *,
        prob: float,
        gamma: tuple[float, float],
        brightness: tuple[float, float],
        colour: tuple[float, float],
    ) -> None:
        self.prob = prob
        self.gamma, self.brightness, self.colour = gamma, brightness, colour

    @cache_randomness
    def _draw(self) -> tuple[float, np.ndarray] | None:
        """The power, and a factor for each channel; None: no change."""
        if np.random.rand() >= self.prob:
            return None
        gamma = np.random.uniform(*self.gamma)
        brightness = np.random.uniform(*self.brightness)
        return gamma, brightness * np.random.uniform(*self.colour, size=3)

    def transform(self, results: dict) -> dict:
        """Change ``img``, (H, W, 3), which becomes float32."""
        image = results['img'].astype(np.float32)
        drawn = self._draw()
        if drawn is not None:
            gamma, factors = drawn
            image = np.clip(
                image**gamma * factors.astype(np.float32), 0, 255
            ).astype(np.float32)
        results['img'] = image
        return results
