"""A config of a linear layer on frozen maps around one of timm's networks."""

from collections.abc import Iterable
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


def set_map_head(config: Config, net: TimmNet, layout: Layout) -> list[str]:
    """Put a network under a linear layer.

    Sizes of crops and windows are the protocol's, whatever the patch;
    the model pads or cuts them and chooses the maps.

    Args:
        config (Config): Changed in place.
        net (TimmNet): The network.
        layout (Layout): Its maps.

    Returns:
        list[str]: What a record should say.
    """
    model = config.model
    backbone = backbone_settings(net, {}, frozen=True)
    notes = note_sizes(model.maps, model.data_preprocessor['size'], layout)
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
    """The same of a toolkit's ResNet, where a config takes its maps.

    Args:
        config (Config): Fitted to its backbone.
    """
    maps = (config.get('probe') or config.get('model') or {}).get('maps')
    if maps is None:
        return []
    kind = config.get('model', config)['backbone']['type']
    return [note_stages(maps)] if kind == 'ResNet' else []


def note_sizes(maps: Any, sides: Iterable[int], layout: Layout) -> list[str]:
    """What happens to images whose sides the patches do not divide.

    Args:
        maps (Mapping): Fields of a `MapRule`.
        sides (Iterable[int]): Pixels.
        layout (Layout): Of the network.
    """
    divisor, notes = layout.divisor, []
    if maps.padding == 'none':  # they are refused
        return []
    for side in dict.fromkeys(sides):
        below = side // divisor * divisor
        if side == below:
            continue
        notes.append(
            f'of {side} pixels the last {side - below} are in no patch of '
            f'{divisor}, as the protocol has it'
            if maps.padding == 'cut'
            else f'{side} pixels padded on both sides to {below + divisor}, a '
            f'multiple of {divisor}; the output is stretched, as the protocol '
            'has it'
        )
    return notes
