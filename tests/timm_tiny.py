"""Very small networks of timm, one or two of each family."""

from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints import Backbone
from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.transfer.source import Source

_VIT = dict(depth=2, embed_dim=32, num_heads=2)
_TOKEN = dict(_VIT, global_pool='token')
TINY = {
    'dino': TimmNet(
        'vit_tiny_patch16_224', dict(_VIT, img_size=64), positions='dino'
    ),
    'dinov2_reg': TimmNet(
        'vit_small_patch14_reg4_dinov2', dict(_VIT, img_size=56)
    ),
    'dinov3': TimmNet('vit_small_patch16_dinov3', _TOKEN, positions='none'),
    'ijepa': TimmNet(
        'vit_huge_patch14_gap_224',
        dict(_VIT, img_size=56),
        positions='fixed',
        pool='patch_mean',
    ),
    'eva02': TimmNet('eva02_tiny_patch14_224', dict(_TOKEN, img_size=56)),
    'beit': TimmNet(
        'beitv2_base_patch16_224', dict(_TOKEN, img_size=64), positions='none'
    ),
    'xcit': TimmNet('xcit_nano_12_p16_224', _VIT, positions='none'),
    'convnextv2': TimmNet(
        'convnextv2_atto',
        dict(depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]),
        positions='none',
        pool='pooled_map',
    ),
    'swin': TimmNet(
        'swin_tiny_patch4_window7_224',
        dict(depths=[1, 1, 2, 1], embed_dim=16, num_heads=[1, 2, 2, 4]),
        positions='none',
        pool='pooled_map',
    ),
    'regnet': TimmNet('regnety_002', positions='none', pool='pooled_map'),
}
PLAIN = ('dino', 'dinov2_reg', 'dinov3', 'ijepa', 'eva02', 'beit', 'xcit')


def values_of(net: TimmNet, seed: int = 0) -> dict[str, Tensor]:
    """Random values in every tensor, running statistics included."""
    draw = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, value in net.build().state_dict().items():
        if not value.is_floating_point():
            state[name] = value
            continue
        found = torch.randn(value.shape, generator=draw) * 0.3
        state[name] = found.abs() + 0.5 if 'running_var' in name else found
    return state


def source_of(net: TimmNet, **header: Any) -> Source:
    """The backbone file's content, as a transfer gets it."""
    args = to_header(net)
    meta = {'arch': net.name, 'arch_args': args, **header}
    return Source(Backbone(values_of(net), {}, {}, meta), net.name, args)
