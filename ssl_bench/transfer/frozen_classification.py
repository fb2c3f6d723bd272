"""A config of classification on frozen maps around one of timm's networks."""

from math import ceil
from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import unknown_name
from ssl_bench.frozen_dense.heads import CHANNELS
from ssl_bench.toolbox.frozen_maps import MapRule, choose_maps, has_class_token
from ssl_bench.toolbox.timm_layout import Layout
from ssl_bench.transfer.map_heads import note_maps
from ssl_bench.transfer.timm_settings import (
    backbone_settings,
    note_positions,
    note_windows,
)


def set_frozen_classification(
    config: Config, net: TimmNet, layout: Layout, side: int
) -> list[str]:
    """Put a network under the heads of a `FrozenClassifier`.

    Args:
        config (Config): Changed in place.
        net (TimmNet): The network.
        layout (Layout): Its maps.
        side (int): Of the square images, pixels.

    Returns:
        list[str]: What a record should say.
    """
    model = config.model
    backbone = backbone_settings(net, {}, frozen=True)
    whole = ceil(side / layout.divisor) * layout.divisor
    grid = (whole // layout.stride,) * 2
    notes = note_maps(model.maps, net, layout)
    if whole != side:
        notes.append(
            f'images of {side} pixels padded with the mean on both sides to '
            f'{whole}: a multiple of {layout.divisor}'
        )
    notes += note_positions(net, layout, backbone, grid)
    notes += note_windows(layout, side)
    model.backbone = backbone
    return notes


def check_headline(config: Config) -> None:
    """Check that some head has the source that is reported.

    Args:
        config (Config): A plan's, of any task.

    Raises:
        UserError: None has, or a source is faulty.
    """
    model: Any = config.get('model') or {}
    if model.get('type') != 'FrozenClassifier':
        return
    from ssl_bench.toolbox.frozen_classifier import rule_and_sources
    from ssl_bench.toolbox.head_choice import BEST

    sources = rule_and_sources(model.backbone, model.maps, model.head.sources)[
        -1
    ]
    headline = config.test_evaluator.get('headline')
    names = [BEST, *(source.name for source in sources)]
    if headline not in names:
        raise unknown_name('test_evaluator.headline', str(headline), names)


def note_heads(config: Config) -> list[str]:
    """Where many heads are not those that the protocol defines.

    Args:
        config (Config): Of any task, fitted to its backbone.

    Raises:
        UserError: A faulty rule, or the backbone has no such maps.
    """
    model: Any = config.get('model') or {}
    if model.get('type') != 'FrozenClassifier':
        return []
    notes, sources = [], list(model.head.sources)
    rule = MapRule.read(dict(model.maps, class_token=False), 'model.maps')
    width = choose_maps(model.backbone, rule, 'model.maps')[1][-1]
    if model.maps.class_token and not has_class_token(model.backbone):
        notes.append(
            'no class token: the heads take the means of the maps alone'
        )
    if 'patches_1' in sources and width % CHANNELS:
        notes.append(
            f'attentive heads: {CHANNELS} channels do not divide {width}; '
            'as many as divide both'
        )
    return notes
