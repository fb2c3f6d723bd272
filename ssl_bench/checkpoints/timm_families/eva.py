"""DINOv3's ViTs and EVA-02: timm's `Eva`."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.parts import (
    BLOCK,
    PARTS,
    check_names,
    depth_of,
    filtered,
    has_patches,
    missing,
    other_than,
    some,
    table_side,
    unknown_size,
    width_and_patch,
)
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

# width, gated MLP: timm's size, blocks (Simeoni et al., arXiv 2508.10104)
DINOV3 = {
    (384, False): ('small', 12),
    (384, True): ('small_plus', 12),
    (768, False): ('base', 12),
    (1024, False): ('large', 24),
    (1280, True): ('huge_plus', 32),
    (4096, True): ('7b', 40),
}
# of the satellite images of SAT-493M, Simeoni et al., README of the program
SAT_MEAN = (0.430, 0.411, 0.296)
SAT_STD = (0.213, 0.156, 0.143)
# OpenAI CLIP's, which EVA-02 uses
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
EVA02 = {768: ('base', 12), 1024: ('large', 24)}
PERIODS = 'rope_embed.periods'


def _is_dinov3(state: Mapping[str, Tensor]) -> bool:
    return has_patches(state) and (
        'storage_tokens' in state
        or PERIODS in state
        or some(state, 'attn.qkv.bias_mask')
    )


def _read_dinov3(state: State, facts: Facts) -> Mapped:
    check_names(
        state,
        facts,
        'DINOv3',
        rf'{PARTS}|storage_tokens|{PERIODS}',
        rf'{BLOCK}|attn.qkv.bias_mask|ls[12].gamma|mlp.w[123]',
    )
    width, patch = width_and_patch(state)
    gated = some(state, '.mlp.w1.weight')
    if (width, gated) not in DINOV3:
        raise unknown_size(facts, 'a DINOv3 ViT', width)
    size, blocks = DINOV3[width, gated]
    lost = [n for n in ('storage_tokens', PERIODS) if n not in state]
    if lost:
        raise missing(facts, lost, 'its registers or rotary positions')
    state, biased, notes = _masked_biases(state, facts)
    name = f'vit_{size}_patch16_dinov3' + ('_qkvb' if biased else '')
    kwargs = other_than(
        dict(depth=blocks, patch_size=16, num_reg_tokens=4),
        dict(
            depth=depth_of(state),
            patch_size=patch,
            num_reg_tokens=state['storage_tokens'].shape[1],
        ),
    )
    periods, note = _periods(state.pop(PERIODS), width, size, facts)
    if periods:
        kwargs['rope_periods'] = periods
        notes.append(note)
    net = TimmNet(name, kwargs, positions='none')
    net, note = _statistics(net, width, facts)
    notes += [note] if note else []
    return Mapped(net, filtered(net, state, 'eva', facts), notes=notes)


def _statistics(net: TimmNet, width: int, facts: Facts) -> tuple[TimmNet, str]:
    """The pixels' statistics: of LVD-1689M's images or of SAT-493M's.

    Of the released files only the 7B and the ViT-L of SAT-493M have a norm
    for the class tokens of local crops.
    """
    local = any(n.startswith('local_cls_norm.') for n in facts.names)
    named = 'sat493m' in str(facts.path).lower()
    if named or (local and width == 1024):
        return replace(net, mean=SAT_MEAN, std=SAT_STD), (
            "the pixels' statistics are those of SAT-493M"
        )
    if local:
        return net, (
            "the pixels' statistics are ImageNet's (LVD-1689M); a file of "
            'SAT-493M is told by its name, which has sat493m in it'
        )
    return net, ''


def _masked_biases(
    state: State, facts: Facts
) -> tuple[State, bool, list[str]]:
    """Multiply each bias of query, key and value by its mask.

    The mask is 1 for query and value and 0 for key; it is NaN in a model
    that was never initialised, and is then made again.

    Returns:
        tuple: The tensors without masks; whether a bias of query or value
        is not 0; what was done.

    Raises:
        UserError: Some blocks lack the bias or the mask, or a mask keeps
            the bias of the key, for which timm has no place.
    """
    kept = {n: t for n, t in state.items() if not n.endswith('.bias_mask')}
    biases = [n for n in kept if n.endswith('attn.qkv.bias')]
    masks = [n for n in state if n.endswith('.bias_mask')]
    blocks = range(depth_of(state))
    for names, ending in ((biases, 'bias'), (masks, 'bias_mask')):
        wanted = [f'blocks.{i}.attn.qkv.{ending}' for i in blocks]
        lost = [name for name in wanted if name not in names]
        if names and lost:
            raise missing(facts, lost, 'other blocks have it')
    biased, notes = False, []
    for name in biases:
        mask = state.get(f'{name}_mask')
        bias = kept[name]
        third = bias.numel() // 3
        if mask is None or bool(mask.isnan().all()):
            mask = torch.ones_like(bias)
            mask[third : 2 * third] = 0
            notes = ['the masks of the biases were made again']
        if mask.shape != bias.shape or mask[third : 2 * third].any():
            raise UserError(
                f'{facts.path}: {name}_mask keeps the bias of the key, which '
                'no DINOv3 does: the file is damaged or of another network'
            )
        kept[name] = bias * mask.to(bias.dtype)
        kept[name][third : 2 * third] = 0  # NaN times 0 is NaN
        biased = biased or bool(kept[name].any())
    if not biased:
        kept = {n: t for n, t in kept.items() if n not in biases}
    return kept, biased, notes


def _periods(
    periods: Tensor, width: int, size: str, facts: Facts
) -> tuple[list[float], str]:
    """The periods of the rotary positions, where timm computes others.

    Released files hold them rounded to bfloat16, and the authors' program
    uses them as they stand.

    Raises:
        UserError: Their number is another, or they are not positive.
    """
    head = width // {'huge_plus': 20, '7b': 32}.get(size, width // 64)
    if tuple(periods.shape) != (head // 4,):
        raise UserError(
            f'{facts.path}: {PERIODS} has the shape {list(periods.shape)}, '
            f'expected {[head // 4]}'
        )
    found = periods.float()
    if not bool((found.isfinite() & (found > 0)).all()):
        raise UserError(
            f'{facts.path}: {PERIODS} holds values that are no periods: '
            'the rotary positions cannot be computed'
        )
    steps = 2.0 * torch.arange(head // 4, dtype=torch.float32) / (head // 2)
    usual = 100.0**steps
    if torch.allclose(found, usual, rtol=1e-6, atol=0):
        return [], ''
    most = float(((found - usual).abs() / usual).max())
    return found.tolist(), (
        f"{PERIODS} differs from timm's by up to {most:.2g} of a period, as "
        "rounding to bfloat16 makes it: the file's are used"
    )


def _is_eva02(state: Mapping[str, Tensor]) -> bool:
    return (
        has_patches(state)
        and some(state, '.attn.q_proj.weight')
        and (
            some(state, 'rope.freqs_cos') or some(state, '.mlp.ffn_ln.weight')
        )
    )


def _read_eva02(state: State, facts: Facts) -> Mapped:
    check_names(
        state,
        facts,
        'EVA-02',
        rf'{PARTS}|fc_norm',
        'norm[12]|attn.([qkv]_proj|q_bias|v_bias|proj|inner_attn_ln)'
        '|mlp.(w[123]|ffn_ln)',
    )
    width, patch = width_and_patch(state)
    if width not in EVA02 or patch != 14:
        raise unknown_size(facts, f'an EVA-02 with patches of {patch}', width)
    lost = [
        name
        for name in ('rope.freqs_cos', 'rope.freqs_sin')
        if name not in facts.names
    ]
    if lost:
        raise missing(facts, lost, 'its rotary positions are lost')
    size, blocks = EVA02[width]
    tuned = some(state, 'fc_norm.weight')
    wanted = dict(
        img_size=14 * table_side(state, 1, facts),
        depth=depth_of(state),
        scale_attn_inner=some(state, '.attn.inner_attn_ln.weight'),
        global_pool='avg' if tuned else 'token',
    )
    default = dict(
        img_size=224, depth=blocks, scale_attn_inner=False, global_pool='avg'
    )
    net = TimmNet(
        f'eva02_{size}_patch14_224',
        other_than(default, wanted),
        positions='transformers',
        final_norm=not tuned,
        pool='patch_mean',
        mean=CLIP_MEAN,
        std=CLIP_STD,
    )
    # without its mask token the filter leaves the norm where it is
    mapped = filtered(net, state, 'eva', facts)
    return Mapped(net, mapped)


FAMILIES = (
    Family(
        'dinov3',
        _is_dinov3,
        _read_dinov3,
        drop=(r'mask_token\Z', r'local_cls_norm\.', r'(dino|ibot)_head\.'),
        method='DINOv3',
    ),
)
EVA_FAMILIES = (
    Family(
        'eva02',
        _is_eva02,
        _read_eva02,
        drop=(
            r'mask_token\Z',
            r'lm_head\.',
            r'head\.',
            r'rope\.freqs_(cos|sin)\Z',
            r'blocks\.\d+\.attn\.rope\.freqs_(cos|sin)\Z',
        ),
    ),
)
