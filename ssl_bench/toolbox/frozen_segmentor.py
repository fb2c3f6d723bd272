"""Segmentation by a linear layer on the maps of a frozen backbone."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.heads import LinearMap
from ssl_bench.frozen_dense.losses import pixel_cross_entropy
from ssl_bench.frozen_dense.maps import concatenate, four_layers, pad_to_patch
from ssl_bench.toolbox.timm_backbone import TimmBackbone, plain
from ssl_bench.toolbox.timm_layout import layout_of

LAYERS = ('last', 'four')
PADDINGS = ('around', 'cut')
STAGES = 4  # of a residual network


@MODELS.register_module()
class PixelCrossEntropy(nn.Module):
    """Cross entropy of a label map, with its denominator said.

    Reference: `ssl_bench.frozen_dense.losses.pixel_cross_entropy`.

    Args:
        divide_by (str): ``all`` pixels, the ignored ones too, or ``kept``.
        class_weight (Sequence[float], optional): Of each class; no official
            program has it.
    """

    loss_name = 'loss_ce'

    def __init__(
        self, divide_by: str, class_weight: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if divide_by not in ('all', 'kept'):
            raise unknown_name('divide_by', divide_by, ('all', 'kept'))
        self.divide_by, self.class_weight = divide_by, class_weight

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Logits (B, K, H, W) and labels (B, H, W) to a loss, ()."""
        if weight is not None:
            raise ValueError('pixels have no weights here.')
        return pixel_cross_entropy(
            logits,
            labels,
            ignore_index,
            self.divide_by,
            class_weight=None
            if self.class_weight is None
            else logits.new_tensor(self.class_weight),
        )


@MODELS.register_module()
class LinearMapHead(BaseDecodeHead):
    """`LinearMap` as mmseg's head: dropout, batch norm, 1x1 convolution.

    mmseg joins the maps, at the first one's size, and resizes the logits to
    the labels.

    Args:
        in_channels (Sequence[int]): Of each map.
        num_classes (int): K.
        norm_cfg (dict, optional): The norm; None: there is none.
        dropout_ratio (float): Of whole channels, before the norm.
        **more: What else mmseg's heads take.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        num_classes: int,
        norm_cfg: dict | None = None,
        dropout_ratio: float = 0.0,
        **more: Any,
    ) -> None:
        super().__init__(
            list(in_channels),
            sum(in_channels),
            num_classes=num_classes,
            in_index=list(range(len(in_channels))),
            input_transform='resize_concat',
            dropout_ratio=0,
            init_cfg=None,
            **more,
        )
        del self.conv_seg
        self.linear = LinearMap(
            self.channels, self.out_channels, norm=False, dropout=dropout_ratio
        )
        if norm_cfg is not None:
            self.linear.norm = build_norm_layer(norm_cfg, self.channels)[1]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps (B, D_i, h_i, w_i) to logits (B, K, h_0, w_0)."""
        logits: Tensor = self.linear(self._transform_inputs(inputs))
        return logits


@MODELS.register_module()
class FrozenSegmentor(EncoderDecoder):
    """mmseg's segmenter with a head alone to be trained.

    Reference: DINOv2 and DINOv3, linear segmentation
        (docs/protocols.md). The backbone has no gradient and is in
        evaluation mode always. What follows from it (which maps, the head's
        inputs) is read from the built backbone.

    Args:
        backbone (dict): A `TimmBackbone`, or mmseg's ``ResNet``, which has no
            final norm and no class token.
        decode_head (dict): Without ``in_channels``.
        layers (str): ``last``, or ``four``: the blocks of `four_layers`, of
            a network with stages its last four.
        final_norm (bool): Every map gets the final norm, if the file has
            one; of a network with stages the last map alone.
        class_token (bool): The class token of a layer, at every place, is
            joined to its map.
        padding (str): ``around``: images, and windows of a test, get zeros
            before and after, to the next multiple of the patch; nothing is
            cut from the output, which is stretched to the image. ``cut``:
            the remainder at the bottom and on the right is lost, as in the
            convolution of patches.
        **more: What else mmseg's segmenter takes.

    Raises:
        UserError: The backbone has no such layers or no class token.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict,
        *,
        layers: str,
        final_norm: bool,
        class_token: bool,
        padding: str,
        **more: Any,
    ) -> None:
        if layers not in LAYERS:
            raise unknown_name('layers', layers, LAYERS)
        if padding not in PADDINGS:
            raise unknown_name('padding', padding, PADDINGS)
        settings, channels = _chosen(backbone, layers, final_norm)
        if class_token:
            channels = [2 * count for count in channels]
        super().__init__(
            settings, dict(decode_head, in_channels=channels), **more
        )
        self.class_token, self.padding = class_token, padding
        wrapped = isinstance(self.backbone, TimmBackbone)
        if class_token and not (wrapped and self.backbone.has_class_token):
            raise UserError(
                'model.class_token=True: this network has no class token; '
                'write False.'
            )
        self.patch: int = self.backbone.divisor if wrapped else 1
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> 'FrozenSegmentor':
        """The backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), normalised, to the chosen maps."""
        if self.padding == 'around':
            inputs = pad_to_patch(inputs, self.patch)
        else:
            height, width = (
                side // self.patch * self.patch for side in inputs.shape[-2:]
            )
            inputs = inputs[..., :height, :width]
        if not self.class_token:
            return list(self.backbone(inputs))
        return [
            concatenate([layer], [token])
            for layer, token in self.backbone.maps_and_tokens(inputs)
        ]


def _chosen(
    backbone: Mapping[str, Any], layers: str, final_norm: bool
) -> tuple[dict[str, Any], list[int]]:
    """A backbone's config with the maps that are taken, and their widths."""
    settings = dict(backbone)
    if settings['type'] == 'ResNet':
        block = 4 if settings['depth'] >= 50 else 1
        widths = [
            block * settings.get('base_channels', 64) * 2**stage
            for stage in range(STAGES)
        ]
        first = STAGES - 1 if layers == 'last' else 0
        settings['out_indices'] = tuple(range(first, STAGES))
        return settings, widths[first:]
    if settings['type'] != 'TimmBackbone':
        raise UserError(
            f'linear segmentation takes ResNet and TimmBackbone, not '
            f'{settings["type"]}.'
        )
    net = from_header(plain(settings['net']))
    layout = layout_of(net)
    if layers == 'last':
        indices: tuple[int, ...] = (layout.depth - 1,)
    elif layout.depth < STAGES:
        raise UserError(
            f'model.layers=four: {net.model} has {layout.depth} maps; write '
            'last.'
        )
    elif layout.plain:
        indices = four_layers(layout.depth)
    else:
        indices = layout.shares()
    settings.update(out_indices=indices, norm=final_norm)
    return settings, [layout.channels[index] for index in indices]
