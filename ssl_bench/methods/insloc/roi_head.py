"""Features of a box on every level, and the head that embeds them."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torchvision.ops import roi_align

from ssl_bench.errors import UserError
from ssl_bench.layers.precision import upcast


def require_same(name: str, got: int, other: str, expected: int) -> None:
    """Refuse two settings that have to be equal and are not."""
    if got != expected:
        raise UserError(
            f'InsLoc: {name} is {got}, but {other} is '
            f'{expected}. Make them equal.'
        )


def level_rois(
    maps: Sequence[Tensor],
    strides: Sequence[int],
    boxes: Sequence[Tensor],
    size: int,
) -> Tensor:
    """Cut one box per image out of every level: no box is assigned by size.

    RoIAlign with half-pixel shift and as many samples per bin as it has
    cells. Boxes may be partly outside of the image. The precision is full,
    since boxes in half precision would be wrong by whole pixels.

    Args:
        maps (sequence[Tensor]): Feature maps, (N, C, H_l, W_l) each.
        strides (sequence[int]): Image pixels per cell of each level.
        boxes (sequence[Tensor]): For each level ``xyxy`` in pixels, (N, 4).
        size (int): Side of the output in bins.

    Returns:
        Tensor: (N * L, C, size, size), row ``sample * L + level``.
    """
    rois = []
    for features, stride, box in zip(maps, strides, boxes):
        features = upcast(features)
        index = torch.arange(len(box), device=box.device).unsqueeze(1)
        box = torch.cat([index, box], 1).to(features.dtype)  # (N, 5)
        rois.append(
            roi_align(
                features,
                box,
                size,
                1 / stride,
                sampling_ratio=-1,
                aligned=True,
            )
        )
    return torch.stack(rois, 1).flatten(0, 1)


@MODELS.register_module()
class InsLocConvFCHead(BaseModule):
    """Convolutions and fully connected layers that embed a RoI.

    Names and shapes are those of the detector's box head that InsLoc-FPN
    initialises: ``shared_convs``, ``shared_fcs``, ``fc_cls``.

    Args:
        in_channels (int): Channels of a RoI.
        roi_size (int): Side of a RoI in bins.
        num_convs (int): 3x3 convolutions with normalisation and ReLU.
        conv_channels (int): Their width.
        num_fcs (int): Hidden fully connected layers with ReLU.
        fc_channels (int): Their width.
        out_channels (int): Width of the embedding.
        pool (bool): Average the RoI over its bins before the first hidden
            layer.
        norm_cfg (dict): Normalisation after each convolution.
    """

    def __init__(
        self,
        in_channels: int = 256,
        roi_size: int = 7,
        num_convs: int = 4,
        conv_channels: int = 256,
        num_fcs: int = 2,
        fc_channels: int = 1024,
        out_channels: int = 128,
        pool: bool = False,
        norm_cfg: dict = dict(type='BN'),
    ) -> None:
        super().__init__(
            init_cfg=[
                dict(type='Xavier', layer='Linear', distribution='uniform'),
                dict(type='Normal', std=0.01, override=dict(name='fc_cls')),
            ]
        )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.roi_size, self.pool = roi_size, pool
        widths = [in_channels] + [conv_channels] * num_convs
        self.shared_convs = nn.ModuleList(
            ConvModule(before, after, 3, padding=1, norm_cfg=norm_cfg)
            for before, after in zip(widths, widths[1:])
        )
        first = widths[-1] * (1 if pool else roi_size**2)
        widths = [first] + [fc_channels] * num_fcs
        self.shared_fcs = nn.ModuleList(
            nn.Linear(before, after)
            for before, after in zip(widths, widths[1:])
        )
        self.fc_cls = nn.Linear(widths[-1], out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """RoIs (R, C, S, S) to embeddings (R, D), not normalised."""
        for conv in self.shared_convs:
            x = conv(x)
        x = x.mean((2, 3)) if self.pool else x.flatten(1)
        for fc in self.shared_fcs:
            x = F.relu(fc(x))
        return self.fc_cls(x)


@MODELS.register_module()
class InsLocRes5(BaseModule):
    """The last stage of a ResNet, applied to each RoI (C4 detectors).

    Unlike mmdet's ``ResLayer`` it trains with batch statistics and can have
    any width.

    Args:
        depth (int): Depth of the ResNet.
        base_channels (int): Width of its first stage.
        stride (int): Stride of the stage.
        norm_cfg (dict): Normalisation after each convolution.
    """

    def __init__(
        self,
        depth: int = 50,
        base_channels: int = 64,
        stride: int = 2,
        norm_cfg: dict = dict(type='BN'),
    ) -> None:
        super().__init__(init_cfg=[dict(type='Kaiming', layer='Conv2d')])
        from mmdet.models.backbones import ResNet
        from mmdet.models.layers import ResLayer

        block, blocks = ResNet.arch_settings[depth]
        self.in_channels = base_channels * 4 * block.expansion
        self.out_channels = base_channels * 8 * block.expansion
        self.stride = stride
        self.layer4 = ResLayer(
            block,
            self.in_channels,
            base_channels * 8,
            blocks[3],
            stride=stride,
            norm_cfg=norm_cfg,
        )

    def forward(self, x: Tensor) -> Tensor:
        """RoIs (R, C, S, S) to (R, 2 C, S / stride, S / stride)."""
        return self.layer4(x)


@MODELS.register_module()
class InsLocRoIHead(BaseModule):
    """RoI features of every level through one shared head.

    Batch normalisation sees the RoIs of all levels in one batch.

    Args:
        strides (sequence[int]): Image pixels per cell of each level.
        roi_size (int): Side of RoIAlign's output in bins.
        bbox_head (dict): The embedding head.
        shared_head (dict, optional): A network between RoIs and that head.

    Raises:
        UserError: Channels or bins that one part gives and the next does
            not take.
    """

    def __init__(
        self,
        bbox_head: dict,
        strides: Sequence[int] = (4, 8, 16, 32),
        roi_size: int = 7,
        shared_head: dict | None = None,
    ) -> None:
        super().__init__()
        self.strides, self.roi_size = tuple(strides), roi_size
        self.bbox_head = MODELS.build(bbox_head)
        self.shared_head = shared_head and MODELS.build(shared_head)
        first = self.shared_head or self.bbox_head
        self.in_channels = first.in_channels
        side, source = roi_size, 'roi_head.roi_size'
        if shared_head:
            require_same(
                'bbox_head.in_channels',
                self.bbox_head.in_channels,
                "the shared head's channels",
                first.out_channels,
            )
            side = math.ceil(roi_size / first.stride)
            source = 'the side of a RoI behind the shared head'
        if not self.bbox_head.pool:
            require_same(
                'bbox_head.roi_size', self.bbox_head.roi_size, source, side
            )

    def forward(
        self, maps: Sequence[Tensor], boxes: Sequence[Tensor]
    ) -> Tensor:
        """Maps and, per level, boxes (N, 4) to embeddings (N * L, D)."""
        rois = level_rois(maps, self.strides, boxes, self.roi_size)
        return self.bbox_head(
            self.shared_head(rois) if self.shared_head else rois
        )
