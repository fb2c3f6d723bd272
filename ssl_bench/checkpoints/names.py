"""Other programs' tensor names, next to torchvision's and timm's.

A scheme is a table of pairs (theirs, ours). ``{i}`` is a number and
``{p}`` the rest of the name, the same on both sides; the table is read in
either direction, the first fitting row wins. One thing differs by more than a
name: transformers keeps query, key and value apart (`_fuse`).
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

import torch
from torch import Tensor

Table = list[tuple[str, str]]


def _resnet_blocks(
    theirs: str,
    conv: str,
    norm: str,
    shortcut: str,
    shortcut_norm: str,
    first_stage: int = 1,
    first_conv: int = 1,
) -> Table:
    """Rows of the four stages; ``{s}`` and ``{c}`` count from elsewhere."""
    rows = []
    for stage in range(4):
        block = theirs.format(s=stage + first_stage, i='{i}')
        ours = f'layer{stage + 1}.{{i}}'
        for i in range(3):
            rows += [
                (
                    f'{block}.{conv.format(c=i + first_conv)}.weight',
                    f'{ours}.conv{i + 1}.weight',
                ),
                (
                    f'{block}.{norm.format(c=i + first_conv)}.{{p}}',
                    f'{ours}.bn{i + 1}.{{p}}',
                ),
            ]
        rows += [
            (f'{block}.{shortcut}.weight', f'{ours}.downsample.0.weight'),
            (f'{block}.{shortcut_norm}.{{p}}', f'{ours}.downsample.1.{{p}}'),
        ]
    return rows


def _caffe2_norm(theirs: str, ours: str) -> Table:
    """Rows of a batch norm, whose words are joined by underscores."""
    parts = dict(
        gamma='weight',
        beta='bias',
        running_mean='running_mean',
        running_var='running_var',
    )
    return [
        (f'{theirs}_bn_{word}', f'{ours}.{part}')
        for word, part in parts.items()
    ]


SCHEMES: dict[str, Table] = {
    # torchvision, timm, mmdet, mmseg, mmpretrain, and every method's file
    'torchvision': [],
    # caffe2-style names, detectron2/checkpoint/c2_model_loading.py
    'detectron2': [
        ('stem.conv1.weight', 'conv1.weight'),
        ('stem.conv1.norm.{p}', 'bn1.{p}'),
        *_resnet_blocks(
            'res{s}.{i}',
            'conv{c}',
            'conv{c}.norm',
            'shortcut',
            'shortcut.norm',
            first_stage=2,
        ),
    ],
    # Detectron's and Detectron2's ImageNet files (MSRA/R-50.pkl)
    'caffe2': [
        ('conv1_w', 'conv1.weight'),
        *_caffe2_norm('res_conv1', 'bn1'),
        *(
            row
            for stage in range(1, 5)
            for theirs, conv, norm in (
                ('2a', 'conv1', 'bn1'),
                ('2b', 'conv2', 'bn2'),
                ('2c', 'conv3', 'bn3'),
                ('1', 'downsample.0', 'downsample.1'),
            )
            for row in (
                (
                    f'res{stage + 1}_{{i}}_branch{theirs}_w',
                    f'layer{stage}.{{i}}.{conv}.weight',
                ),
                *_caffe2_norm(
                    f'res{stage + 1}_{{i}}_branch{theirs}',
                    f'layer{stage}.{{i}}.{norm}',
                ),
            )
        ),
    ],
    # transformers' ResNetModel
    'hf_resnet': [
        ('embedder.embedder.convolution.weight', 'conv1.weight'),
        ('embedder.embedder.normalization.{p}', 'bn1.{p}'),
        *_resnet_blocks(
            'encoder.stages.{s}.layers.{i}',
            'layer.{c}.convolution',
            'layer.{c}.normalization',
            'shortcut.convolution',
            'shortcut.normalization',
            first_stage=0,
            first_conv=0,
        ),
    ],
    # nn.Sequential(*resnet.children()), as lightly's examples build it
    'sequential': [
        ('0.weight', 'conv1.weight'),
        ('1.{p}', 'bn1.{p}'),
        *(
            (f'{stage + 3}.{{i}}.{{p}}', f'layer{stage}.{{i}}.{{p}}')
            for stage in range(1, 5)
        ),
    ],
    'timm_vit': [],
    # mmpretrain's VisionTransformer and its subclasses
    'mmpretrain_vit': [
        ('patch_embed.projection.{p}', 'patch_embed.proj.{p}'),
        ('layers.{i}.ln1.{p}', 'blocks.{i}.norm1.{p}'),
        ('layers.{i}.ln2.{p}', 'blocks.{i}.norm2.{p}'),
        ('layers.{i}.ffn.layers.0.0.{p}', 'blocks.{i}.mlp.fc1.{p}'),
        ('layers.{i}.ffn.layers.1.{p}', 'blocks.{i}.mlp.fc2.{p}'),
        ('layers.{i}.attn.gamma1.weight', 'blocks.{i}.ls1.gamma'),
        ('layers.{i}.ffn.gamma2.weight', 'blocks.{i}.ls2.gamma'),
        ('layers.{i}.{p}', 'blocks.{i}.{p}'),
        ('ln1.{p}', 'norm.{p}'),
    ],
    # mmseg's VisionTransformer, which holds torch's attention
    'mmseg_vit': [
        ('patch_embed.projection.{p}', 'patch_embed.proj.{p}'),
        ('layers.{i}.attn.attn.in_proj_{p}', 'blocks.{i}.attn.qkv.{p}'),
        ('layers.{i}.attn.attn.out_proj.{p}', 'blocks.{i}.attn.proj.{p}'),
        ('layers.{i}.ln1.{p}', 'blocks.{i}.norm1.{p}'),
        ('layers.{i}.ln2.{p}', 'blocks.{i}.norm2.{p}'),
        ('layers.{i}.ffn.layers.0.0.{p}', 'blocks.{i}.mlp.fc1.{p}'),
        ('layers.{i}.ffn.layers.1.{p}', 'blocks.{i}.mlp.fc2.{p}'),
        ('ln1.{p}', 'norm.{p}'),
    ],
    # torchvision's VisionTransformer; mlp.linear_N before version 0.12
    'torchvision_vit': [
        ('class_token', 'cls_token'),
        ('encoder.pos_embedding', 'pos_embed'),
        ('conv_proj.{p}', 'patch_embed.proj.{p}'),
        *(
            (
                f'encoder.layers.encoder_layer_{{i}}.{theirs}{{p}}',
                f'blocks.{{i}}.{ours}.{{p}}',
            )
            for theirs, ours in (
                ('ln_1.', 'norm1'),
                ('ln_2.', 'norm2'),
                ('self_attention.in_proj_', 'attn.qkv'),
                ('self_attention.out_proj.', 'attn.proj'),
                ('mlp.0.', 'mlp.fc1'),
                ('mlp.3.', 'mlp.fc2'),
                ('mlp.linear_1.', 'mlp.fc1'),
                ('mlp.linear_2.', 'mlp.fc2'),
            )
        ),
        ('encoder.ln.{p}', 'norm.{p}'),
    ],
    # transformers' ViTModel, as its files are on disk
    'hf_vit': [
        ('embeddings.cls_token', 'cls_token'),
        ('embeddings.position_embeddings', 'pos_embed'),
        ('embeddings.patch_embeddings.projection.{p}', 'patch_embed.proj.{p}'),
        *(
            (
                f'encoder.layer.{{i}}.{theirs}.{{p}}',
                f'blocks.{{i}}.{ours}.{{p}}',
            )
            for theirs, ours in (
                ('layernorm_before', 'norm1'),
                ('layernorm_after', 'norm2'),
                ('attention.attention.query', 'attn.q'),
                ('attention.attention.key', 'attn.k'),
                ('attention.attention.value', 'attn.v'),
                ('attention.output.dense', 'attn.proj'),
                ('intermediate.dense', 'mlp.fc1'),
                ('output.dense', 'mlp.fc2'),
            )
        ),
        # and as transformers 5 has them in memory
        *(
            (f'layers.{{i}}.{theirs}.{{p}}', f'blocks.{{i}}.{ours}.{{p}}')
            for theirs, ours in (
                ('layernorm_before', 'norm1'),
                ('layernorm_after', 'norm2'),
                ('attention.q_proj', 'attn.q'),
                ('attention.k_proj', 'attn.k'),
                ('attention.v_proj', 'attn.v'),
                ('attention.o_proj', 'attn.proj'),
                ('mlp.fc1', 'mlp.fc1'),
                ('mlp.fc2', 'mlp.fc2'),
            )
        ),
        ('layernorm.{p}', 'norm.{p}'),
    ],
}
# A name that only this scheme's encoder has, most particular scheme first.
SIGNS = {
    'caffe2': 'res2_0_branch2a_w',
    'detectron2': 'stem.conv1.weight',
    'hf_resnet': 'embedder.embedder.convolution.weight',
    'hf_vit': 'embeddings.patch_embeddings.projection.weight',
    'torchvision_vit': 'conv_proj.weight',
    'mmseg_vit': 'layers.0.attn.attn.in_proj_weight',
    'mmpretrain_vit': 'layers.0.ln1.weight',
    'timm_vit': 'blocks.0.norm1.weight',
    'sequential': '4.0.conv1.weight',
    'torchvision': 'layer1.0.conv1.weight',
}


def scheme_of(names: Iterable[str]) -> str | None:
    """Name the scheme an encoder's tensor names follow, or None."""
    names = set(names)
    return next((s for s, sign in SIGNS.items() if sign in names), None)


