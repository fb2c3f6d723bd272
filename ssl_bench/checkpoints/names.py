"""Other programs' tensor names, beside torchvision's and timm's.

A scheme is a table of pairs (theirs, ours). ``{i}`` stands for a number and
``{p}`` for the rest of the name, the same on both sides; the table is read in
either direction.
"""
import re
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from torch import Tensor

Table = List[Tuple[str, str]]


def _resnet_blocks(theirs: str, conv: str, norm: str, shortcut: str,
                   shortcut_norm: str, first_stage: int = 1,
                   first_conv: int = 1) -> Table:
    """Rows of the four stages; ``{s}``, ``{c}`` are numbers that shift."""
    rows = []
    for stage in range(4):
        block = theirs.format(s=stage + first_stage, i='{i}')
        ours = f'layer{stage + 1}.{{i}}'
        for i in range(3):
            rows += [
                (f'{block}.{conv.format(c=i + first_conv)}.weight',
                 f'{ours}.conv{i + 1}.weight'),
                (f'{block}.{norm.format(c=i + first_conv)}.{{p}}',
                 f'{ours}.bn{i + 1}.{{p}}')]
        rows += [(f'{block}.{shortcut}.weight', f'{ours}.downsample.0.weight'),
                 (f'{block}.{shortcut_norm}.{{p}}',
                  f'{ours}.downsample.1.{{p}}')]
    return rows


SCHEMES: Dict[str, Table] = {
    # torchvision, timm, mmdet, mmseg, mmpretrain, and every method's file
    'torchvision': [],
    # caffe2-style names, detectron2/checkpoint/c2_model_loading.py
    'detectron2': [
        ('stem.conv1.weight', 'conv1.weight'),
        ('stem.conv1.norm.{p}', 'bn1.{p}'),
        *_resnet_blocks('res{s}.{i}', 'conv{c}', 'conv{c}.norm', 'shortcut',
                        'shortcut.norm', first_stage=2)],
    # transformers' ResNetModel
    'hf_resnet': [
        ('embedder.embedder.convolution.weight', 'conv1.weight'),
        ('embedder.embedder.normalization.{p}', 'bn1.{p}'),
        *_resnet_blocks(
            'encoder.stages.{s}.layers.{i}', 'layer.{c}.convolution',
            'layer.{c}.normalization', 'shortcut.convolution',
            'shortcut.normalization', first_stage=0, first_conv=0)],
    # nn.Sequential(*resnet.children()), as lightly's examples build it
    'sequential': [
        ('0.weight', 'conv1.weight'), ('1.{p}', 'bn1.{p}'),
        *((f'{stage + 3}.{{i}}.{{p}}', f'layer{stage}.{{i}}.{{p}}')
          for stage in range(1, 5))],
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
        ('ln1.{p}', 'norm.{p}')],
    # torchvision's VisionTransformer (and its names before version 0.12)
    'torchvision_vit': [
        ('class_token', 'cls_token'),
        ('encoder.pos_embedding', 'pos_embed'),
        ('conv_proj.{p}', 'patch_embed.proj.{p}'),
        ('encoder.layers.encoder_layer_{i}.ln_1.{p}',
         'blocks.{i}.norm1.{p}'),
        ('encoder.layers.encoder_layer_{i}.ln_2.{p}',
         'blocks.{i}.norm2.{p}'),
        ('encoder.layers.encoder_layer_{i}.self_attention.in_proj_{p}',
         'blocks.{i}.attn.qkv.{p}'),
        ('encoder.layers.encoder_layer_{i}.self_attention.out_proj.{p}',
         'blocks.{i}.attn.proj.{p}'),
        ('encoder.layers.encoder_layer_{i}.mlp.0.{p}',
         'blocks.{i}.mlp.fc1.{p}'),
        ('encoder.layers.encoder_layer_{i}.mlp.3.{p}',
         'blocks.{i}.mlp.fc2.{p}'),
        ('encoder.layers.encoder_layer_{i}.mlp.linear_1.{p}',
         'blocks.{i}.mlp.fc1.{p}'),
        ('encoder.layers.encoder_layer_{i}.mlp.linear_2.{p}',
         'blocks.{i}.mlp.fc2.{p}'),
        ('encoder.ln.{p}', 'norm.{p}')],
}
# A name that only this scheme's encoder has, most particular scheme first.
SIGNS = {
    'detectron2': 'stem.conv1.weight',
    'hf_resnet': 'embedder.embedder.convolution.weight',
    'torchvision_vit': 'conv_proj.weight',
    'mmpretrain_vit': 'layers.0.ln1.weight',
    'timm_vit': 'blocks.0.norm1.weight',
    'sequential': '4.0.conv1.weight',
    'torchvision': 'layer1.0.conv1.weight',
}


def scheme_of(names: Iterable[str]) -> Optional[str]:
    """Name the scheme an encoder's tensor names follow, or None."""
    names = set(names)
    return next((s for s, sign in SIGNS.items() if sign in names), None)


def _pattern(template: str) -> 're.Pattern':
    text = re.escape(template)
    text = text.replace(r'\{i\}', r'(?P<i>\d+)')
    return re.compile(text.replace(r'\{p\}', r'(?P<p>.+)') + r'\Z')


def _rename(name: str, table: Table, back: bool) -> Optional[str]:
    for row in table:
        source, target = reversed(row) if back else row
        match = _pattern_of(source).match(name)
        if match:
            return target.format(**match.groupdict())
    return None


_PATTERNS: Dict[str, 're.Pattern'] = {}


def _pattern_of(template: str) -> 're.Pattern':
    if template not in _PATTERNS:
        _PATTERNS[template] = _pattern(template)
    return _PATTERNS[template]


def to_ours(state: Mapping[str, Tensor], scheme: str) -> Dict[str, Tensor]:
    """Give the tensors torchvision's or timm's names.

    Names outside the scheme stay as they are, so that a report can list
    them.
    """
    table = SCHEMES[scheme]
    return {_rename(name, table, back=False) or name: tensor
            for name, tensor in state.items()}


def from_ours(state: Mapping[str, Tensor], scheme: str) -> Dict[str, Tensor]:
    """Give the tensors the names of another program."""
    table = SCHEMES[scheme]
    return {_rename(name, table, back=True) or name: tensor
            for name, tensor in state.items()}
