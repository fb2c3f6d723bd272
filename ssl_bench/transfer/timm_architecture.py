"""One of timm's networks in a task's config."""

import math
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TimmNet,
    from_header,
)
from ssl_bench.errors import unknown_name
from ssl_bench.toolbox import timm_backbone
from ssl_bench.toolbox.timm_layout import Layout, layout_of
from ssl_bench.transfer.frozen_classification import set_frozen_classification
from ssl_bench.transfer.map_heads import (
    is_on_frozen_maps,
    note_maps,
    note_sizes,
    set_map_head,
)
from ssl_bench.transfer.timm_detection import (
    set_timm_detection,
    takes_patches,
    traits_of,
)
from ssl_bench.transfer.timm_segmentation import set_timm_segmentation
from ssl_bench.transfer.timm_settings import (
    backbone_settings,
    note_positions,
    note_windows,
)

# the words of a record
FEATURES = dict(
    class_token='the class token',
    patch_mean='the mean of the patch tokens',
    pooled_map='the pooled last map',
    maps='the last map',
)


# what `probe.vit_pool` may be
VIT_POOLS = ('patch_mean', 'class_token')
# steps that say of which size an image is from there on
SIZED = (
    'CenterCrop',
    'RandomCrop',
    'RandomResizedCrop',
    'Resize',
    'ResizeEdge',
)


def set_timm_architecture(config: Config, arch: dict[str, Any]) -> list[str]:
    """Put a network, and what follows from it, into a task's config.

    Args:
        config (Config): Of a detector, segmenter, classifier or probe;
            changed in place.
        arch (dict): `ssl_bench.checkpoints.timm_nets.to_header`.

    Returns:
        list[str]: What a record should say.

    Raises:
        WrongBackbone: The task takes no such network.
        UserError: timm does not build it.
    """
    net = from_header(arch)
    layout = layout_of(net)
    _import(config)
    notes = _set_pixels(config, net)
    if takes_patches(config):
        return notes + _set_patches(config, net, layout)
    if 'probe' in config:
        return notes + _set_probe(config, net, layout)
    kind = config.model['type']
    if kind == 'ImageClassifier':
        return notes + _set_classifier(config, net, layout)
    if kind == 'FrozenClassifier':
        return notes + set_frozen_classification(
            config, net, layout, image_side(config)
        )
    if is_on_frozen_maps(config):
        return notes + set_map_head(config, net, layout)
    if kind == 'EncoderDecoder':
        return notes + set_timm_segmentation(config, net, layout)
    return notes + set_timm_detection(config, net, layout)


def timm_name(backbone: dict[str, Any]) -> str:
    """The name of the network in a backbone's config."""
    return from_header(backbone['net']).name


def _import(config: Config) -> None:
    """Let a config that is run on its own register the backbone.

    A probe's config lists no imports.
    """
    listed, name = config.get('custom_imports'), timm_backbone.__name__
    if listed and name not in listed['imports']:
        listed['imports'] = [*listed['imports'], name]


def _set_pixels(config: Config, net: TimmNet) -> list[str]:
    """The mean and deviation of pretraining, RGB.

    A config with ``protocol_pixels`` keeps its own for networks that have
    ImageNet's, from which the protocol's differ on purpose.
    """
    if config.get('protocol_pixels') and (tuple(net.mean), tuple(net.std)) == (
        IMAGENET_MEAN,
        IMAGENET_STD,
    ):
        return []
    model = config.get('model', config)
    pixels = model.get('data_preprocessor') or config['data_preprocessor']
    mean, std = (
        [round(255 * value, 4) for value in values]
        for values in (net.mean, net.std)
    )
    rgb = 'to_rgb' if 'to_rgb' in pixels else 'bgr_to_rgb'
    if (list(pixels['mean']), list(pixels['std']), pixels[rgb]) == (
        mean,
        std,
        True,
    ):
        return []
    pixels.update({'mean': mean, 'std': std, rgb: True})
    for step in _steps(config.get('train_dataloader') or {}):
        if step.get('type') == 'RandomErasing' and 'fill_color' in step:
            step.update(fill_color=mean[::-1], fill_std=std[::-1])  # BGR
        if 'pad_val' in (step.get('hparams') or {}):
            step['hparams']['pad_val'] = [round(v) for v in mean[::-1]]
    return [f'pixels as in pretraining: RGB, mean {mean}, std {std}']


