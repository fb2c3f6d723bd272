"""What maps one of timm's networks gives, known without running it."""

import inspect
import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ssl_bench.checkpoints.timm_nets import TimmNet, from_header, to_header
from ssl_bench.errors import UserError

# hierarchical networks whose maps round down, so that a part of the image
# would be in no map
ROUND_DOWN = 32
# timm's files whose names were all tried with images of other sizes
MEASURED = (
    'vision_transformer',
    'vision_transformer_hybrid',
    'vision_transformer_sam',
    'deit',
    'eva',
    'beit',
    'convnext',
    'swin_transformer',
    'swin_transformer_v2',
    'resnet',
    'regnet',
    'xcit',
)


@dataclass(frozen=True)
class Layout:
    """The maps of a network, from the input to the output.

    Attributes:
        plain (bool): Every block has a map of the same stride; otherwise
            the maps are those of four stages or fewer.
        channels, strides (tuple[int]): Of each map; strides in pixels.
        indices (tuple[int]): timm's number of each map: some networks also
            number the stem, which is no stage here.
        modules (tuple[str]): The module that ends at each map.
        divisor (int): Sides of an image must be multiples of it, else the
            image is padded.
        class_token (bool): Whether there is a class token.
        block_tokens (bool): Whether every block's output has it.
        normed (bool): Whether a norm after the last block keeps the width;
            segment-anything's does not, and is not applied.
        features (int): Width of the feature of an image.
        table (tuple[int, int], optional): Rows and columns of the position
            table; None without a learned or fixed one.
        whole (int): Pixels, of a network with windows that are shifted: at
            multiples of it every window is whole.
        options (dict): For timm, so that images of any size are taken.
    """

    plain: bool
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    indices: tuple[int, ...]
    modules: tuple[str, ...]
    divisor: int
    class_token: bool
    block_tokens: bool
    normed: bool
    features: int
    table: tuple[int, int] | None
    whole: int = 1
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many maps there are: blocks, or stages."""
        return len(self.channels)

    @property
    def stride(self) -> int:
        """Of the last map."""
        return self.strides[-1]

    def shares(self) -> tuple[int, ...]:
        """Four maps for a decoder, from the input to the output.

        Of a plain network those at 1/3, 1/2, 2/3 and the whole of the depth,
        as MAE's segmentation takes them of 12 blocks; else the stages.
        """
        if not self.plain:
            return tuple(range(max(self.depth - 4, 0), self.depth))
        return tuple(
            max(round(end * self.depth / 12), 1) - 1 for end in (4, 6, 8, 12)
        )


def layout_of(net: TimmNet) -> Layout:
    """The maps of a network, without values in its tensors.

    Raises:
        UserError: timm does not build it, or gives no maps of it.
    """
    return _layout_of(json.dumps(to_header(net), sort_keys=True))


@lru_cache(maxsize=64)
def _layout_of(header: str) -> Layout:
    net = from_header(json.loads(header))
    module: Any = net.build('meta')
    info = getattr(module, 'feature_info', None)
    if not hasattr(module, 'forward_intermediates') or not info:
        raise _no_maps(net)
    entries = [dict(entry) for entry in info]
    strides = [entry['reduction'] for entry in entries]
    plain = len(set(strides)) == 1 and hasattr(module, 'blocks')
    kept = [
        index for index, stride in enumerate(strides) if plain or stride > 2
    ]
    layout = Layout(
        plain=plain,
        channels=tuple(entries[index]['num_chs'] for index in kept),
        strides=tuple(round(strides[index]) for index in kept),
        indices=tuple(kept),
        modules=tuple(entries[index]['module'] for index in kept),
        divisor=_divisor(module, plain, round(strides[-1])),
        class_token=getattr(module, 'cls_token', None) is not None,
        block_tokens=(
            getattr(module, 'cls_token', None) is not None
            and not hasattr(module, 'cls_attn_blocks')  # XCiT's comes last
        ),
        normed=not isinstance(getattr(module, 'neck', None), nn.Module),
        features=(
            entries[-1]['num_chs'] if plain else int(module.num_features)
        ),
        table=_table(module),
        whole=_whole(module, round(strides[-1])),
        options=_options(module),
    )
    family = type(module).__module__.rpartition('.')[2]
    if family not in MEASURED and not _takes_any_size(net, layout):
        raise _no_maps(net)
    return layout


def _no_maps(net: TimmNet) -> UserError:
    return UserError(
        f'timm gives no maps of {net.model} for images of any size; the '
        'nearest choices are its ViT, DINOv3, ConvNeXt, Swin, XCiT, ResNet '
        'and RegNet names.'
    )


def _takes_any_size(net: TimmNet, layout: Layout) -> bool:
    """Whether maps of two sizes have the strides that timm says.

    Args:
        net (TimmNet): Of a family whose names were not all measured.
        layout (Layout): What timm says of it.
    """
    module: Any = net.build('meta', **layout.options)
    for cells in (7, 9), (12, 8):
        height, width = (ROUND_DOWN * layout.divisor * side for side in cells)
        images = torch.zeros(1, 3, height, width, device='meta')
        try:
            maps = module.forward_intermediates(
                images,
                indices=list(layout.indices),
                output_fmt='NCHW',
                intermediates_only=True,
            )
        except Exception:  # noqa: BLE001  of any network, for any reason
            return False
        wanted = [
            (1, channels, height // stride, width // stride)
            for channels, stride in zip(layout.channels, layout.strides)
        ]
        if [tuple(found.shape) for found in maps] != wanted:
            return False
    return True


def _divisor(module: Any, plain: bool, stride: int) -> int:
    """What an image's sides must be multiples of."""
    if plain:
        # XCiT's convolutions round up
        return 1 if type(module).__name__ == 'Xcit' else stride
    if type(module).__name__ in ('SwinTransformer', 'SwinTransformerV2'):
        return int(
            max(module.patch_embed.patch_size)
        )  # they pad the rest themselves
    if type(module).__name__ in ('RegNet', 'ResNet') and not any(
        'BlurPool' in type(part).__name__ for part in module.modules()
    ):
        return 1  # they round up
    return ROUND_DOWN


def _whole(module: Any, stride: int) -> int:
    """The size whose last map is one window, of a Swin."""
    if not type(module).__name__.startswith('SwinTransformer'):
        return 1
    return math.lcm(*module.layers[0].blocks[0].window_size) * stride


def _table(module: Any) -> tuple[int, int] | None:
    """Patches of the position table, or None."""
    if not isinstance(getattr(module, 'pos_embed', None), Tensor):
        return None
    grid = getattr(module.patch_embed, 'grid_size', None)
    return (int(grid[0]), int(grid[1])) if grid else None


def _options(module: Any) -> dict[str, Any]:
    """What timm takes at construction for images of any size.

    A network with windows keeps those of its pretraining size.
    """
    if hasattr(module, 'dynamic_img_size'):
        return {'dynamic_img_size': True}
    known = inspect.signature(type(module).__init__).parameters
    return {'strict_img_size': False} if 'strict_img_size' in known else {}