def encoder_prefixes(names: Iterable[str]) -> list[str]:
    """The prefix of each encoder among some names."""
    found = {
        name[: -len(sign)]
        for name in names
        for sign in SIGNS.values()
        if name.endswith(sign)
    }
    return sorted(p for p in found if not p or p.endswith('.'))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r'\{i\}', r'(?P<i>\d+)')
    return re.compile(text.replace(r'\{p\}', r'(?P<p>.+)') + r'\Z')


def _rename(name: str, rows: Iterable[tuple[str, str]]) -> str:
    """The name by the first row that fits; unchanged when none does."""
    for source, target in rows:
        match = _pattern(source).match(name)
        if match:
            return target.format(**match.groupdict())
    return name


def to_ours(state: Mapping[str, Tensor], scheme: str) -> dict[str, Tensor]:
    """Give the tensors torchvision's or timm's names.

    Names outside the scheme stay as they are, so that a report can list
    them.
    """
    table = SCHEMES[scheme]
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = _rename(name, table)
        # of two that get one name, the second keeps its own
        renamed[name if ours in renamed else ours] = tensor
    return _fuse(renamed) if scheme == 'hf_vit' else renamed


def from_ours(state: Mapping[str, Tensor], scheme: str) -> dict[str, Tensor]:
    """Give the tensors the names of another program."""
    table = [(ours, theirs) for theirs, ours in SCHEMES[scheme]]
    if scheme == 'hf_vit':
        state = _split(state)
    return {_rename(name, table): tensor for name, tensor in state.items()}


def _fuse(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join each block's query, key and value, (D, D) each, into (3D, D).

    Where one of the three is missing the others keep their names, so that a
    report can list them.
    """
    fused: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = re.match(r'(blocks\.\d+\.attn)\.([qkv])\.(\w+)\Z', name)
        names = [f'{match[1]}.{p}.{match[3]}' for p in 'qkv'] if match else []
        parts = [state[part] for part in names if part in state]
        same = len(parts) == 3 and len({part.shape for part in parts}) == 1
        if match is None or not same or not tensor.ndim:
            fused[name] = tensor
        elif match[2] == 'q':
            fused[f'{match[1]}.qkv.{match[3]}'] = torch.cat(parts)
    return fused


def _split(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `_fuse`."""
    apart = {}
    for name, tensor in state.items():
        match = re.match(r'(.+\.attn)\.qkv\.(\w+)\Z', name)
        if not match:
            apart[name] = tensor
            continue
        for part, value in zip('qkv', tensor.chunk(3)):
            apart[f'{match[1]}.{part}.{match[2]}'] = value
    return apart
