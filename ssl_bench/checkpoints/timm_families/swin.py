"""Swin: SimMIM's, EsViT's, the authors' supervised one, and timm's own."""

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
    described,
    own_net,
    timm_name,
)
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

# width, depths and heads of the sizes in timm's names
SIZES: dict[tuple[int, tuple[int, ...], tuple[int, ...]], str] = {
    (96, (2, 2, 6, 2), (3, 6, 12, 24)): 'tiny',
    (96, (2, 2, 18, 2), (3, 6, 12, 24)): 'small',
    (128, (2, 2, 18, 2), (4, 8, 16, 32)): 'base',
    (192, (2, 2, 18, 2), (6, 12, 24, 48)): 'large',
}
# windows that differ between stages (timm: AutoFormer-S3), by the depths
S3: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {
    ((2, 2, 6, 2), (7, 7, 14, 7)): 'tiny',
    ((2, 2, 18, 2), (14, 14, 14, 7)): 'small',
    ((2, 2, 30, 2), (7, 7, 14, 7)): 'base',
}
# windows and image sizes that timm's names have next to 7 and 224
LARGE_WINDOW = ('base', 'large')
WINDOW, SIDE, RATIO = 7, 224, 4
ESVIT_EPS = 1e-6  # EsViT's norms; timm's and the Swin authors' have 1e-5
_TABLE = 'layers.{}.blocks.0.attn.relative_position_bias_table'
_FIRST = _TABLE.format(0)
_OLD = 'layers.0.downsample.reduction.weight'  # authors: at a stage's end
_DINO_HEAD = re.compile(r'head_dense\.|head\.(mlp|last_layer|prototypes)')


def _official(found: Mapping[str, Tensor]) -> bool:
    return _FIRST in found and _OLD in found


def _simmim(found: Mapping[str, Tensor]) -> bool:
    return _official(found) and 'mask_token' in found


def _esvit(found: Mapping[str, Tensor]) -> bool:
    return _official(found) and any(map(_DINO_HEAD.match, found))


def _headless(found: Mapping[str, Tensor]) -> bool:
    """As EsViT's backbone alone: a supervised file has its classifier."""
    head = any(name.startswith('head') for name in found)
    return _official(found) and not head


def _timm(found: Mapping[str, Tensor]) -> bool:
    second = 'layers.0.blocks.0.attn.logit_scale' in found
    return (_FIRST in found or second) and _OLD not in found


