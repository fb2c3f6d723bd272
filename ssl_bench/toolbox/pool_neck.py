"""The neck between a frozen backbone and a linear classifier."""

import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.layers.global_bn import GlobalBatchNorm


@MODELS.register_module()
class NormedPoolNeck(nn.Module):
    """Average a feature map to a few cells, and normalise its channels.

    References: VISSL (Goyal et al., ICCV 2019; ``feature_extractor.py`` and
        the head ``eval_mlp``) averages layer4's 7x7 map with a window of 6 at
        stride 1 to 2x2, normalises the 2048 channels over batch and cells,
        with scale and shift, and flattens to 8192 numbers. OpenMMLab's
        ``MultiClsHead`` does the same without scale and shift.

    Args:
        channels (int): C of the map.
        window (int, optional): Side of the window; the whole map when None.
        affine (bool): Whether scale and shift are learned.
    """

    def __init__(
        self, channels: int, window: int | None = 6, affine: bool = True
    ) -> None:
        super().__init__()
        self.window = window
        self.norm = GlobalBatchNorm(channels, affine=affine)

    def init_weights(self) -> None:
        """Nothing to draw."""

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Of (B, C, H, W) each to (B, C * cells), channel by channel."""
        return tuple(self.norm(self._pool(value)).flatten(1) for value in maps)

    def _pool(self, value: Tensor) -> Tensor:
        if self.window is None:
            return value.mean(dim=(2, 3), keepdim=True)
        return F.avg_pool2d(value, self.window, stride=1)
