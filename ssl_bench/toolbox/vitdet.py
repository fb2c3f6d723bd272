"""ViTDet: a plain vision transformer under a detector's heads."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule, ModuleList
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.backbones.vit_sam import (
    TransformerEncoderLayer,
    ViTSAM,
    window_partition,
    window_unpartition,
)
from mmpretrain.models.utils import build_norm_layer
from torch import Tensor, nn

import ssl_bench.toolbox.layer_decay  # noqa: F401  registers

CHANNEL_NORM = dict(type='mmpretrain.LN2d', eps=1e-6)


class DropPathBlock(TransformerEncoderLayer):
    """mmpretrain's block with stochastic depth on both of its branches."""

    def forward(self, x: Tensor) -> Tensor:
        """Tokens of a map, (B, H, W, D), to the same shape."""
        height, width = x.shape[1:3]
        y = self.ln1(x)
        if self.window_size > 0:
            y, padded = window_partition(y, self.window_size)
        y = self.attn(y)
        if self.window_size > 0:
            y = window_unpartition(
                y, self.window_size, padded, (height, width)
            )
        x = x + self.ffn.dropout_layer(y)
        return self.ffn(self.ln2(x), identity=x)


@MODELS.register_module()
class ViTDet(ViTSAM):
    """Plain ViT whose blocks attend in windows, but for a few.

    Reference: Li et al., ECCV 2022, Sec. 3; Detectron2's ViTDet project.
    Deviations: from mmpretrain's `ViTSAM`, which gives the blocks, the
        windows and the relative positions: stochastic depth on both
        branches, and a position table that keeps the size it was pretrained
        at and is resized bicubically in every step, as Detectron2's is.
        There is no class token and no final norm.

    Args:
        arch (str | dict): As `ViTSAM`; a dict names ``embed_dims``,
            ``num_layers``, ``num_heads``, ``feedforward_channels`` and
            ``global_attn_indexes``.
        img_size (int): Side of the padded images, pixels; decides how many
            relative positions a global block knows.
        table_size (int): Side of the images that the position table is for.
        patch_size (int): Side of a patch, pixels.
        window_size (int): Side of a window, patches.
        drop_path_rate (float): Stochastic depth of the last block; those
            before have less, linearly.
        init_cfg (dict, optional): Initialisation of the weights.
    """

    def __init__(
        self,
        arch: str | dict = 'base',
        img_size: int = 1024,
        table_size: int = 224,
        patch_size: int = 16,
        window_size: int = 14,
        drop_path_rate: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            out_channels=0,
            use_abs_pos=True,
            use_rel_pos=True,
            window_size=window_size,
            drop_path_rate=drop_path_rate,
            init_cfg=init_cfg,
        )
        for layer in self.layers:
            layer.__class__ = DropPathBlock
        self.patch_resolution = (table_size // patch_size,) * 2
        self.pos_embed: nn.Parameter = nn.Parameter(
            torch.zeros(1, *self.patch_resolution, self.embed_dims)
        )

    def init_weights(self) -> None:
        """Truncated normal of 0.02; relative positions start at zero."""
        super().init_weights()
        trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Maps of several strides from the last map of a plain ViT.

    Reference: Li et al., ECCV 2022, Sec. 3 and Fig. 2: transposed
        convolutions and max pooling make the strides, then each map gets a
        1x1 and a 3x3 convolution, each followed by layer norm over channels
        and by no activation. One more map is the last, subsampled by 2.
        Convolutions start as torch's do, as in Detectron2.

    Args:
        in_channels (int): D of the backbone's map.
        out_channels (int): Of every map that is returned.
        norm_cfg (dict): Norm over channels.
        scales (Sequence[float]): Side of each map over that of the
            backbone's, powers of 2. The stride of a map is the backbone's
            over its scale.
        init_cfg (dict, optional): Initialisation of the weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        norm_cfg: dict = CHANNEL_NORM,
        scales: Sequence[float] = (4, 2, 1, 0.5),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.scales = ModuleList(
            [rescaled(in_channels, scale, norm_cfg) for scale in scales]
        )
        self.convs = ModuleList(
            [
                nn.Sequential(
                    *(
                        ConvModule(
                            width,
                            out_channels,
                            side,
                            padding=side // 2,
                            norm_cfg=norm_cfg,
                            act_cfg=None,
                        )
                        for width, side in ((channels, 1), (out_channels, 3))
                    )
                )
                for channels in (
                    int(in_channels // max(scale, 1)) for scale in scales
                )
            ]
        )

        for module in self.convs.modules():  # mmcv's start otherwise
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()

    def forward(self, x: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The backbone's one map, (B, D, H, W).

        Returns:
            tuple[Tensor]: Maps (B, out_channels, h, w): h is H times each
            scale, and at the end half of the last one's, rounded up.
        """
        maps = [
            conv(scale(x[-1])) for scale, conv in zip(self.scales, self.convs)
        ]
        return (*maps, F.max_pool2d(maps[-1], 1, stride=2))


def rescaled(channels: int, scale: float, norm_cfg: dict) -> nn.Module:
    """A map of another side: ``channels`` over the scale, if it is larger.

    Args:
        channels (int): Of the map.
        scale (float): A power of 2. Above 1 each doubling is a transposed
            convolution that halves the channels; below, max pooling.
        norm_cfg (dict): Norm between two of those convolutions.
    """
    if scale < 1:
        return nn.MaxPool2d(round(1 / scale))
    layers: list[nn.Module] = []
    while scale > 1:
        if layers:
            layers += [build_norm_layer(norm_cfg, channels), nn.GELU()]
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 2, stride=2))
        channels, scale = channels // 2, scale / 2
    if len(layers) > 1:
        return nn.Sequential(*layers)
    return layers[0] if layers else nn.Identity()
