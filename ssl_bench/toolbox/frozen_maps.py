"""Which maps a protocol takes of a frozen backbone, and how it gets them.

A protocol says all of it in one place, ``maps=dict(...)`` of its config, so
that it is a part of the task's digest. Segmentation, depth and the probes of
patches read it here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.maps import concatenate, four_layers, pad_to_patch
from ssl_bench.toolbox.timm_backbone import TimmBackbone, plain
from ssl_bench.toolbox.timm_layout import Layout, layout_of

LAYERS = ('last', 'four', 'last_four')
PADDINGS = ('around', 'cut', 'none')
STAGES = 4  # of a residual network


@dataclass(frozen=True)
class MapRule:
    """The maps that a protocol takes; every field is said by its config.

    Attributes:
        layers (str): Of a network of one stride: ``last``; ``four``: the
            blocks of `four_layers`, from all of its depth; ``last_four``:
            the last four blocks.
        stages (tuple[int, ...]): Of a network with stages: which of its last
            four, from 1; the protocols define none, so this is our reading.
        final_norm (bool): Every map gets the final norm, if the file has
            one; of a network with stages the last map alone.
        class_token (bool): The class token of a layer goes with its map.
        padding (str): ``around``: images, and windows of a test, get zeros
            before and after, to the next multiple of the patch; nothing is
            cut from the output, which is stretched to the image. ``cut``:
            the remainder at the bottom and on the right is lost, as in the
            convolution of patches. ``none``: images of such sizes are
            refused.
    """

    layers: str
    stages: tuple[int, ...]
    final_norm: bool
    class_token: bool
    padding: str

    @classmethod
    def read(cls, maps: Mapping[str, Any], place: str) -> 'MapRule':
        """A rule from a config.

        Args:
            maps (Mapping): With every field, and no other.
            place (str): Of it in the config, for a message.

        Raises:
            UserError: A field is missing, unknown, or has a value that it
                cannot have.
        """
        names = [field.name for field in fields(cls)]
        for name in maps:
            if name not in names:
                raise unknown_name(f'key of {place}', name, names)
        missing = [name for name in names if name not in maps]
        if missing:
            raise UserError(f'{place} must say {missing[0]}.')
        for name, known in (('layers', LAYERS), ('padding', PADDINGS)):
            if maps[name] not in known:
                raise unknown_name(f'{place}.{name}', str(maps[name]), known)
        for name in ('final_norm', 'class_token'):
            if type(maps[name]) is not bool:
                raise UserError(
                    f'{place}.{name} must be True or False, not '
                    f'{maps[name]!r}.'
                )
        stages = maps['stages']
        if (
            not isinstance(stages, (list, tuple))
            or not stages
            or not all(type(s) is int and 1 <= s <= STAGES for s in stages)
            or list(stages) != sorted(set(stages))
        ):
            raise UserError(
                f'{place}.stages must be a rising list of numbers from 1 to '
                f'{STAGES}, such as [4], not {stages!r}.'
            )
        return cls(**{**maps, 'stages': tuple(stages)})


def choose_maps(
    backbone: Mapping[str, Any], rule: MapRule, place: str
) -> tuple[dict[str, Any], list[int], int]:
    """A backbone's config with the maps that a rule takes.

    Args:
        backbone (Mapping): A `TimmBackbone`, or a toolkit's ``ResNet``, which
            has no final norm and no class token.
        rule (MapRule): Of the protocol.
        place (str): Of the rule in the config, for a message.

    Returns:
        tuple: The config, D of each map without its class token, and the
        stride of the first map in pixels, to whose size the others are
        resized where they are joined.

    Raises:
        UserError: The network has no such layers or no class token.
    """
    settings = dict(backbone)
    if settings['type'] == 'ResNet':
        if rule.class_token:
            raise _no_token(place)
        block = 4 if settings['depth'] >= 50 else 1
        base = settings.get('base_channels', 64)
        settings['out_indices'] = tuple(stage - 1 for stage in rule.stages)
        widths = [block * base * 2 ** (stage - 1) for stage in rule.stages]
        return settings, widths, 2 ** (rule.stages[0] + 1)
    if settings['type'] != 'TimmBackbone':
        raise UserError(
            f'frozen maps are taken of ResNet and TimmBackbone, not of '
            f'{settings["type"]}.'
        )
    net = from_header(plain(settings['net']))
    layout = layout_of(net)
    indices = _indices(layout, rule, place)
    if rule.class_token and not layout.block_tokens:
        raise _no_token(place)
    settings.update(out_indices=indices, norm=rule.final_norm)
    if rule.padding == 'none':
        settings['pad'] = False
    return (
        settings,
        [layout.channels[index] for index in indices],
        layout.strides[indices[0]],
    )


def has_class_token(backbone: Mapping[str, Any]) -> bool:
    """Whether every map of a backbone has a class token.

    XCiT's meets the patches only after the last block.

    Args:
        backbone (Mapping): Config.
    """
    return (
        backbone['type'] == 'TimmBackbone'
        and layout_of(from_header(plain(backbone['net']))).block_tokens
    )


def _no_token(place: str) -> UserError:
    return UserError(
        f'{place}.class_token=True: this network has no class token; write '
        'False.'
    )


def _indices(layout: Layout, rule: MapRule, place: str) -> tuple[int, ...]:
    """Numbers of the maps, from 0."""
    if not layout.plain:
        found = layout.shares()
        if rule.stages[-1] > len(found):
            raise UserError(
                f'{place}.stages={list(rule.stages)}: this network has '
                f'{len(found)} stages; write [{len(found)}].'
            )
        return tuple(found[stage - 1] for stage in rule.stages)
    if rule.layers == 'last':
        return (layout.depth - 1,)
    if layout.depth < 4:
        raise UserError(
            f'{place}.layers={rule.layers}: this network has {layout.depth} '
            'maps; write last.'
        )
    if rule.layers == 'last_four':
        return tuple(range(layout.depth - 4, layout.depth))
    return four_layers(layout.depth)


class FrozenMaps:
    """Takes the maps of a rule from a built backbone.

    No module: the backbone belongs to the network that asks.

    Args:
        backbone (nn.Module): Built of what `choose_maps` returned; it gets
            no gradient and is to be held in evaluation mode.
        rule (MapRule): Of the protocol.

    Attributes:
        patch (int): Sides of what the backbone gets are multiples of it.
    """

    def __init__(self, backbone: nn.Module, rule: MapRule) -> None:
        self.backbone, self.rule = backbone.requires_grad_(False), rule
        self.patch: int = (
            backbone.divisor if isinstance(backbone, TimmBackbone) else 1
        )

    @torch.no_grad()
    def layers(
        self, images: Tensor
    ) -> tuple[list[Tensor], list[Tensor] | None]:
        """Images (B, 3, H, W), normalised, to their maps.

        Returns:
            tuple: Maps (B, D_i, h_i, w_i), and of a rule with class tokens
            those of the same layers, (B, D_i).
        """
        if self.rule.padding == 'around':
            images = pad_to_patch(images, self.patch)
        elif self.rule.padding == 'cut':
            images = self._cut(images)
        if not self.rule.class_token:
            return list(self.backbone(images)), None
        pairs: Sequence[tuple[Tensor, Tensor]]
        pairs = self.backbone.maps_and_tokens(images)  # type: ignore
        return [layer for layer, _ in pairs], [token for _, token in pairs]

    def of_masks(self, masks: Tensor, fill: int) -> Tensor:
        """Masks (B, H, W) as large as what the backbone gets.

        Args:
            masks (Tensor): Of the images.
            fill (int): Label of what is padded.
        """
        if self.rule.padding == 'around':
            return pad_to_patch(masks[:, None], self.patch, fill)[:, 0]
        return self._cut(masks) if self.rule.padding == 'cut' else masks

    def _cut(self, images: Tensor) -> Tensor:
        height, width = (
            side // self.patch * self.patch for side in images.shape[-2:]
        )
        return images[..., :height, :width]

    def __call__(self, images: Tensor) -> list[Tensor]:
        """The same, class tokens as further channels at every place."""
        maps, tokens = self.layers(images)
        if tokens is None:
            return maps
        return [concatenate([m], [t]) for m, t in zip(maps, tokens)]

    def joined(self, images: Tensor, factor: int = 1) -> Tensor:
        """The same as one map (B, C, factor * h_0, factor * w_0)."""
        return concatenate(*self.layers(images), factor)
