"""A detector's config around one of timm's networks."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mmengine.config import Config
from torch import nn

from ssl_bench.checkpoints.timm_nets import TimmNet, from_header, to_header
from ssl_bench.errors import UserError
from ssl_bench.toolbox.timm_layout import Layout, layout_of
from ssl_bench.transfer.timm_settings import NO_DECAY
from ssl_bench.transfer.wrong_backbone import WrongBackbone

# strides of the maps that the heads were made for, from 4 or from 8 pixels
MASK_RCNN = (4, 8, 16, 32)
DINO = (8, 16, 32)
# Detectron2's first values of a pyramid
CAFFE2_XAVIER = dict(type='Caffe2Xavier', layer=['Conv2d'])


@dataclass(frozen=True)
class Traits:
    """What a detector must know of a network next to its maps.

    Attributes:
        batch_norm (bool): It has batch norms.
        whole (int): Pixels, of a network with windows that are shifted: at
            multiples of it every window is whole. At other sizes timm shifts
            before it pads, and the authors' programs pad before they shift.
        windows (bool): Its blocks can attend in windows.
        normed (bool): There is a norm after its last block, and the file has
            it.
    """

    batch_norm: bool
    whole: int
    windows: bool
    normed: bool


def traits_of(net: TimmNet) -> Traits:
    """Look at a network without values in its tensors."""
    return _traits_of(json.dumps(to_header(net), sort_keys=True))


@lru_cache(maxsize=64)
def _traits_of(header: str) -> Traits:
    from ssl_bench.toolbox.timm_windows import takes_windows

    module = from_header(json.loads(header)).build('meta')
    return Traits(
        any(
            isinstance(part, nn.modules.batchnorm._BatchNorm)
            for part in module.modules()
        ),
        layout_of(from_header(json.loads(header))).whole,
        takes_windows(module),
        _has_last_norm(module),
    )


def _has_last_norm(net: nn.Module) -> bool:
    """Whether a norm follows the last block, of maps or of a feature."""
    parts = dict(net.named_modules())
    return any(
        name in parts and not isinstance(parts[name], nn.Identity)
        for name in ('norm', 'fc_norm', 'head.norm')
    )


def is_detector(config: Config) -> bool:
    """Whether a config is of a detector with a residual network."""
    model = config.get('model') or {}
    return 'ResNet' in str(model.get('backbone', {}).get('type')) and (
        'rpn_head' in model or model.get('type') == 'DINO'
    )


def is_vitdet(config: Config) -> bool:
    """Whether a config is of ViTDet's detector."""
    model = config.get('model') or {}
    return model.get('backbone', {}).get('type') == 'ViTDet'


def takes_patches(config: Config) -> bool:
    """Whether a config is of a probe whose features are patches."""
    return 'maps' in (config.get('probe') or {})


def wrapped_net(config: Config, arch: dict[str, Any] | None) -> TimmNet | None:
    """The network that a task gets in the wrapper of timm's, if any.

    So does a plain ViT in a detector or a segmenter that is for other
    networks, or for other patches, in a probe of patches, and under a head
    on frozen maps.

    Args:
        config (Config): Of a task, not yet fitted.
        arch (dict, optional): ``arch_args`` of a backbone.

    """
    if arch is None:
        return None
    if arch['family'] == 'timm':
        return from_header(arch)
    if arch['family'] != 'vit' or not arch['heads']:
        return None
    if (
        is_detector(config)
        or takes_patches(config)
        or _is_other_segmenter(config, arch['patch'])
    ):
        return vit_as_timm(arch)
    other = is_vitdet(config) and (
        arch['patch'] != config.model.backbone.patch_size
    )
    return vit_as_timm(arch) if other else None


def _is_other_segmenter(config: Config, patch: int) -> bool:
    """Whether a segmenter is for a residual network or for other patches.

    So is every other model on frozen maps.
    """
    model = config.get('model') or {}
    if model.get('type') != 'EncoderDecoder' and 'maps' not in model:
        return False
    own: Any = model['backbone']
    return 'ResNet' in own['type'] or own.get('patch_size', patch) != patch


def vit_as_timm(arch: dict[str, Any]) -> TimmNet:
    """A plain ViT, whose file has timm's names, as one of timm's networks.

    Its position table is resized as under `ViTDet`: bicubically to a size,
    without antialiasing.

    Args:
        arch (dict): ``describe(ViT(...))``; the number of heads is known.
    """
    return TimmNet(
        'vit_base_patch16_224',
        dict(
            embed_dim=arch['width'],
            depth=arch['depth'],
            num_heads=arch['heads'],
            mlp_ratio=arch['hidden'] / arch['width'],
            patch_size=arch['patch'],
            img_size=arch['patch'] * (arch['grid'] or 14),
            class_token=arch['cls_token'],
            qkv_bias=arch['qkv_bias'],
        ),
        positions='transformers',
        final_norm=arch['final_norm'],
        pool='class_token' if arch['cls_token'] else 'patch_mean',
    )