def by_shapes(state: Mapping[str, Tensor], facts: Facts) -> TimmNet:
    """The network of a Swin's tensors, in the authors' or timm's names.

    The image size decides where windows are shifted: it is read from the
    mask of the first shifted window, or is 32 windows.

    Raises:
        UserError: A stage lacks the table of relative positions.
    """
    stages = count(state, r'layers\.(\d+)\.')
    tables = [state.get(_TABLE.format(stage)) for stage in range(stages)]
    stem = state.get('patch_embed.proj.weight')
    found = [t for t in tables if t is not None and t.ndim == 2]
    if len(found) != len(tables) or stem is None or stem.ndim != 4:
        raise UserError(
            f'{facts.path} is not a whole Swin: it lacks the patch embedding '
            'or a table of relative positions'
        )
    width = int(stem.shape[0])
    heads = [int(table.shape[1]) for table in found]
    windows = [(math.isqrt(int(table.shape[0])) + 1) // 2 for table in found]
    depths = [
        count(state, rf'layers\.{stage}\.blocks\.(\d+)\.')
        for stage in range(stages)
    ]
    if len(set(windows)) > 1:
        return _s3(width, depths, windows, facts)
    window = windows[0]
    side = _side(state, window, int(stem.shape[-1]))
    size = SIZES.get((width, tuple(depths), tuple(heads)))
    kwargs = _others(state, width)
    if size is None:
        kwargs |= dict(embed_dim=width, depths=depths, num_heads=heads)
    if (window, side) == (12, 384) and size in LARGE_WINDOW:
        return TimmNet(
            f'swin_{size}_patch4_window12_384',
            kwargs,
            'none',
            pool='pooled_map',
        )
    if window != WINDOW:
        kwargs['window_size'] = window
    if side != SIDE:
        kwargs['img_size'] = side
    name = f'swin_{size or "tiny"}_patch4_window7_224'
    return TimmNet(name, kwargs, 'none', pool='pooled_map')


def _s3(
    width: int, depths: list[int], windows: list[int], facts: Facts
) -> TimmNet:
    """A network with windows of several sizes."""
    size = S3.get((tuple(depths), tuple(windows)))
    if size is None or width != 96:
        raise UserError(
            f'{facts.path}: a Swin with windows of {windows} is none of '
            "timm's, and no rule says for which image size it was made"
        )
    return TimmNet(f'swin_s3_{size}_224', {}, 'none', pool='pooled_map')


def _others(state: Mapping[str, Tensor], width: int) -> dict[str, Any]:
    """Settings that are not in timm's names."""
    kwargs: dict[str, Any] = {}
    hidden = state.get('layers.0.blocks.0.mlp.fc1.weight')
    if hidden is not None and hidden.shape[0] != RATIO * width:
        kwargs['mlp_ratio'] = int(hidden.shape[0]) / width
    if 'layers.0.blocks.0.attn.qkv.bias' not in state:
        kwargs['qkv_bias'] = False
    patch = int(state['patch_embed.proj.weight'].shape[-1])
    if patch != 4:
        kwargs['patch_size'] = patch
    return kwargs


def _side(state: Mapping[str, Tensor], window: int, patch: int) -> int:
    """Pixels of the square images of pretraining."""
    mask = state.get('layers.0.blocks.1.attn_mask')
    if mask is not None and mask.ndim == 3:
        return math.isqrt(int(mask.shape[0])) * window * patch
    return 8 * window * patch


def _read(state: State, facts: Facts, eps: float | None = None) -> Mapped:
    net = by_shapes(state, facts)
    if eps is not None:
        net = replace(net, kwargs=net.kwargs | dict(norm_eps=eps))
    return Mapped(net, by_filter('swin_transformer', net, state, facts))


def _read_esvit(state: State, facts: Facts) -> Mapped:
    return _read(state, facts, ESVIT_EPS)


def _read_headless(state: State, facts: Facts) -> Mapped:
    mapped = _read(state, facts, ESVIT_EPS)
    mapped.notes.append(
        'a Swin without a head: read as EsViT saves it, with a norm epsilon '
        'of 1e-6; --from swin reads it with 1e-5, as the authors of Swin do'
    )
    return mapped


def _read_timm(state: State, facts: Facts) -> Mapped:
    known = timm_name(facts)
    if known or _FIRST not in state:  # version 2 tells no window
        modules = ('swin_transformer', 'swin_transformer_v2')
        return Mapped(own_net(modules, state, facts), state)
    net = by_shapes(state, facts)
    if not net.kwargs:
        net = described(net.model, facts)
    return Mapped(net, state)


# rebuilt by the network for its image size
BUFFERS = (r'.*\.relative_position_index\Z', r'.*\.attn_mask\Z')
HEADS = (r'head\w*\.', r'avgpool\.')
KEEPS = ('layers.0.blocks.1.attn_mask',)
FAMILIES = (
    Family(
        'simmim',
        _simmim,
        _read,
        (r'mask_token\Z', r'decoder\.', *BUFFERS),
        KEEPS,
        method='SimMIM',
    ),
    Family(
        'esvit', _esvit, _read_esvit, (*HEADS, *BUFFERS), KEEPS, method='EsViT'
    ),
    Family('swin_headless', _headless, _read_headless, BUFFERS, KEEPS),
    Family('swin', _official, _read, (*HEADS, *BUFFERS), KEEPS),
    Family(
        'timm_swin',
        _timm,
        _read_timm,
        (r'head\.', r'.*\.relative_coords_table\Z', *BUFFERS),
    ),
)
