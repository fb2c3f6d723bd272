"""BEiT, BEiT v2 and data2vec: timm's `Beit`."""

import re
from collections.abc import Mapping

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
    args_of,
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
from ssl_bench.checkpoints.timm_nets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TimmNet,
)

# width: timm's size, blocks (Bao et al., ICLR 2022)
SIZES = {768: ('base', 12, 12), 1024: ('large', 24, 16)}
SHARED = 'rel_pos_bias.relative_position_bias_table'
OWN = '.attn.relative_position_bias_table'
HALF = (0.5, 0.5, 0.5)


def _is_beit(state: Mapping[str, Tensor]) -> bool:
    return (
        has_patches(state)
        and some(state, '.attn.qkv.weight')
        and (some(state, '.attn.q_bias') or SHARED in state)
    )


def read_beit(state: State, facts: Facts) -> Mapped:
    """Map a file of BEiT's program: `Family.read`.

    Raises:
        UserError: No size of BEiT, or no positions.
    """
    check_names(
        state,
        facts,
        'BEiT',
        rf'{PARTS}|fc_norm|rel_pos_bias.relative_position_\w+',
        rf'{BLOCK}|gamma_[12]|attn.q_bias|attn.v_bias'
        r'|attn.relative_position_\w+',
    )
    width, patch = width_and_patch(state)
    if width not in SIZES:
        raise unknown_size(facts, 'a BEiT', width)
    size, blocks, usual = SIZES[width]
    state, notes = _with_own_tables(state)
    depth = depth_of(state)
    relative = some(state, OWN)
    if not relative and 'pos_embed' not in state:
        raise missing(facts, [SHARED, f'blocks.N{OWN}'], 'its positions')
    if relative:
        side = (round((rows(state, OWN) - 3) ** 0.5) + 1) // 2
    else:
        side = table_side(state, 1, facts)
    tuned = any(n.startswith('fc_norm.') for n in state) and (
        'norm.weight' not in state
    )
    wanted = dict(
        img_size=side * patch,
        patch_size=patch,
        depth=depth,
        num_heads=rows(state, OWN, 1) or usual,
        use_rel_pos_bias=relative,
        use_abs_pos_emb='pos_embed' in state,
        global_pool='avg' if tuned else 'token',
        scaled=some(state, '.gamma_1') or some(state, '.gamma_2'),
        hidden=rows(state, '.mlp.fc1.weight'),
    )
    default = dict(
        img_size=224,
        patch_size=16,
        depth=blocks,
        num_heads=usual,
        use_rel_pos_bias=True,
        use_abs_pos_emb=False,
        global_pool='avg',
        scaled=True,
        hidden=4 * width,
    )
    kwargs = other_than(default, wanted)
    if kwargs.pop('scaled', True) is False:
        kwargs['init_values'] = None
    if hidden := kwargs.pop('hidden', None):
        kwargs['mlp_ratio'] = ratio_of(hidden, width)
    second = any(name.startswith('cls_pt_layers.') for name in facts.names)
    half = args_of(facts).get('imagenet_default_mean_and_std') is False
    net = TimmNet(
        f'beit{"v2" if second else ""}_{size}_patch16_224',
        kwargs,
        positions='none' if relative else 'transformers',
        final_norm=not tuned,
        pool='patch_mean',
        mean=HALF if half else IMAGENET_MEAN,
        std=HALF if half else IMAGENET_STD,
    )
    return Mapped(
        net,
        filtered(net, state, 'beit', facts),
        notes=notes,
        method='BEiT v2' if second else '',
        # a fine-tuned file counts the epochs of its fine-tuning
        last_epoch=1 if 'mask_token' in facts.names else None,
    )


def _with_own_tables(state: State) -> tuple[State, list[str]]:
    """Copy a shared table of relative positions into every block.

    So does the authors' fine-tuning; timm's filter knows own tables alone.
    """
    if SHARED not in state or some(state, OWN):
        return state, []
    state = dict(state)
    table = state.pop(SHARED)
    state.pop('rel_pos_bias.relative_position_index', None)
    found = (re.match(r'(blocks\.\d{1,6})\.', name) for name in state)
    blocks = list(dict.fromkeys(match[1] for match in found if match))
    state.update({f'{block}{OWN}': table for block in blocks})
    return state, [
        'the shared table of relative positions was copied into '
        f'{len(blocks)} blocks'
    ]


FAMILIES = (
    Family(
        'beit',
        _is_beit,
        read_beit,
        drop=(r'mask_token\Z', r'lm_head\.', r'cls_pt_layers\.', r'head\.'),
    ),
)