def own_recipe(config: Config, net: TimmNet | None) -> str | None:
    """The recipe that a task has for a kind of network, if any.

    A config's ``recipe_for`` names it: ``plain`` for a network of one stride,
    ``batch_norm`` for one with stages and batch norms, ``stages`` for others.
    """
    names: dict[str, str] = config.get('recipe_for') or {}
    if net is None or not names:
        return None
    if layout_of(net).plain:
        return names.get('plain')
    return names.get('batch_norm' if traits_of(net).batch_norm else 'stages')


def refuse_c4(config: Config, name: str) -> None:
    """Stop where the last stage of the backbone is the head.

    Raises:
        WrongBackbone: It is.
    """
    model = config.get('model') or {}
    if 'shared_head' not in (model.get('roi_head') or {}):
        return
    raise WrongBackbone(
        f'this task takes residual networks only: its head is their last '
        f'stage, which {name} does not have.'
    )


def set_timm_detection(
    config: Config, net: TimmNet, layout: Layout
) -> list[str]:
    """Put a network under a detector's neck and heads.

    A network with stages gives those of strides 4 to 32 to an FPN, or those
    of 8 to 32 to DINO's mapper. One of a single stride gives its last map to
    a `SimpleFeaturePyramid`, whose strides are the powers of 2 of the
    network's that are nearest to these; anchors keep their sizes in pixels.
    Images are padded so that every map covers all of them.

    Args:
        config (Config): Of a detector; changed in place. Its preprocessor
            has the network's mean and std already.
        net (TimmNet): The network.
        layout (Layout): Its maps.

    Returns:
        list[str]: What a record should say.

    Raises:
        WrongBackbone: The task takes no such network.
    """
    model, traits = config.model, traits_of(net)
    refuse_c4(config, net.model)
    if not (is_detector(config) or is_vitdet(config)):
        raise WrongBackbone(
            f'a {model.type} with {model.backbone.type} takes no {net.model}.'
        )
    wanted = DINO if model.type == 'DINO' else MASK_RCNN
    indices = (
        [layout.depth - 1] if layout.plain else _stages(net, layout, wanted)
    )
    _check_optimizer(config, net, layout, traits)
    strides: tuple[float, ...] = (*wanted, 2 * wanted[-1])
    notes: list[str] = []
    if layout.plain:
        strides, notes = _set_pyramid(model, layout, wanted)
    else:
        _set_stages(model, [layout.channels[index] for index in indices])
    if 'rpn_head' in model:
        _set_strides(model, strides)
    notes += _set_padding(model, max(strides[-2], traits.whole))
    options = dict(config.pop('timm_backbone', {}))
    options.setdefault(
        'drop_path_rate', model.backbone.get('drop_path_rate', 0.0)
    )
    backbone = dict(
        options, type='TimmBackbone', net=to_header(net), out_indices=indices
    )
    if traits.batch_norm:
        backbone['norm_eval'] = True
        notes.append("the network's batch norms keep their statistics")
    notes += _set_windows(backbone, net, layout, traits)
    if layout.plain and is_vitdet(config) and 'window_size' not in backbone:
        notes.append('every block attends to the whole map')
    if net.positions == 'fixed' and layout.table:
        backbone['positions'] = 'timm'
        rows, columns = layout.table
        notes.append(
            f'the authors define positions of {rows}x{columns} patches '
            "only; resized to each image by timm's rule"
        )
    model.backbone = backbone
    _set_decay(config)
    return notes


def _check_optimizer(
    config: Config, net: TimmNet, layout: Layout, traits: Traits
) -> None:
    """SGD is for networks with batch norms and stages.

    Layer-wise decay is for what timm groups by blocks: the rate of one with
    stages is another recipe's.

    Raises:
        WrongBackbone: The task, with this recipe, trains others.
    """
    wrapper = config.optim_wrapper
    sgd = wrapper.optimizer.type == 'SGD'
    if sgd and (layout.plain or not traits.batch_norm):
        raise WrongBackbone(
            f'these settings train with SGD, which is for residual networks '
            f'and others with stages and batch norm, not for {net.model}.'
        )
    decay = (wrapper.get('paramwise_cfg') or {}).get('layer_decay_rate', 1)
    if decay != 1 and not layout.plain:
        raise WrongBackbone(
            f'these settings lower the rate from block to block of a network '
            f'of one stride; {net.model} has stages.'
        )


