"""DINOv2, Franca, I-JEPA and other ViTs with more than plain parts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.architectures import VITS, ViT
from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.parts import (
    BLOCK,
    BY_NAME,
    PARTS,
    QKV,
    check_names,
    depth_of,
    filtered,
    has_patches,
    missing,
    other_than,
    ratio_of,
    rows,
    some,
    table_side,
    unknown_size,
    width_and_patch,
)
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

# width: timm's size, blocks (Oquab et al., TMLR 2024, Table 16)
DINOV2 = {
    384: ('small', 12),
    768: ('base', 12),
    1024: ('large', 24),
    1536: ('giant', 40),
}
# width: heads. I-JEPA's, Assran et al., CVPR 2023, and MAE's.
HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16, 1664: 16}
CHUNKED = re.compile(r'blocks\.(\d+)\.(\d+)\.')
# What the programs of DINO and iBOT write next to student and teacher.
DINO_LOSSES = ('dino_loss', 'ibot_loss')
# whose authors resize the position table by one rule
DINO_METHODS = ('DINO', 'iBOT')


def _is_dinov2(state: Mapping[str, Tensor]) -> bool:
    if not has_patches(state) or some(state, '.attn.q_bias'):
        return False
    scaled = some(state, '.ls1.gamma') or some(state, '.ls2.gamma')
    return (
        'register_tokens' in state
        or ('mask_token' in state and scaled)
        or any(CHUNKED.match(name) for name in state)
        or some(state, '.mlp.w12.weight')
    )


def unchunked(state: State, facts: Facts) -> State:
    """Names of blocks in chunks without the number of the chunk.

    The number of a block counts over the whole network already.

    Raises:
        UserError: Two blocks get one number.
    """
    if not any(CHUNKED.match(name) for name in state):
        return state
    found: State = {}
    for name, tensor in state.items():
        bare = CHUNKED.sub(r'blocks.\2.', name)
        if bare in found:
            raise UserError(
                f'{facts.path} holds {bare} twice, in two chunks of blocks: '
                'its blocks are not counted over the whole network'
            )
        found[bare] = tensor
    return found


def _read_dinov2(state: State, facts: Facts) -> Mapped:
    state = unchunked(state, facts)
    check_names(
        state,
        facts,
        'DINOv2',
        rf'{PARTS}|mask_token|register_tokens',
        rf'{BLOCK}|ls[12].gamma|mlp.w12|mlp.w3',
    )
    width, patch = width_and_patch(state)
    if width not in DINOV2:
        raise unknown_size(facts, 'a DINOv2 ViT', width)
    size, blocks = DINOV2[width]
    registers = 'register_tokens' in state
    if not registers and re.search(r'_reg\d', Path(facts.path).name):
        raise missing(facts, ['register_tokens'], 'its name says registers')
    gated = some(state, '.mlp.w12.weight')
    default: dict[str, Any] = dict(
        img_size=518,
        patch_size=14,
        depth=blocks,
        mlp_layer='SwiGLUPacked' if width == 1536 else 'Mlp',
        act_layer='SiLU' if width == 1536 else 'GELU',
        hidden=8192 if width == 1536 else 4 * width,
    )
    wanted = dict(
        img_size=patch * table_side(state, 1, facts),
        patch_size=patch,
        depth=depth_of(state),
        mlp_layer='SwiGLUPacked' if gated else 'Mlp',
        act_layer='SiLU' if gated else 'GELU',
        hidden=2 * rows(state, '.mlp.w3.weight', 1)
        if gated
        else rows(state, '.mlp.fc1.weight'),
    )
    kwargs = other_than(default, wanted)
    if hidden := kwargs.pop('hidden', None):
        kwargs['mlp_ratio'] = ratio_of(hidden, width)
    if registers and state['register_tokens'].shape[1] != 4:
        kwargs['reg_tokens'] = state['register_tokens'].shape[1]
    net = TimmNet(
        f'vit_{size}_patch14_{"reg4_" if registers else ""}dinov2',
        kwargs,
        positions='timm' if registers else 'dino',
    )
    state.setdefault('mask_token', torch.zeros(1, width))  # its filter's sign
    return Mapped(
        net,
        filtered(net, state, 'vision_transformer', facts),
        method=_dinov2_or_franca(width, gated, facts),
    )


def _dinov2_or_franca(width: int, gated: bool, facts: Facts) -> str:
    """Whose it is: only DINOv2's ViT-g has a gated MLP, Franca's all do."""
    if not gated:
        return 'DINOv2'
    if width < 1536:
        return 'Franca'
    # the released DINOv2 file is flat, Franca's has a teacher
    return '' if 'teacher' in facts.container else 'DINOv2'


def _is_ijepa(state: Mapping[str, Tensor]) -> bool:
    """A plain ViT without a class token, and a table of patches alone."""
    table = state.get('pos_embed')
    if (
        not has_patches(state)
        or QKV not in state
        or table is None
        or table.ndim != 3
        or round(table.shape[1] ** 0.5) ** 2 != table.shape[1]
    ):
        return False
    return not any(
        re.match(
            r'cls_token|class_token|reg_token|storage_tokens|mask_token'
            r'|decoder_|mm_|blocks\.\d+\.(ls\d|gamma|attn\.q_bias)',
            name,
        )
        for name in state
    )


def _read_ijepa(state: State, facts: Facts) -> Mapped:
    check_names(state, facts, 'I-JEPA', PARTS, BLOCK)
    width, patch = width_and_patch(state)
    if width not in HEADS:
        raise unknown_size(facts, 'a ViT without a class token', width)
    named: dict[tuple[int, int], tuple[str, dict[str, Any]]] = {
        (1280, 14): ('vit_huge_patch14_gap_224', dict(img_size=224, depth=32)),
        (1280, 16): ('vit_huge_patch16_gap_448', dict(img_size=448, depth=32)),
        (1408, 16): (
            'vit_giant_patch16_gap_224',
            dict(img_size=224, depth=40, hidden=6144),
        ),
    }
    sizes: dict[str, Any] = dict(
        img_size=patch * table_side(state, 0, facts),
        depth=depth_of(state),
        hidden=rows(state, '.mlp.fc1.weight'),
    )
    if (width, patch) in named:
        model, default = named[width, patch]
        kwargs = other_than({'hidden': 4 * width, **default}, sizes)
    else:
        model, kwargs = _sized(width, patch, HEADS[width], sizes)
        kwargs.update(class_token=False, global_pool='avg', fc_norm=False)
    if hidden := kwargs.pop('hidden', None):
        kwargs['mlp_ratio'] = ratio_of(hidden, width)
    net = TimmNet(model, kwargs, positions='fixed', pool='patch_mean')
    roles = {'target_encoder', 'predictor'} <= set(facts.container)
    return Mapped(
        net,
        filtered(net, state, 'vision_transformer', facts),
        notes=[] if roles else [_taken(HEADS[width], width)],
        method='I-JEPA' if roles else '',
        last_epoch=0 if roles else None,
    )


def _sized(
    width: int, patch: int, heads: int, sizes: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """A plain ViT of any size: timm's nearest name, and what differs."""
    size = next((s for s, row in VITS.items() if row[0] == width), 'base')
    usual_width, depth, usual = VITS[size]
    side = 8 if patch == 8 and size in ('small', 'base') else 16
    side = 14 if size == 'huge' else side
    default = dict(
        img_size=224,
        patch_size=side,
        embed_dim=usual_width,
        depth=depth,
        num_heads=usual,
        hidden=4 * width,
    )
    wanted = dict(sizes, patch_size=patch, embed_dim=width, num_heads=heads)
    return f'vit_{size}_patch{side}_224', other_than(default, wanted)


