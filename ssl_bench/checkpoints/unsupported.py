"""Encoders that people have and that are not read, by their tensors' names.

A file of one of these is refused with its name. Without this table the first
tensor that a ResNet or a plain ViT lacks would be called surplus, and a user
who leaves it aside gets a network that computes something else. What the
families of `timm_families` read never comes here.
"""

import re
from collections.abc import Mapping

from torch import Tensor

# the first pattern that stands in some name, after a dot or at its start
_SIGNS = (
    (
        r'rope(_embed)?\.|(freqs?(_cis|_cos|_sin)?|inv_freq|periods)\Z',
        'a ViT with rotary positions or frequencies of its own',
    ),
    (r'reg(ister)?_tokens?|storage_tokens', 'a ViT with register tokens'),
    (
        r'mlp\.(w12|w1|w3|fc1_g|weights_in|gate_proj)\.',
        'a ViT with gated MLPs (SwiGLU)',
    ),
    (
        r'(norm_pre|ln_pre|pre_layrnorm)\.|transformer\.resblocks\.',
        'a CLIP ViT',
    ),
    (r'dist_token|distillation_token', 'a distilled DeiT'),
    (r'layer\d\.\d+\.se\.', 'a ResNet with squeeze-and-excitation'),
    (r'layer\d\.\d+\.(conv2|bn2)\.(conv|fc1|bn0)', 'a ResNeSt'),
    (r'conv1\.\d\.weight|stem\.\d\.weight', 'a ResNet with a deep stem'),
    (r'layer\d\.\d+\.gn\d\.', 'a ResNet with group norms'),
)
# Beginnings of names that the encoder computes with, in any of the networks
# above: none of them can be left aside.
_PARTS = re.compile(
    r'(blocks|layers?\d*|stages?\d*|res\d|s\d|encoder|embeddings?|embedder'
    r'|patch_embed|pos_embed|rel_pos_bias|cls_token|class_token|reg_tokens?'
    r'|register_tokens?|storage_tokens|dist_token|rope\w*|norms?\d*|norm_pre'
    r'|ln_pre|layer_?norm|conv1|bn1|stem|downsample_layers|cls_attn_blocks'
    r'|trunk\w*|transformer|visual|ls\d|gamma\w*)(\.|\Z)'
)


def unsupported(state: Mapping[str, Tensor]) -> str | None:
    """Name the encoder that is not read, where it is known.

    Args:
        state (Mapping[str, Tensor]): Tensors by name, with any prefix.
    """
    for pattern, what in _SIGNS:
        sign = re.compile(rf'(?:.*\.)?(?:{pattern})')
        if any(sign.match(name) for name in state):
            return what
    return _by_shape(state)


def _by_shape(state: Mapping[str, Tensor]) -> str | None:
    """The same for networks that differ from a ViT in their shapes alone."""
    first = state.get('blocks.0.mlp.fc1.weight')
    second = state.get('blocks.0.mlp.fc2.weight')
    if first is None or second is None or second.ndim != 2 or not first.ndim:
        return None
    gated = first.shape[0] == 2 * second.shape[1] > 0
    return 'a ViT with gated MLPs (SwiGLU)' if gated else None


def is_part(name: str) -> bool:
    """Whether an encoder computes with the tensor of this name."""
    return bool(_PARTS.match(name))
