"""Segmentation by a linear layer on the maps of a frozen backbone."""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.heads import LinearMap
from ssl_bench.frozen_dense.losses import pixel_cross_entropy
from ssl_bench.frozen_dense.maps import nearest, up
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
        conv_std (float, optional): Of the normal start of the weight, bias
            0; None: torch's own start.
        map_size (Sequence[int], optional): (h, w) to which every map is
            resized, bilinearly, before all of this; None: it is not.
        label_size (Sequence[int], optional): (h, w) of the labels of the
            loss, by the nearest pixel; None: their own.
        **more: What else mmseg's heads take.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        num_classes: int,
        norm_cfg: dict | None,
        dropout_ratio: float,
        conv_std: float | None,
        map_size: Sequence[int] | None,
        label_size: Sequence[int] | None,
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
        self.map_size, self.label_size = map_size, label_size
        self.linear = LinearMap(
            self.channels,
            self.out_channels,
            norm=False,
            dropout=dropout_ratio,
            std=conv_std,
        )
        if norm_cfg is not None:
            self.linear.norm = build_norm_layer(norm_cfg, self.channels)[1]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps (B, D_i, h_i, w_i) to logits (B, K, h_0, w_0)."""
        if self.map_size is not None:
            inputs = [up(x, self.map_size) for x in inputs]
        logits: Tensor = self.linear(self._transform_inputs(inputs))
        return logits

    def _stack_batch_gt(self, batch_data_samples: Any) -> Tensor:
        """The samples' labels (B, 1, H, W), at the size of the loss."""
        labels: Tensor = super()._stack_batch_gt(batch_data_samples)
        if self.label_size is not None:
            labels = nearest(labels, self.label_size)
        return labels


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
        score_size (Sequence[int], optional): (h, w) at which the most likely
            class is taken, where the evaluator compares it with the label;
            None: the size of the image's own label.
        **more: What else mmseg's segmenter takes.

    Raises:
        UserError: A faulty rule, or the backbone has no such maps; or
            windows together with a size of scores.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict,
        *,
        maps: dict,
        score_size: Sequence[int] | None,
        **more: Any,
    ) -> None:
        rule = MapRule.read(maps, 'model.maps')
        settings, channels, _ = choose_maps(backbone, rule, 'model.maps')
        if rule.class_token:
            channels = [2 * count for count in channels]
        super().__init__(
            settings, dict(decode_head, in_channels=channels), **more
        )
        self.maps = FrozenMaps(self.backbone, rule)
        self.score_size = None if score_size is None else tuple(score_size)
        if self.score_size and self.test_cfg.get('mode') == 'slide':
            raise UserError(
                f'model.score_size={list(self.score_size)} is of whole '
                "images: write model.test_cfg.mode='whole', or "
                'model.score_size=None.'
            )
        self.train(self.training)

    def train(self, mode: bool = True) -> 'FrozenSegmentor':
        """The backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), normalised, to the maps of the rule."""
        return self.maps(inputs)

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Images (B, 3, H, W) to logits of their size or `score_size`."""
        if self.score_size is None:
            return super().encode_decode(inputs, batch_img_metas)
        logits: Tensor = self.decode_head(self.extract_feat(inputs))
        if tuple(logits.shape[2:]) != self.score_size:
            logits = up(logits, self.score_size)
        return logits

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list | None = None
    ) -> list:
        """Logits (B, K, H, W) to samples with the most likely class."""
        if self.score_size is None or data_samples is None:
            return super().postprocess_result(seg_logits, data_samples)
        for logits, sample in zip(seg_logits, data_samples, strict=True):
            sample.seg_logits = PixelData(data=logits)
            sample.pred_sem_seg = PixelData(data=logits.argmax(0)[None])
        return data_samples
