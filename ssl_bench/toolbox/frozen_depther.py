"""Depth by a linear layer on the maps of a frozen backbone."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.heads import (
    BIN_RULES,
    BIN_SPACES,
    LinearMap,
    depth_bins,
    depth_of,
    merge_flipped,
)
from ssl_bench.frozen_dense.losses import (
    SigLoss,
    gradient_loss,
    gradient_loss_as_shipped,
)
from ssl_bench.frozen_dense.maps import concatenate, up
from ssl_bench.toolbox.frozen_maps import FrozenMaps, MapRule, choose_maps
from ssl_bench.toolbox.timm_backbone import TimmBackbone

GRADIENTS = ('none', 'as_shipped', 'per_image')
FLIPS = ('none', 'map', 'image')
CLAMPS = ('map', 'image')
PATCH = 16  # pixels: what the stride of a network with stages is held to


@MODELS.register_module()
class DepthLoss(nn.Module):
    """`SigLoss`, and a loss of gradients that no protocol has.

    Args:
        warmup (int): Calls of `SigLoss` without the variance, of a training
            whose updates are of one batch; a plan multiplies it where
            gradients are accumulated.
        images (int, optional): Of a group that one loss is taken of, as a
            device of the official programs has it; None: the batch of a
            process.
        gradient (str): ``none``; ``as_shipped``: over the group, exactly 0
            for groups of two; ``per_image``: what was meant.

    Raises:
        UserError: Another word, or a number below 1.
    """

    def __init__(
        self, *, warmup: int, images: int | None, gradient: str
    ) -> None:
        super().__init__()
        if gradient not in GRADIENTS:
            raise unknown_name('gradient', gradient, GRADIENTS)
        if images is not None and images < 1:
            raise UserError(
                f'loss_depth.images must be 1 or more, or None, not {images}.'
            )
        self.sig = SigLoss(warmup, images)
        self.images, self.gradient = images, gradient

    def forward(self, depth: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """Losses, () each.

        Args:
            depth, truth (Tensor): (B, 1, H, W), metres; 0 is not valid.
        """
        losses = dict(loss_sig=self.sig(depth, truth))
        if self.gradient == 'per_image':
            losses['loss_gradient'] = gradient_loss(depth, truth).mean()
        elif self.gradient == 'as_shipped':
            size = self.images or len(depth)
            losses['loss_gradient'] = torch.stack(
                [
                    gradient_loss_as_shipped(*group)
                    for group in zip(depth.split(size), truth.split(size))
                ]
            ).mean()
        return losses


@MODELS.register_module()
class LinearDepthHead(nn.Module):
    """Maps to depth: a 1x1 convolution to bins, and their weighted mean.

    Without a norm the convolution comes before the maps are enlarged, layer
    by layer: both are linear and weights of an enlargement add up to 1, so
    that it is the same to round-off for a part of the memory.

    Args:
        in_channels (Sequence[int]): Of each map, its class token included.
        bins (int): How many.
        lowest, highest (float): Metres, both are bins.
        space (str): ``linear`` or ``log``, between the bins.
        rule (str): ``linear``, ``softmax`` or ``sigmoid``: the weights.
        upsample (int): Factor on the first map's size, to which all maps are
            enlarged before they are joined.
        norm_cfg (dict, optional): Norm before the convolution.
        std (float, optional): Of the convolution's normal start, bias 0;
            None: torch's own start.

    Raises:
        UserError: A word that is not known, or a range without depth.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        bins: int,
        lowest: float,
        highest: float,
        space: str,
        rule: str,
        upsample: int,
        norm_cfg: dict | None,
        std: float | None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ('space', space, BIN_SPACES),
            ('rule', rule, BIN_RULES),
        ):
            if value not in known:
                raise unknown_name(f'decode_head.{name}', str(value), known)
        if not 0 < lowest < highest:
            raise UserError(
                'decode_head.lowest and .highest must be 0 < lowest < '
                f'highest, not {lowest} and {highest}.'
            )
        if upsample < 1 or bins < 2:
            raise UserError(
                'decode_head.upsample must be 1 or more and .bins 2 or more, '
                f'not {upsample} and {bins}.'
            )
        self.in_channels, self.rule = list(in_channels), rule
        self.lowest, self.highest = lowest, highest
        self.upsample = upsample
        width = sum(in_channels)
        self.linear = LinearMap(width, bins, norm=False, std=std)
        if norm_cfg is not None:
            self.linear.norm = build_norm_layer(norm_cfg, width)[1]
        self.bins: Tensor
        self.register_buffer(
            'bins', depth_bins(bins, lowest, highest, space), persistent=False
        )

    def forward(
        self, features: tuple[list[Tensor], list[Tensor] | None]
    ) -> Tensor:
        """Maps and class tokens of `FrozenMaps.layers` to depth.

        Returns:
            Tensor: (B, 1, f * h_0, f * w_0), metres.
        """
        maps, tokens = features
        if isinstance(self.linear.norm, nn.Identity):
            logits = self._by_layer(maps, tokens)
        else:
            logits = self.linear(concatenate(maps, tokens, self.upsample))
        return depth_of(logits, self.bins, self.rule)

    def _by_layer(
        self, maps: list[Tensor], tokens: list[Tensor] | None
    ) -> Tensor:
        """`LinearMap` of `concatenate`, (B, bins, f * h_0, f * w_0)."""
        conv = self.linear.conv
        size = [self.upsample * side for side in maps[0].shape[-2:]]
        weights = conv.weight.split(self.in_channels, dim=1)
        total: Any = 0
        for i, (layer, weight) in enumerate(zip(maps, weights)):
            width = layer.shape[1]
            part = F.conv2d(layer, weight[:, :width])
            if list(part.shape[-2:]) != size:
                part = up(part, size)
            if tokens is not None:  # the same everywhere
                token = F.linear(tokens[i], weight[:, width:, 0, 0])
                part = part + token[:, :, None, None]
            total = total + part
        return total + conv.bias[None, :, None, None]  # type: ignore


