"""Where a pretrained network's tensors lie, from its input to its output."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

# A block's number, or its place in timm's grouping; the ends are `BEFORE`
# and `BEHIND`
Place = tuple[float, ...]
BEFORE: Place = (-1.0,)  # patches, positions, stem
BEHIND: Place = (float('inf'),)  # the norm after the last block

# where the parts of a pretrained network lie in a toolkit's model
PARTS = ('backbone', 'roi_head.shared_head.layer4')
VIT_BLOCK = re.compile(r'backbone\.layers\.(\d+)\.')
VIT_NORM = re.compile(r'backbone\.ln[12]\.')
RESNET_STAGE = re.compile(r'(?:backbone|roi_head\.shared_head)\.layer(\d)\.')
TIMM = 'backbone.net.'
# an attention's projections, in the toolkits' names and in timm's
PROJECTION = re.compile(
    r'(?:.*\.)?\w*attn\w*\.'
    r'(?:qkv|kv|q|k|v|proj|q_proj|k_proj|v_proj|out_proj)'
)


def parts_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of a task's model that a backbone file fills, by name.

    A C4 detector has the last stage in its head.
    """
    modules = dict(model.named_modules())
    return {name: modules[name] for name in PARTS if name in modules}


def places_of(model: nn.Module) -> dict[str, Place]:
    """Place of each parameter of `parts_of`; none where it is not known.

    Blocks of a ViT, stages of a residual network, and of timm's networks
    what its coarse grouping says: blocks, or stages of one that has them.

    Args:
        model (nn.Module): Detector, segmenter or classifier.

    Returns:
        dict: Name in the model to `BEFORE`, a block or `BEHIND`.
    """
    parts = parts_of(model)
    net = getattr(parts['backbone'], 'net', None)
    timm = {} if net is None else timm_places(net)
    found: dict[str, Place] = {}
    for part, module in parts.items():
        for own, _ in module.named_parameters():
            name = f'{part}.{own}'
            block = VIT_BLOCK.match(name) or RESNET_STAGE.match(name)
            if block:
                found[name] = (float(block[1]),)
            elif name.startswith(TIMM):
                found[name] = timm.get(name[len(TIMM) :], BEFORE)
            elif VIT_NORM.match(name) or name.startswith('backbone.head_norm'):
                found[name] = BEHIND
            else:
                found[name] = BEFORE
    return found


def timm_places(net: nn.Module) -> dict[str, Place]:
    """Places in one of timm's networks, by its own coarse grouping.

    Returns:
        dict: timm's name to place; empty where timm groups in no way.
    """
    matcher: Any = getattr(net, 'group_matcher', None)
    rules = matcher(coarse=True) if matcher else None
    if not isinstance(rules, dict):
        return {}
    patterns = [
        (re.compile(pattern), (float(order),), group, end)
        for order, (group, rule) in enumerate(rules.items())
        if rule is not None
        for pattern, end in ([(rule, None)] if isinstance(rule, str) else rule)
    ]
    found: dict[str, Place] = {}
    for name, _ in net.named_parameters():
        found[name] = BEHIND if 'norm' in name else BEFORE
        for pattern, order, group, end in patterns:
            match = pattern.match(name)
            if match is None:
                continue
            if group.startswith('stem'):
                found[name] = BEFORE
            elif end is None:
                numbers = [float(part) for part in match.groups() if part]
                found[name] = (*order, *numbers)
            else:  # timm: in the group before it
                found[name] = BEHIND
            break
    return found


def block_count(places: Mapping[str, Place]) -> int:
    """How many blocks there are."""
    return len(set(places.values()) - {BEFORE, BEHIND})


def projections(module: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers of a network's attentions, by name."""
    return {
        name: part
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and PROJECTION.fullmatch(name)
    }