def pyramid_scales(stride: int, wanted: Sequence[int]) -> list[float]:
    """Scales of a pyramid: powers of 2 for strides nearest to the wanted.

    Args:
        stride (int): Of the network's map, pixels.
        wanted (Sequence[int]): Strides, each twice the one before.

    Returns:
        list[float]: For each stride; 14 pixels and 4, 8, 16, 32 give 4, 2,
        1 and 1/2.
    """
    first = 2.0 ** round(math.log2(stride / wanted[0]))
    return [first / 2**index for index in range(len(wanted))]


def _set_pyramid(
    model: Any, layout: Layout, wanted: Sequence[int]
) -> tuple[tuple[float, ...], list[str]]:
    """A pyramid from the last map; returns its strides, and a note."""
    scales = pyramid_scales(layout.stride, wanted)
    old = model.neck
    neck = dict(
        type='SimpleFeaturePyramid',
        in_channels=layout.channels[-1],
        out_channels=old.out_channels,
        scales=scales,
    )
    if old.type == 'SimpleFeaturePyramid':
        neck['norm_cfg'] = old.norm_cfg
    model.neck = neck
    strides = [layout.stride / scale for scale in scales]
    strides.append(2 * strides[-1])
    found = ', '.join(f'{stride:g}' for stride in strides)
    return tuple(strides), [f'pyramid from the last map, strides {found}']


def _stages(net: TimmNet, layout: Layout, wanted: Sequence[int]) -> list[int]:
    """The stages with these strides.

    Raises:
        WrongBackbone: There are none.
    """
    missing = [stride for stride in wanted if stride not in layout.strides]
    if missing:
        found = ', '.join(map(str, layout.strides))
        raise WrongBackbone(
            f'this detector takes maps of strides '
            f'{", ".join(map(str, wanted))}; {net.model} has {found}.'
        )
    return [layout.strides.index(stride) for stride in wanted]


def _set_stages(model: Any, channels: list[int]) -> None:
    """Inputs of the neck; a plain ViT's pyramid becomes an FPN."""
    if model.neck.type != 'SimpleFeaturePyramid':
        model.neck.in_channels = channels
        return
    model.neck = dict(
        type='FPN',
        in_channels=channels,
        out_channels=model.neck.out_channels,
        num_outs=len(channels) + 1,
        norm_cfg=model.neck.norm_cfg,
        init_cfg=CAFFE2_XAVIER,
    )


def _set_strides(model: Any, strides: Sequence[float]) -> None:
    """True strides for anchors and RoIs; anchors keep their sizes."""
    anchors = model.rpn_head.anchor_generator
    if list(anchors.strides) != list(strides):
        anchors.setdefault('base_sizes', list(anchors.strides))
        anchors.strides = list(strides)
    for name in ('bbox_roi_extractor', 'mask_roi_extractor'):
        extractor = model.roi_head.get(name)
        if extractor:
            extractor.featmap_strides = list(strides[:-1])


def _set_padding(model: Any, side: float) -> list[str]:
    """Pad to multiples of ``side`` pixels, in training and in testing.

    The task's own multiple grows to the next that ``side`` divides.
    """
    pixels, side = model.data_preprocessor, round(side)
    old = pixels.get('pad_size_divisor', 1)
    new = -(-old // side) * side
    if new == old:
        return []
    pixels.pad_size_divisor = new
    return [f'images padded to multiples of {new} pixels, not of {old}']


def _set_windows(
    backbone: dict[str, Any], net: TimmNet, layout: Layout, traits: Traits
) -> list[str]:
    """Windows, if they are asked for, but for four blocks as in ViTDet.

    Raises:
        UserError: No side of a window, or the network's blocks have no such
            form.
    """
    side = backbone.pop('window_size', 0)
    if not side:
        return []
    if type(side) is not int or side < 1:
        raise UserError(
            f'timm_backbone.window_size={side}: a window has 1 patch or more '
            'on a side; 0 is for none.'
        )
    if not traits.windows:
        raise UserError(
            f'timm_backbone.window_size={side}: windows are for the plain '
            f"blocks of timm's VisionTransformer without relative or rotary "
            f'positions, which {net.model} does not have; leave it out.'
        )
    parts = min(4, max(layout.depth // 2, 1))
    whole = [(part + 1) * layout.depth // parts - 1 for part in range(parts)]
    backbone.update(window_size=side, global_blocks=whole)
    blocks = ', '.join(str(index + 1) for index in whole)
    return [
        f'blocks attend in windows of {side} patches, but for blocks {blocks}'
    ]


def _set_decay(config: Config) -> None:
    """Positions and tokens are not decayed where the norms are not.

    DINO's program decays all.
    """
    options = config.optim_wrapper.get('paramwise_cfg') or {}
    if options.get('norm_decay_mult') == 0:
        options['custom_keys'] = {
            **{name: dict(decay_mult=0.0) for name in NO_DECAY},
            **options.get('custom_keys', {}),
        }
