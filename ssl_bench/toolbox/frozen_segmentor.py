"""Segmentation by a linear layer on the maps of a frozen backbone."""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import unknown_name
from ssl_bench.frozen_dense.heads import LinearMap
from ssl_bench.frozen_dense.losses import pixel_cross_entropy
from ssl_bench.toolbox.frozen_maps import FrozenMaps, MapRule, choose_maps


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
        backbone (dict): Of `choose_maps`.
        decode_head (dict): Without ``in_channels``.
        maps (dict): The fields of a `MapRule`.
        **more: What else mmseg's segmenter takes.

    Raises:
        UserError: A faulty rule, or the backbone has no such maps.
    """

    def __init__(
        self, backbone: dict, decode_head: dict, *, maps: dict, **more: Any
    ) -> None:
        rule = MapRule.read(maps, 'model.maps')
        settings, channels, _ = choose_maps(backbone, rule, 'model.maps')
        if rule.class_token:
            channels = [2 * count for count in channels]
        super().__init__(
            settings, dict(decode_head, in_channels=channels), **more
        )
        self.maps = FrozenMaps(self.backbone, rule)
        self.train(self.training)

    def train(self, mode: bool = True) -> 'FrozenSegmentor':
        """The backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), normalised, to the maps of the rule."""
        return self.maps(inputs)
