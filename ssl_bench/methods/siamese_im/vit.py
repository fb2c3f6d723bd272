"""Vision transformer parts over mmpretrain's blocks."""

import torch
from mmengine.model import ModuleList
from mmpretrain.models import VisionTransformer
from mmpretrain.models.backbones.vision_transformer import (
    TransformerEncoderLayer,
)
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.layers.global_bn import GlobalBatchNorm
from ssl_bench.methods.siamese_im.block_mask import patch_grid
from ssl_bench.methods.siamese_im.sincos import sincos_table


@MODELS.register_module('TokenBN')
class TokenBatchNorm(GlobalBatchNorm):
    """Batch normalisation of tokens: statistics over samples and tokens.

    SiameseIM's 'PermuteBN'; cls, patch and mask tokens share the statistics.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise tokens (B, T, C) per channel."""
        return super().forward(x.flatten(0, 1)).view_as(x)


def transformer_blocks(
    depth: int, channels: int, num_heads: int, norm_cfg: dict
) -> ModuleList:
    """Pre-norm transformer blocks of MLP ratio 4.

    Raises:
        ValueError: The heads do not divide the channels.
    """
    check_heads(channels, num_heads)
    return ModuleList(
        [
            TransformerEncoderLayer(
                channels, num_heads, 4 * channels, norm_cfg=norm_cfg
            )
            for _ in range(depth)
        ]
    )


def check_heads(channels: int, num_heads: int) -> None:
    """Refuse heads that do not divide the channels."""
    if num_heads < 1 or channels % num_heads:
        raise ValueError(
            f'{num_heads} heads do not divide {channels} '
            'channels; change one of them.'
        )


def init_linears(module: nn.Module) -> None:
    """Xavier-uniform weights (a fused qkv as one matrix), zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


@MODELS.register_module()
class SincosViT(VisionTransformer):
    """mmpretrain's ViT with a fixed table of positions and dropped patches.

    The table codes the row first; no norm follows the last block; the patch
    embedding stays at its random initialisation.

    Args:
        arch (str | dict): As `mmpretrain.models.VisionTransformer`.
        img_size (int): Side of a view in pixels.
        patch_size (int): Side of a patch in pixels.
        train_patch_embed (bool): Train the patch embedding after all.
        drop_path_rate (float): Stochastic depth of the last block.

    Raises:
        ValueError: Patches do not divide the view, or heads the channels.
    """

    def __init__(
        self,
        arch='base',
        img_size: int = 224,
        patch_size: int = 16,
        train_patch_embed: bool = False,
        drop_path_rate: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        grid = patch_grid(img_size, patch_size)
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            drop_path_rate=drop_path_rate,
            final_norm=False,
            out_type='raw',
            init_cfg=init_cfg,
        )
        check_heads(self.embed_dims, self.arch_settings['num_heads'])
        self.grid = grid
        self.pos_embed.requires_grad_(False)
        self.pos_embed.data.copy_(sincos_table(self.embed_dims, self.grid))
        self.patch_embed.requires_grad_(train_patch_embed)

    def init_weights(self) -> None:
        """Xavier for matrices, the patch filter among them."""
        super().init_weights()
        if (self.init_cfg or {}).get('type') == 'Pretrained':
            return
        init_linears(self)
        nn.init.xavier_uniform_(self.patch_embed.projection.weight.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)
        self.pos_embed.data.copy_(sincos_table(self.embed_dims, self.grid))

    def forward(
        self, x: Tensor, visible: Tensor | None = None
    ) -> tuple[Tensor]:
        """Encode an image, or some of its patches.

        Args:
            x (Tensor): (B, 3, H, W).
            visible (Tensor, optional): Indices of the patches kept, (B, V).

        Returns:
            tuple[Tensor]: (B, 1 + V, D), cls first.
        """
        x = self.patch_embed(x)[0] + self.pos_embed[:, 1:]  # (B, L, D)
        if visible is not None:
            x = x.gather(1, visible[..., None].expand(-1, -1, x.shape[-1]))
        cls = self.cls_token + self.pos_embed[:, :1]
        x = torch.cat([cls.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        for layer in self.layers:
            x = layer(x)
        return (x,)
