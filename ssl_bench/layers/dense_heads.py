"""Heads applied at every position of a feature map."""

import math
from collections import OrderedDict
from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.layers import global_bn  # noqa: F401  registers GlobalBN


@MODELS.register_module()
class DenseMLP(BaseModule):
    """1x1 convolutions with a norm layer and a ReLU between each two.

    Args:
        in_channels (int): C of the input.
        hid_channels (int): C of every layer but the last.
        out_channels (int): C of the output.
        num_layers (int): Convolutions; 0 is the identity.
        bias (bool): Whether the convolutions have a bias.
        norm_cfg (dict): Norm layer.
        init_cfg (dict | list, optional): mmengine's initialisation; torch's
            own by default.

    Raises:
        ValueError: Fewer than 0 layers, or an identity that changes the
            number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        hid_channels: int,
        out_channels: int,
        num_layers: int = 2,
        bias: bool = True,
        norm_cfg: dict = dict(type='BN'),
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_layers < 0:
            raise ValueError(
                f'DenseMLP needs num_layers >= 0, got {num_layers}.'
            )
        if num_layers == 0 and in_channels != out_channels:
            raise ValueError(
                'DenseMLP with num_layers=0 is the identity, but in_channels '
                f'{in_channels} and out_channels {out_channels} differ.'
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, num_layers + 1):
            last = i == num_layers
            width = out_channels if last else hid_channels
            layers[f'conv{i}'] = nn.Conv2d(in_channels, width, 1, bias=bias)
            if not last:
                layers[f'norm{i}'] = build_norm_layer(norm_cfg, width)[1]
                layers[f'relu{i}'] = nn.ReLU(inplace=True)
            in_channels = width
        self.out_channels = out_channels
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) or (N, C, S) to the same with ``out_channels``."""
        if x.ndim == 3:
            return self.layers(x.unsqueeze(-1)).squeeze(-1)
        return self.layers(x)


def check_channels(backbone: nn.Module, in_channels: int, user: str) -> None:
    """Refuse a head whose input width is not the backbone's output width.

    Args:
        backbone (nn.Module): Its width is ``feat_dim``, where it has one.
        in_channels (int): What the head expects.
        user (str): The head's name in the config.

    Raises:
        UserError: The two numbers differ.
    """
    width = getattr(backbone, 'feat_dim', in_channels)
    if width != in_channels:
        raise UserError(
            f'{user} expects {in_channels} channels, but the backbone '
            f'gives {width}. Set {user}.in_channels={width}.'
        )


def total_stride(backbone: nn.Module) -> int | None:
    """Pixels per cell of a ResNet's last map; None for other backbones."""
    strides = getattr(backbone, 'strides', None)
    outputs = getattr(backbone, 'out_indices', None)
    if strides is None or outputs is None:
        return None
    stem = [
        layer.stride
        for name in ('stem', 'conv1', 'maxpool')
        for layer in getattr(backbone, name, nn.Identity()).modules()
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d))
    ]
    return math.prod(
        stride if isinstance(stride, int) else stride[0]
        for stride in (*stem, *strides[: max(outputs) + 1])
    )


def check_stride(
    stride: int | None, sizes: Sequence[tuple[int, int]], slack: float = 0.0
) -> None:
    """Refuse views that the last row or column of cells reaches beyond.

    Args:
        stride (int | None): Pixels of a view per cell of the feature map,
            as of `total_stride`; None checks nothing.
        sizes (sequence[tuple]): Height and width of every kind of view.
        slack (float): Part of a cell that may be outside.

    Raises:
        UserError: A side that whole cells do not fit.
    """
    for side in (side for size in sizes for side in size):
        if stride and -side % stride > slack * stride:
            raise UserError(
                f'views of {side} pixels are not a multiple of the stride of '
                f'{stride} pixels of the feature map; make them '
                f'{max(side // stride, 1) * stride} or '
                f'{(side // stride + 1) * stride}.'
            )
