"""The neck between a frozen backbone and a linear classifier."""

import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.layers.global_bn import GlobalBatchNorm


@MODELS.register_module()
class NormedPoolNeck(nn.Module):
    """Average a feature map to a few numbers and normalise them.

    VISSL (Goyal et al., ICCV 2019) averages layer4's 7x7 map with a window
    of 6 at stride 1 to 2x2, 8192 numbers for a ResNet-50, and puts a batch
    norm without scale and shift before the linear layer.

    Args:
        channels (int): C of the map.
        window (int, optional): Side of the window; the whole map when None.
        cells (int): Windows that fit the map, 4 of 6 in 7x7; 1 with None.
    """

    def __init__(
        self, channels: int, window: int | None = 6, cells: int = 4
    ) -> None:
        super().__init__()
        self.window = window
        self.features = channels * (1 if window is None else cells)
        self.norm = GlobalBatchNorm(self.features, affine=False)

    def init_weights(self) -> None:
        """Nothing to draw."""

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Of (B, C, H, W) each to (B, features)."""
        return tuple(self.norm(self._pool(value)) for value in maps)

    def _pool(self, value: Tensor) -> Tensor:
        if self.window is None:
            return value.mean(dim=(2, 3))
        return F.avg_pool2d(value, self.window, stride=1).flatten(1)
