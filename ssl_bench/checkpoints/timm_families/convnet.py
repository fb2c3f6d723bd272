"""ConvNeXt: V1 and V2, DINOv3's, SparK's, FCMAE's, and timm's own files."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.own_names import (
    by_filter,
    count,
    own_net,
)
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

# (depths, width of the first stage): the size in timm's names
SIZES: dict[tuple[tuple[int, ...], int], str] = {
    ((2, 2, 6, 2), 40): 'atto',
    ((2, 2, 6, 2), 48): 'femto',
    ((2, 2, 6, 2), 64): 'pico',
    ((2, 2, 8, 2), 80): 'nano',
    ((3, 3, 9, 3), 96): 'tiny',
    ((3, 3, 27, 3), 96): 'small',
    ((3, 3, 27, 3), 128): 'base',
    ((3, 3, 27, 3), 192): 'large',
    ((3, 3, 27, 3), 256): 'xlarge',
    ((3, 3, 27, 3), 352): 'huge',
}
# the authors' sizes: timm's smaller ones of version 1 are its own
V1 = ('tiny', 'small', 'base', 'large', 'xlarge')
V2 = tuple(size for size in SIZES.values() if size != 'xlarge')
_STEM = 'downsample_layers.0.0.weight'


def _official(found: Mapping[str, Tensor]) -> bool:
    return _STEM in found and 'stages.0.0.dwconv.weight' in found


def _dinov3(found: Mapping[str, Tensor]) -> bool:
    return _official(found) and 'norms.3.weight' in found


def _sparse(found: Mapping[str, Tensor]) -> bool:
    return _STEM in found and 'stages.0.0.dwconv.kernel' in found


def _fcmae(found: Mapping[str, Tensor]) -> bool:
    """Of the pretraining: version 2, which never had a norm or a head."""
    version_2 = 'stages.0.0.grn.gamma' in found
    trained = any(name.startswith(('norm.', 'head.')) for name in found)
    return _sparse(found) or (_official(found) and version_2 and not trained)


def _timm(found: Mapping[str, Tensor]) -> bool:
    return 'stages.0.blocks.0.conv_dw.weight' in found


def convnext(
    depths: list[int], widths: list[int], version_2: bool, **kwargs: Any
) -> TimmNet:
    """The network by its sizes: by timm's name, or by timm's settings.

    Args:
        depths, widths (list[int]): Blocks and channels of each stage.
        version_2 (bool): With global response normalisation.
        **kwargs: What else differs, for timm.
    """
    size = SIZES.get((tuple(depths), widths[0]), '')
    regular = widths == [widths[0] * 2**i for i in range(len(widths))]
    name = 'convnextv2' if version_2 else 'convnext'
    if not (regular and size in (V2 if version_2 else V1)):
        size, kwargs = 'tiny', dict(depths=depths, dims=widths) | kwargs
    return TimmNet(f'{name}_{size}', kwargs, 'none', pool='pooled_map')


def by_shapes(state: Mapping[str, Tensor], facts: Facts) -> TimmNet:
    """The network of a state in the authors' names."""
    depths, widths, kernels = [], [], []
    for stage in range(count(state, r'stages\.(\d+)\.')):
        first = state.get(f'stages.{stage}.0.dwconv.weight')
        if first is None or first.ndim != 4:
            raise _lost(facts, f'stages.{stage}.0.dwconv.weight')
        depths.append(count(state, rf'stages\.{stage}\.(\d+)\.'))
        widths.append(int(first.shape[0]))
        kernels.append(int(first.shape[-1]))
    kwargs: dict[str, Any] = {}
    check_stages(depths, facts)
    if kernels != [7] * 4:
        kwargs['kernel_sizes'] = kernels
    patch = int(state[_STEM].shape[-1])
    if patch != 4:
        kwargs['patch_size'] = patch
    version_2 = any('.grn.' in name for name in state)
    if not version_2 and not any(name.endswith('.gamma') for name in state):
        kwargs['ls_init_value'] = None
    return convnext(depths, widths, version_2, **kwargs)


def check_stages(depths: list[int], facts: Facts) -> None:
    """Refuse a network that timm's ConvNeXt cannot be.

    Raises:
        UserError: It has more or fewer stages than 4.
    """
    if len(depths) != 4:
        raise UserError(
            f'{facts.path}: a ConvNeXt has 4 stages, and this file has '
            f'{len(depths)} of them'
        )


def _lost(facts: Facts, name: str) -> UserError:
    return UserError(f'{facts.path} is not a whole ConvNeXt: it lacks {name}')


def _read_official(state: State, facts: Facts) -> Mapped:
    net = by_shapes(state, facts)
    # only what was pretrained without a final norm may lack it
    trained = any(re.match(r'(head|norms?)\.', name) for name in facts.names)
    bare = not trained and not any(n.startswith('norm.') for n in state)
    if bare:  # for dense tasks a fresh norm is not what was pretrained
        net = replace(net, final_norm=False)
    if 'norms.3.weight' in facts.names:  # DINOv3's get_intermediate_layers
        net = replace(net, map_norm=True)
    return Mapped(net, by_filter('convnext', net, state, facts))


def _read_sparse(state: State, facts: Facts) -> Mapped:
    """FCMAE's training names: the sparse layers to dense ones.

    Source: the rule of the authors' ``utils.py`` (ConvNeXt V2, Woo et al.
    2023, arXiv:2301.00808): a kernel of the sparse convolution runs over
    the columns first, so its two axes in space are swapped.
    """
    dense: State = {}
    for name, tensor in state.items():
        if name.endswith('.kernel'):
            value = _dense_kernel(tensor, name, facts)
            name = name.removesuffix('kernel') + 'weight'
        else:
            value = tensor
            name = re.sub(r'\.(ln|linear)\.(weight|bias)\Z', r'.\2', name)
            if name.endswith('.bias') or '.grn.' in name:
                value = value.reshape(-1)
        if name in dense:
            raise UserError(f'{facts.path} holds {name} twice')
        dense[name] = value
    return _read_official(dense, facts)


def _dense_kernel(kernel: Tensor, name: str, facts: Facts) -> Tensor:
    """(k*k, in, out) to (out, in, k, k); (k*k, C) to (C, 1, k, k)."""
    if kernel.ndim not in (2, 3):
        raise UserError(f'{facts.path}: {name} is no sparse kernel')
    side = math.isqrt(kernel.shape[0])
    if side * side != kernel.shape[0]:
        raise UserError(f'{facts.path}: {name} is no square kernel')
    if kernel.ndim == 2:
        kernel = kernel[:, None]
    out = kernel.permute(2, 1, 0)
    out = out.reshape(*out.shape[:2], side, side)
    return out.transpose(3, 2).contiguous()


def _read_timm(state: State, facts: Facts) -> Mapped:
    return Mapped(own_net(('convnext',), state, facts), state)


HEADS = (r'head\.', r'decoder\.', r'proj\.', r'pred\.', r'mask_token\Z')
FAMILIES = (
    Family(
        'dinov3_convnext',
        _dinov3,
        _read_official,
        # the same tensors as `norm`
        drop=(r'norms\.3\.', r'dino_head\.', r'ibot_head\.', r'mask_token\Z'),
        method='DINOv3',
    ),
    Family('fcmae_sparse', _sparse, _read_sparse, HEADS, method='FCMAE'),
    Family('fcmae', _fcmae, _read_official, HEADS, method='FCMAE'),
    Family('convnext', _official, _read_official, HEADS),
    Family('timm_convnext', _timm, _read_timm, drop=(r'head\.fc\.',)),
)