def from_vit(
    arch: ViT, state: State, facts: Facts, heads: int | None
) -> Mapped | None:
    """A ViT that the plain one cannot express, as a network of timm's.

    Plain ViTs of patch 8, 16 or 32 stay what they are: their files say
    nothing of how their authors resize positions. Those that are known to
    be DINO's or iBOT's (student and teacher with their loss, or the method
    that the user or the publisher's name says) become a network of timm's
    too, because the plain one has no place for the rule by which these
    authors resize their table.

    Args:
        arch (ViT): What was recognised.
        state (dict[str, Tensor]): Its tensors in timm's names.
        facts (Facts): What else the file says.
        heads (int, optional): Where the file's recipe says them.

    Returns:
        Mapped | None: None for a plain ViT.

    Raises:
        UserError: It has no position table, or nothing tells its heads, or
            its names are those of two kinds of networks.
    """
    dino = facts.method in DINO_METHODS or any(
        loss in facts.container for loss in DINO_LOSSES
    )
    said = heads
    heads = heads or arch.heads or HEADS.get(arch.width)
    registers = rows(state, 'reg_token', 1)
    table = rows(state, 'pos_embed', 1)
    alone = _square(table) and not _square(table - arch.cls_token - registers)
    extra = arch.layer_scale or arch.gamma or 'reg_token' in state
    other = dino or not arch.qkv_bias or arch.patch not in (8, 16, 32)
    other = other or (alone and arch.cls_token)
    sized = other and heads is not None
    if not (sized or extra) or arch.split_bias or arch.rel_pos:
        return None
    check_names(
        state,
        facts,
        'a ViT',
        rf'{PARTS}|reg_token',
        rf'{BLOCK}|ls[12].gamma|gamma_[12]',
    )
    if not heads:
        raise unknown_size(facts, 'a ViT', arch.width)
    if arch.gamma:
        raise UserError(
            f'{facts.path} holds a ViT with gamma_1 and gamma_2: DeiT III has '
            'these names, and so have ViTs with rotary positions, which '
            "compute something else. Say which with --arch and timm's name, "
            'for instance deit3_base_patch16_224'
        )
    if arch.grid is None:
        raise UserError(
            f'{facts.path} holds the blocks of a ViT and no pos_embed: its '
            f'positions are lost or rotary, and no tensor says how. {BY_NAME}'
        )
    prefix = 0 if alone else arch.cls_token + registers
    mae = any(name.startswith('decoder_') for name in facts.names)
    resized = mae or is_msn(facts.container)
    sizes = dict(
        img_size=arch.patch * table_side(state, prefix, facts),
        depth=arch.depth,
        hidden=arch.hidden,
    )
    model, kwargs = _sized(arch.width, arch.patch, heads, sizes)
    kwargs.update(_optional_parts(arch, registers, alone))
    if 'hidden' in kwargs:
        kwargs['mlp_ratio'] = ratio_of(kwargs.pop('hidden'), arch.width)
    net = TimmNet(
        model,
        kwargs,
        positions='dino' if dino else 'transformers' if resized else 'timm',
        final_norm=arch.final_norm,
        pool='class_token' if arch.cls_token and not mae else 'patch_mean',
    )
    notes = [] if said or dino else [_taken(heads, arch.width)]
    return Mapped(net, dict(state), notes=notes)


