"""A segmenter's config around one of timm's networks."""

from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.toolbox import layer_decay
from ssl_bench.toolbox.timm_layout import Layout
from ssl_bench.transfer.timm_settings import (
    NO_DECAY,
    backbone_settings,
    note_positions,
    note_windows,
)
from ssl_bench.transfer.wrong_backbone import WrongBackbone


def set_timm_segmentation(
    config: Config, net: TimmNet, layout: Layout
) -> list[str]:
    """Put a network under a segmenter's neck and heads.

    FCN takes the last map, its auxiliary head the one before: of a plain
    network the map at two thirds of the depth. UPerNet takes four maps: of a
    plain network at 1/3, 1/2, 2/3 and the whole of the depth, brought to
    four strides; else the stages. Crops get the nearest size that the
    network's patches divide, and images of a test are padded to it together
    with their predictions, so that no map is stretched.

    Args:
        config (Config): Changed in place.
        net (TimmNet): The network.
        layout (Layout): Its maps.

    Returns:
        list[str]: What a record should say.

    Raises:
        WrongBackbone: The recipe is for a residual network, or the heads
            are none of these.
    """
    model = config.model
    if config.get('recipe'):
        raise WrongBackbone(
            f'the recipe {config.recipe} sets the strides of a residual '
            f'network, which {net.model} does not have.'
        )
    backbone = backbone_settings(net, model.backbone)
    heads = model.decode_head.type
    if heads == 'UPerHead':
        backbone['out_indices'] = list(layout.shares())
        notes = _set_upernet(model, layout)
    elif heads == 'FCNHead':
        before, last = _last_two(layout)
        backbone['out_indices'] = [before, last]
        notes = _set_fcn(model, layout, before, last)
    else:
        raise WrongBackbone(
            f'a segmenter with {heads} takes no {net.model}; there are FCN '
            'and UPerNet.'
        )
    notes += _set_sizes(config, layout)
    notes += note_positions(net, layout, backbone) + note_windows(layout)
    model.backbone = backbone
    _set_decay(config)
    return notes


def _last_two(layout: Layout) -> tuple[int, int]:
    if layout.plain:
        return layout.shares()[2], layout.depth - 1
    return max(layout.depth - 2, 0), layout.depth - 1


def _set_fcn(model: Any, layout: Layout, before: int, last: int) -> list[str]:
    model.decode_head.update(in_channels=layout.channels[last], in_index=1)
    if model.get('auxiliary_head'):
        model.auxiliary_head.update(
            in_channels=layout.channels[before], in_index=0
        )
    return [
        f'head on a map of stride {layout.strides[last]}, auxiliary head on '
        f'one of stride {layout.strides[before]}; nothing is dilated'
    ]


def _set_upernet(model: Any, layout: Layout) -> list[str]:
    """Widths of the decoder's inputs; a plain network keeps its neck.

    Raises:
        WrongBackbone: There are not four maps.
    """
    shares = layout.shares()
    if len(shares) != 4:
        raise WrongBackbone(
            f'UPerNet takes four maps, and this network has {len(shares)}; '
            'the nearest choice is an FCN task.'
        )
    channels = [layout.channels[index] for index in shares]
    model.decode_head.in_channels = channels
    if model.get('auxiliary_head'):
        model.auxiliary_head.in_channels = channels[2]
    if layout.plain:
        model.neck.embed_dim = channels[-1]
        blocks = ', '.join(str(index + 1) for index in shares)
        return [f'maps of blocks {blocks} of {layout.depth}']
    model.pop('neck', None)
    strides = ', '.join(str(layout.strides[index]) for index in shares)
    return [f'maps of the stages, strides {strides}, without a neck']


def nearest_size(side: int, divisor: int) -> int:
    """The multiple of a divisor that is nearest, the larger of two.

    512 gives 518 for 14, 769 gives 770 for 14 and 768 for 16.
    """
    return max((2 * side + divisor) // (2 * divisor), 1) * divisor


def _set_sizes(config: Config, layout: Layout) -> list[str]:
    """Crops and windows that the network's patches divide."""
    divisor = layout.divisor
    if divisor == 1:
        return []
    model = config.model
    pixels, test = model.data_preprocessor, model.test_cfg
    old = tuple(pixels['size'])
    new = tuple(nearest_size(side, divisor) for side in old)
    pixels['size'] = new
    for step in _pipeline_steps(config.train_dataloader.dataset):
        for key in ('crop_size', 'size'):
            if step['type'] in ('RandomCrop', 'Pad') and step.get(key):
                step[key] = tuple(
                    nearest_size(side, divisor) for side in step[key]
                )
    if test['mode'] == 'slide':
        test['crop_size'] = tuple(
            nearest_size(side, divisor) for side in test['crop_size']
        )
        pixels['test_cfg'] = dict(size=test['crop_size'])
        how = 'windows of a test too'
    else:
        pixels['test_cfg'] = dict(size_divisor=divisor)
        how = 'images of a test are padded to multiples of it'
    if new == old:
        return [f'{how.replace(" too", "")}: {divisor} pixels'] * (
            test['mode'] != 'slide'
        )
    return [
        f'crops of {new[0]}x{new[1]} instead of {old[0]}x{old[1]} pixels: '
        f'the network takes multiples of {divisor}; {how}'
    ]


def _pipeline_steps(dataset: Any) -> list[Any]:
    """The steps of a data set, or of each of several."""
    parts = dataset.get('datasets') or [dataset]
    return [step for part in parts for step in part['pipeline']]


def _set_decay(config: Config) -> None:
    """Layer-wise decay by timm's own grouping, where the recipe has it.

    mmseg's constructor knows three backbones by their names. What it keeps
    from weight decay is kept here too.
    """
    wrapper = config.optim_wrapper
    options = wrapper.get('paramwise_cfg') or {}
    if 'layer_decay_rate' not in options:
        return
    wrapper['constructor'] = 'ViTLayerDecay'
    wrapper['paramwise_cfg'] = dict(
        layer_decay_rate=options['layer_decay_rate'],
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={name: dict(decay_mult=0.0) for name in NO_DECAY},
    )
    imports = config.custom_imports
    imports['imports'] = [*imports['imports'], layer_decay.__name__]
