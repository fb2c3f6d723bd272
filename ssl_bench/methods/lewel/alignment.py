"""Alignment maps, and the neck that gathers features under them (LEWEL)."""

from typing import Any

import torch
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.layers.dense_heads import DenseMLP
from ssl_bench.layers.precision import unit

Pair = tuple[Tensor, Tensor]
# normal of std sqrt(2 / out_channels), as the released code starts its heads
HEAD_INIT = dict(type='Kaiming', layer='Conv2d')


def alignment_maps(perpixel: Tensor, scale: float = 1.0) -> Tensor:
    """Where each channel looks: softmax over positions of unit columns.

    Args:
        perpixel (Tensor): Projections of every position, (N, K, S). Each
            position's K-vector is normalised as a whole, not per head.
        scale (float): Divisor before the softmax.

    Returns:
        Tensor: (N, K, S), each row summing to 1.
    """
    return (unit(perpixel) / scale).softmax(dim=2)


def gather_aligned(features: Tensor, maps: Tensor, num_heads: int) -> Tensor:
    """Sum features under the maps, one group of maps per channel group.

    Vector j takes head i's channels under map ``i * K / heads + j``.

    Args:
        features (Tensor): (N, C, S).
        maps (Tensor): (N, K, S).
        num_heads (int): Groups, dividing C and K.

    Returns:
        Tensor: (N, C, K / heads).
    """
    grouped = features.unflatten(1, (num_heads, -1))  # (N, h, C/h, S)
    weights = maps.unflatten(1, (num_heads, -1))  # (N, h, M, S)
    return (grouped @ weights.transpose(2, 3)).flatten(1, 2)  # (N, C, M)


@MODELS.register_module()
class LEWELNeck(BaseModule):
    """Global and aligned embeddings of a feature map (Sec. 3.2).

    One projector sees the pooled feature and every position in a single
    call, so that its norm layer mixes their statistics. Its output for the
    positions gives the alignment maps. A second projector embeds the features
    gathered under the maps.

    Args:
        in_channels (int): C of the feature map.
        hid_channels (int): Hidden channels of both projectors.
        out_channels (int): K, width of the embeddings and number of maps.
        num_heads (int): Channel groups; M = K / num_heads embeddings.
        scale (float): See `alignment_maps`.
        num_layers (int): Convolutions of each projector.
        norm_cfg (dict): Norm layers.
        init_cfg (dict | list, optional): mmengine's initialisation.

    Raises:
        UserError: Heads that do not divide C or K.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        num_heads: int = 4,
        scale: float = 1.0,
        num_layers: int = 2,
        norm_cfg: dict = dict(type='BN'),
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, width in (
            ('in_channels', in_channels),
            ('out_channels', out_channels),
        ):
            if num_heads < 1 or width % num_heads:
                raise UserError(
                    f'LEWELNeck: num_heads {num_heads} does not divide '
                    f'{name} {width}. Choose a divisor of both widths.'
                )
        sizes: dict[str, Any] = dict(
            in_channels=in_channels,
            hid_channels=hid_channels,
            out_channels=out_channels,
            num_layers=num_layers,
            bias=False,
            norm_cfg=norm_cfg,
            init_cfg=HEAD_INIT,
        )
        self.proj = DenseMLP(**sizes)
        self.proj_obj = DenseMLP(**sizes)
        self.num_heads, self.scale = num_heads, scale
        self.in_channels, self.out_channels = in_channels, out_channels
        self.num_maps = out_channels // num_heads

    def project(self, features: Tensor) -> Pair:
        """(N, C, S) to the global (N, K, 1) and per-pixel (N, K, S) part."""
        pooled = features.mean(2, keepdim=True)
        tokens = self.proj(torch.cat([pooled, features], 2))  # (N, K, 1 + S)
        return tokens[..., :1], tokens[..., 1:]

    def maps(self, feature_map: Tensor) -> Tensor:
        """Alignment maps (N, K, H, W) of a feature map (N, C, H, W)."""
        perpixel = self.project(feature_map.flatten(2))[1]
        return alignment_maps(perpixel, self.scale).unflatten(
            2, feature_map.shape[2:]
        )

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> Pair:
        """Feature map (N, C, H, W), or a backbone's tuple that ends with it.

        Returns:
            tuple[Tensor, Tensor]: (N, K, 1) global and (N, K, M) aligned.
        """
        features = inputs[-1] if isinstance(inputs, tuple) else inputs
        features = features.flatten(2)
        whole, perpixel = self.project(features)
        maps = alignment_maps(perpixel, self.scale)
        gathered = gather_aligned(features, maps, self.num_heads)
        return whole, self.proj_obj(gathered)
