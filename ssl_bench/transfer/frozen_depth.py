"""What a depth task on frozen maps says of the network it gets."""

from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.toolbox.timm_layout import layout_of


def fit_depther(config: Config) -> list[str]:
    """Leave out what a network does not have; the architecture is set.

    Args:
        config (Config): Of any task; changed in place where it is of a
            `FrozenDepther`.

    Returns:
        list[str]: What a record should say.
    """
    model: Any = config.get('model') or {}
    if model.get('type') != 'FrozenDepther':
        return []
    notes, net = [], model.backbone
    layout = (
        layout_of(from_header(net.net)) if net.type == 'TimmBackbone' else None
    )
    if model.maps.class_token and not (layout and layout.block_tokens):
        model.maps.class_token = False
        notes.append(
            'no class token: the network has none; the protocol joins it to '
            'the map of its layer'
        )
    if layout is None or not layout.plain:
        notes.append(
            'a network with stages: maps are enlarged to the stride that '
            'patches of 16 pixels would give, by our reading'
        )
    return notes
