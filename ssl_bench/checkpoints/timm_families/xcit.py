"""XCiT, with which DINO was trained too."""

from collections.abc import Mapping

from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.parts import (
    depth_of,
    filtered,
    missing,
    other_than,
    rows,
    unknown_size,
)
from ssl_bench.checkpoints.timm_nets import TimmNet

# width: timm's size, the numbers of blocks that have a name (El-Nouby et
# al., NeurIPS 2021, Table 1)
SIZES = {
    128: ('nano', (12,)),
    192: ('tiny', (12, 24)),
    384: ('small', (12, 24)),
    512: ('medium', (24,)),
    768: ('large', (24,)),
}


def _is_xcit(state: Mapping[str, Tensor]) -> bool:
    return any(name.startswith('cls_attn_blocks.') for name in state)


def _read_xcit(state: State, facts: Facts) -> Mapped:
    width = rows(state, 'cls_token', 2)
    if not width:
        raise missing(facts, ['cls_token'], 'its width is not known')
    if width not in SIZES:
        raise unknown_size(facts, 'an XCiT', width)
    size, named = SIZES[width]
    depth = depth_of(state)
    nearest = min(named, key=lambda blocks: abs(blocks - depth))
    # four convolutions of stride 2, or three
    patch = 16 if 'patch_embed.proj.6.0.weight' in state else 8
    net = TimmNet(
        f'xcit_{size}_{nearest}_p{patch}_224',
        other_than(dict(depth=nearest), dict(depth=depth)),
        positions='none',
    )
    return Mapped(net, filtered(net, state, 'xcit', facts))


FAMILIES = (Family('xcit', _is_xcit, _read_xcit, drop=(r'head\.',)),)
