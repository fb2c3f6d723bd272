"""RegNet: SEER's trunk, torchvision's names and timm's; ResNets of timm."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.own_names import count, own_net
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

_TRUNK = '_feature_blocks.'
_STEM = 'conv1.stem.0.weight'


def _seer(found: Mapping[str, Tensor]) -> bool:
    return _STEM in found or f'{_TRUNK}{_STEM}' in found


def _torchvision(found: Mapping[str, Tensor]) -> bool:
    return 'stem.0.weight' in found and any(
        name.startswith('trunk_output.block1.') for name in found
    )


def _timm_regnet(found: Mapping[str, Tensor]) -> bool:
    return 'stem.conv.weight' in found and 's1.b1.conv1.conv.weight' in found


def _timm_resnet(found: Mapping[str, Tensor]) -> bool:
    """A ResNet that differs from torchvision's in names or in its stem."""
    signs = ('conv1.0.', 'layer1.0.se.')
    return 'layer1.0.conv1.weight' in found and (
        any(name.startswith(signs) for name in found)
        or _pooled_shortcut(found)
    )


def _pooled_shortcut(found: Mapping[str, Tensor]) -> bool:
    """Whether a shortcut is a pool, a convolution and a norm (ResNet-D)."""
    weight = found.get('layer2.0.downsample.1.weight')
    return weight is not None and weight.ndim == 4


def _filtered(content: dict[str, Any], facts: Facts, size: int) -> State:
    """timm's filter of RegNets, which needs no network."""
    from timm.models.regnet import _filter_fn

    mapped: State = _filter_fn(content)
    if len(mapped) != size:
        raise UserError(
            f'{facts.path}: two tensors of this RegNet get one name'
        )
    return mapped


def _regnet(state: State, facts: Facts) -> TimmNet:
    from timm.models.regnet import model_cfgs

    blocks = sum(
        count(state, rf's{stage}\.b(\d+)\.') - 1 for stage in range(1, 5)
    )
    return own_net(
        ('regnet',),
        state,
        facts,
        lambda name: name in model_cfgs and model_cfgs[name].depth == blocks,
        others=False,
    )


def _read_seer(state: State, facts: Facts) -> Mapped:
    trunk = {
        f'{_TRUNK}{name.removeprefix(_TRUNK)}': tensor
        for name, tensor in state.items()
    }
    model = {'model': {'trunk': trunk, 'heads': {}}}
    content = {'classy_state_dict': {'base_model': model}}
    mapped = _filtered(content, facts, len(state))
    return Mapped(_regnet(mapped, facts), mapped)


def _read_torchvision(state: State, facts: Facts) -> Mapped:
    mapped = _filtered(state, facts, len(state))
    return Mapped(_regnet(mapped, facts), mapped)


def _read_regnet(state: State, facts: Facts) -> Mapped:
    return Mapped(_regnet(state, facts), state)


def _read_resnet(state: State, facts: Facts) -> Mapped:
    blocks = sum(
        count(state, rf'layer{stage}\.(\d+)\.') for stage in range(1, 5)
    )
    convs = 3 if 'layer1.0.conv3.weight' in state else 2
    depth = str(convs * blocks + 2)  # the number in most names
    net = own_net(('resnet',), state, facts, lambda name: depth in name)
    return Mapped(net, state)


FAMILIES = (
    Family('seer', _seer, _read_seer, drop=(r'heads?\.',), method='SEER'),
    Family(
        'torchvision_regnet', _torchvision, _read_torchvision, drop=(r'fc\.',)
    ),
    Family('timm_regnet', _timm_regnet, _read_regnet, drop=(r'head\.',)),
    Family('timm_resnet', _timm_resnet, _read_resnet, drop=(r'fc\.',)),
)