def _optional_parts(arch: ViT, registers: int, alone: bool) -> dict[str, Any]:
    """timm's options for what a plain ViT does not have, or lacks.

    Args:
        arch (ViT): What was recognised.
        registers (int): Register tokens.
        alone (bool): The position table has rows for patches alone.
    """
    found = other_than(
        dict(
            init_values=None,
            qkv_bias=True,
            class_token=True,
            reg_tokens=0,
            no_embed_class=False,
        ),
        dict(
            init_values=1e-5 if arch.layer_scale else None,
            qkv_bias=arch.qkv_bias,
            class_token=arch.cls_token,
            reg_tokens=registers,
            no_embed_class=bool(alone and (arch.cls_token or registers)),
        ),
    )
    if not arch.cls_token:
        found.update(global_pool='avg', fc_norm=False)
    return found


def _taken(heads: int, width: int) -> str:
    return (
        f'{heads} attention heads, as is usual for a width of {width}: no '
        'tensor says it'
    )


def is_msn(container: Mapping[str, Any]) -> bool:
    """Whether MSN's program wrote a file: I-JEPA's has no prototypes.

    Its table is resized to the number of patches, without antialias.
    """
    return {'encoder', 'target_encoder', 'prototypes'} <= set(container)


def _square(patches: int) -> bool:
    return patches > 0 and round(patches**0.5) ** 2 == patches


FAMILIES = (
    Family(
        'dinov2',
        _is_dinov2,
        _read_dinov2,
        drop=(r'mask_token\Z', r'(dino|ibot)_head\.'),
        keeps=('mask_token',),
    ),
)
LAST_FAMILIES = (Family('ijepa', _is_ijepa, _read_ijepa),)