@MODELS.register_module()
class FrozenDepther(BaseSegmentor):
    """A depth estimator with a linear head alone to be trained.

    Reference: DINOv2 and DINOv3, linear depth (docs/protocols.md). The
        backbone has no gradient and is in evaluation mode always. mmseg's
        ``DepthEstimator`` has no class tokens, no loss over groups of a
        batch, and averages mirrored images of windows only.

    Args:
        backbone (dict): Of `choose_maps`.
        decode_head (dict): Of a `LinearDepthHead`, without ``in_channels``.
            For a network with stages see `enlargement`.
        loss_depth (dict): Of a `DepthLoss`.
        maps (dict): The fields of a `MapRule`.
        test_cfg (dict): ``flip``: ``none``, or the mean with the mirrored
            image, at the size of the ``map`` or of the ``image``. ``clamp``:
            to the range of the bins, of the ``map`` or the ``image``.
        data_preprocessor (dict, optional): mmseg's.

    Raises:
        UserError: A faulty rule, or the backbone has no such maps.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict,
        *,
        loss_depth: dict,
        maps: dict,
        test_cfg: dict,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor)
        rule = MapRule.read(maps, 'model.maps')
        settings, channels, stride = choose_maps(backbone, rule, 'model.maps')
        if rule.class_token:
            channels = [2 * count for count in channels]
        self.flip, self.clamp = _words(test_cfg)
        self.backbone = MODELS.build(settings)
        self.decode_head = MODELS.build(
            dict(
                decode_head,
                in_channels=channels,
                upsample=enlargement(
                    self.backbone, decode_head['upsample'], stride
                ),
            )
        )
        self.loss_depth = MODELS.build(loss_depth)
        self.maps = FrozenMaps(self.backbone, rule)
        self.train(self.training)

    def train(self, mode: bool = True) -> 'FrozenDepther':
        """The backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def extract_feat(
        self, inputs: Tensor
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Images (B, 3, H, W), normalised, to maps and class tokens."""
        return self.maps.layers(inputs)

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: Any = None
    ) -> Tensor:
        """Images to depth (B, 1, h, w), metres, at the head's size."""
        depth: Tensor = self.decode_head(self.extract_feat(inputs))
        return depth

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        return self.encode_decode(inputs)

    def loss(
        self, inputs: Tensor, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """Losses of depth that is enlarged to the truth."""
        truth = torch.stack([row.gt_depth_map.data for row in data_samples])
        depth = up(self.encode_decode(inputs), truth.shape[-2:])
        losses: dict[str, Tensor] = self.loss_depth(depth, truth.to(depth))
        return losses

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Depth of whole images, as ``pred_depth_map``, (1, H, W) metres."""
        if data_samples is None:
            data_samples = [
                SegDataSample(metainfo=dict(ori_shape=inputs.shape[-2:]))
                for _ in inputs
            ]
        views = [inputs] if self.flip == 'none' else [inputs, inputs.flip(-1)]
        maps = [self.encode_decode(view) for view in views]
        for i, row in enumerate(data_samples):
            depth = self.full_size(
                [found[i : i + 1] for found in maps], row.ori_shape[:2]
            )
            row.pred_depth_map = PixelData(data=depth[0])
        return data_samples

    def full_size(self, maps: list[Tensor], size: Sequence[int]) -> Tensor:
        """Depth (B, 1, H, W), of a map (B, 1, h, w) and of the mirrored one.

        Args:
            maps (list[Tensor]): One, or two where there is a flip.
            size (Sequence[int]): (H, W) of the image.
        """
        limits = self.decode_head.lowest, self.decode_head.highest
        if self.flip == 'map':
            maps = [merge_flipped(*maps)]
        if self.clamp == 'map':
            maps = [depth.clamp(*limits) for depth in maps]
        maps = [up(depth, size) for depth in maps]
        if self.clamp == 'image':
            maps = [depth.clamp(*limits) for depth in maps]
        return merge_flipped(*maps) if self.flip == 'image' else maps[0]


def _words(test_cfg: dict) -> tuple[str, str]:
    """``flip`` and ``clamp`` of a test.

    Raises:
        UserError: One is missing, unknown, or has another value.
    """
    known = dict(flip=FLIPS, clamp=CLAMPS)
    for name in test_cfg:
        if name not in known:
            raise unknown_name('key of model.test_cfg', name, known)
    for name, words in known.items():
        if test_cfg.get(name) not in words:
            raise unknown_name(
                f'model.test_cfg.{name}', str(test_cfg.get(name)), words
            )
    return test_cfg['flip'], test_cfg['clamp']


def enlargement(backbone: nn.Module, upsample: int, stride: int) -> int:
    """By what factor the first map of a backbone is enlarged.

    Args:
        backbone (nn.Module): The network.
        upsample (int): Of the protocol, for maps of one stride.
        stride (int): Of the first map, pixels.

    Returns:
        int: The protocol's. For a network with stages, our reading: the
        output gets the stride that patches of 16 pixels give it, or keeps a
        finer one.
    """
    if isinstance(backbone, TimmBackbone) and backbone.layout.plain:
        return upsample
    return max(1, upsample * stride // PATCH)