def _steps(node: Any) -> Iterator[dict]:
    """Every dict with a type below a config's node."""
    if isinstance(node, dict):
        if 'type' in node:
            yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _steps(value)


def image_side(config: Config) -> int:
    """Side of the square images of a classifier's or a probe's test."""
    return _sides(config.test_dataloader)[-1]


def image_sides(config: Config) -> list[int]:
    """That, and after it the side of the training images if it differs."""
    test = image_side(config)
    train = _sides(config.get('train_dataloader') or {})
    return [test, *({*train[-1:]} - {test})]


def _sides(loader: Any) -> list[int]:
    """What the steps of a loader make of an image's shorter side."""
    sides: list[int] = []
    for step in _steps((loader.get('dataset') or {}).get('pipeline')):
        size: Any = step.get('crop_size') or step.get('scale')
        if str(step['type']).rpartition('.')[2] in SIZED and size:
            sides.append(int(size if isinstance(size, int) else min(size)))
    return sides


def _input_notes(
    net: TimmNet, layout: Layout, config: Config, backbone: dict[str, Any]
) -> list[str]:
    """What is done to images of these sides; positions nobody defines."""
    notes = []
    for side in image_sides(config):
        padded = math.ceil(side / layout.divisor) * layout.divisor
        if padded != side:
            notes.append(
                f'images of {side} pixels padded with the mean, at the bottom '
                f'and on the right, to {padded}: a multiple of '
                f'{layout.divisor}'
            )
        grid = (padded // layout.stride,) * 2
        notes += note_positions(net, layout, backbone, grid)
        notes += note_windows(layout, side)
    return list(dict.fromkeys(notes))


def _set_classifier(config: Config, net: TimmNet, layout: Layout) -> list[str]:
    """A classifier that is fine-tuned, or a frozen one with a linear layer.

    A recipe for a vision transformer says which token; one for a residual
    network takes the authors' own feature.
    """
    old, model = config.model.backbone, config.model
    frozen = old.get('frozen_stages', -1) > 0
    output, norm = _wanted(old, net, layout)
    backbone = backbone_settings(
        net,
        old,
        output=output,
        norm=norm,
        # a recipe that leaves the norm out has a new one, and so has a
        # trained network whose file has none
        fresh_norm=layout.plain
        and (not norm or not (frozen or net.final_norm)),
        frozen=frozen,
    )
    notes = []
    side = image_side(config)
    width = layout.features
    neck = model.get('neck') or {}
    if neck.get('type') == 'NormedPoolNeck':
        backbone.update(output='maps', fresh_norm=False)
        width = _set_pool_neck(neck, layout, side)
        notes.append(
            'features: '
            + (
                'windows of the last map'
                if neck['window']
                else 'the mean of the last map'
            )
        )
    else:
        if neck.get('type') == 'GlobalAveragePooling':
            model.neck = None
        elif 'input_features' in neck:
            neck['input_features'] = width
        if old['type'] != 'VisionTransformer' and layout.plain:
            notes.append("the recipe is a residual network's")
        if not layout.plain and not net.final_norm and not frozen:
            backbone['fresh_norm'] = True
        notes.append(_feature_note(backbone, net, layout))
    model.head.in_channels = width
    _spare_registers(config)
    notes += _input_notes(net, layout, config, backbone)
    model.backbone = backbone
    return notes


def _spare_registers(config: Config) -> None:
    """No weight decay for registers, where the class token has none."""
    options = (config.get('optim_wrapper') or {}).get('paramwise_cfg') or {}
    keys = options.get('custom_keys') or {}
    if '.cls_token' in keys:
        keys['.reg_token'] = dict(keys['.cls_token'])


def _wanted(
    old: dict[str, Any], net: TimmNet, layout: Layout
) -> tuple[str, bool]:
    """The feature that a recipe names, and whether the file's norm is used."""
    if not layout.plain:
        return 'pooled_map', True
    if old['type'] == 'VisionTransformer':
        token = old.get('out_type') == 'cls_token' and layout.class_token
        return (
            'class_token' if token else 'patch_mean',
            bool(old.get('final_norm', True)),
        )
    return _existing(net.pool, layout), True


def _existing(output: str, layout: Layout) -> str:
    """A feature, or the nearest that a network has."""
    if not layout.plain:
        return 'pooled_map'
    if output == 'class_token' and layout.class_token:
        return 'class_token'
    return 'patch_mean'


def _feature_note(
    backbone: dict[str, Any], net: TimmNet, layout: Layout
) -> str:
    words = FEATURES[backbone['output']]
    if backbone['fresh_norm']:
        return f'features: {words}, through a new layer norm'
    normed = layout.normed and traits_of(net).normed
    if backbone['norm'] and normed:
        return f'features: {words}, after the final norm'
    return f'features: {words}, without a norm'


def _set_pool_neck(neck: dict[str, Any], layout: Layout, side: int) -> int:
    """The norm before a linear classifier; returns the classifier's inputs.

    The windows are for the 7x7 map of a residual network; another map is
    averaged whole.
    """
    cells = math.ceil(side / layout.divisor) * layout.divisor
    cells = math.ceil(cells / layout.stride)
    window = neck.get('window')
    neck['channels'] = layout.channels[-1]
    if window is None or cells != window + 1:
        neck['window'] = None
        return layout.channels[-1]
    return 4 * layout.channels[-1]


def _set_patches(config: Config, net: TimmNet, layout: Layout) -> list[str]:
    """The frozen backbone of a probe of patches; `Frozen` chooses the maps."""
    maps, side = config.probe.maps, image_side(config)
    backbone = backbone_settings(net, {}, frozen=True)
    grid = (math.ceil(side / layout.divisor) * layout.divisor,) * 2
    notes = note_maps(maps, net, layout)
    notes += note_sizes(maps, image_sides(config), layout)
    notes += note_positions(
        net, layout, backbone, (grid[0] // layout.stride,) * 2
    )
    config.backbone = backbone
    return notes + note_windows(layout, side)


def _set_probe(config: Config, net: TimmNet, layout: Layout) -> list[str]:
    """The frozen backbone of a probe, and what is taken of it."""
    old, side = config.backbone, image_side(config)
    wanted = config.probe.get('vit_pool', 'patch_mean')
    if wanted not in VIT_POOLS:
        raise unknown_name('probe.vit_pool', wanted, VIT_POOLS)
    norm = True
    if old['type'] == 'VisionTransformer':
        wanted = 'class_token'
        norm = bool(old.get('final_norm', True))
    cells = math.ceil(side / layout.stride)
    output = _existing(wanted, layout)
    pool = 'class_token'  # the feature itself
    if (
        not layout.plain
        and config.probe.get('pool') == 'corner_average'
        and cells == 7
    ):
        output, pool = 'maps', 'corner_average'
    backbone = backbone_settings(
        net, {}, output=output, norm=norm, frozen=True
    )
    note = _feature_note({**backbone, 'fresh_norm': False}, net, layout)
    if wanted == 'class_token' and layout.plain and output != wanted:
        note += '; there is no class token'
    notes = [note, *_input_notes(net, layout, config, backbone)]
    config.backbone = backbone
    config.probe.pool = pool
    return notes
