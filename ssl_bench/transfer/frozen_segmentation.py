"""A config of segmentation on frozen maps around one of timm's networks."""

from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.toolbox.timm_layout import Layout
from ssl_bench.transfer.timm_settings import (
    backbone_settings,
    note_positions,
    note_windows,
)


def is_on_frozen_maps(config: Config) -> bool:
    """Whether a config is of a head that is trained on frozen maps."""
    return 'maps' in (config.get('model') or {})


def set_frozen_segmentation(
    config: Config, net: TimmNet, layout: Layout
) -> list[str]:
    """Put a network under a linear layer.

    Sizes of crops and windows are the protocol's, whatever the patch;
    `FrozenSegmentor` pads or cuts them and chooses the maps.

    Args:
        config (Config): Changed in place.
        net (TimmNet): The network.
        layout (Layout): Its maps.

    Returns:
        list[str]: What a record should say.
    """
    model = config.model
    backbone = backbone_settings(net, {}, frozen=True)
    notes = _note_sizes(model, layout)
    notes += note_maps(model.maps, net, layout)
    notes += note_positions(net, layout, backbone) + note_windows(layout)
    model.backbone = backbone
    return notes


def note_maps(maps: Any, net: TimmNet, layout: Layout) -> list[str]:
    """Where a network's maps are not those that a protocol defines."""
    notes = []
    if maps.final_norm and not (net.final_norm and layout.normed):
        notes.append('no final norm: the file has none that keeps the width')
    if not layout.plain:
        notes.append(note_stages(maps))
    return notes


def note_stages(maps: Any) -> str:
    """What a record says of a network with stages."""
    return (
        f'a network with stages: maps of {list(maps.stages)} of four; the '
        'protocol defines one of a single stride'
    )


def note_resnet(config: Config) -> list[str]:
    """The same of a toolkit's ResNet, where a config takes frozen maps.

    Args:
        config (Config): Fitted to its backbone.
    """
    maps = (config.get('probe') or config.get('model') or {}).get('maps')
    if not maps or config.get('model', config)['backbone']['type'] != 'ResNet':
        return []
    return [note_stages(maps)]


def _note_sizes(model: Any, layout: Layout) -> list[str]:
    """What happens to crops that the network's patches do not divide."""
    side, divisor = model.data_preprocessor['size'][0], layout.divisor
    if side % divisor == 0:
        return []
    below = side // divisor * divisor
    if model.maps.padding == 'cut':
        return [
            f'of {side} pixels the last {side - below} are in no patch of '
            f'{divisor}, as the protocol has it'
        ]
    return [
        f'{side} pixels padded on both sides to {below + divisor}, a multiple '
        f'of {divisor}; the output is stretched, as the protocol has it'
    ]
