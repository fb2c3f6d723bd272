"""Which encoder a set of tensors is, and every tensor it must hold."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.timm_nets import TimmNet, from_header

Shape = tuple[int, ...]
Shapes = dict[str, Shape]

# (block, blocks per stage) of He et al., CVPR 2016, Table 1
RESNETS = {
    18: ('basic', (2, 2, 2, 2)),
    34: ('basic', (3, 4, 6, 3)),
    50: ('bottleneck', (3, 4, 6, 3)),
    101: ('bottleneck', (3, 4, 23, 3)),
    152: ('bottleneck', (3, 8, 36, 3)),
}
# name: (width, blocks, heads), Dosovitskiy et al., ICLR 2021, Table 1, and
# Touvron et al., ICML 2021, Table 1
VITS = {
    'tiny': (192, 12, 3),
    'small': (384, 12, 6),
    'base': (768, 12, 12),
    'large': (1024, 24, 16),
    'huge': (1280, 32, 16),
}
NORM = ('weight', 'bias', 'running_mean', 'running_var')


@dataclass(frozen=True)
class ResNet:
    """A residual network in torchvision's names.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        base (int): Channels of the first stage before expansion.
        stem (int): Channels of the first convolution.
        inner (int): Channels of the first bottleneck's 3x3 convolution.
        groups (int): Groups of that convolution.
        kernel (int): Side of the first convolution, pixels.
    """

    depth: int
    base: int = 64
    stem: int = 64
    inner: int = 64
    groups: int = 1
    kernel: int = 7
    family = 'resnet'

    @property
    def name(self) -> str:
        """For instance resnet50, resnet18-w16, resnext50_32x4d."""
        name = f'resnet{self.depth}'
        if self.groups > 1:
            width = self.inner // self.groups
            name = f'resnext{self.depth}_{self.groups}x{width}d'
        elif self.inner != self.base:
            ratio = self.inner / self.base
            name = f'wide_resnet{self.depth}_{ratio:g}'
        if self.base != 64:
            name += f'-w{self.base}'
        if self.stem != self.base:
            name += f'-stem{self.stem}'
        return name + (f'-k{self.kernel}' if self.kernel != 7 else '')

    @property
    def key(self) -> str:
        """What ``--arch`` is compared with."""
        return self.name

    def shapes(self) -> Shapes:
        """Every tensor's shape; ``num_batches_tracked`` is left out."""
        block, depths = RESNETS[self.depth]
        shapes: Shapes = {
            'conv1.weight': (self.stem, 3, self.kernel, self.kernel)
        }
        _norm(shapes, 'bn1', self.stem)
        channels = self.stem
        for stage, blocks in enumerate(depths):
            planes = self.base * 2**stage
            for index in range(blocks):
                channels = self._block(
                    shapes,
                    f'layer{stage + 1}.{index}',
                    block,
                    channels,
                    planes,
                    strided=stage > 0 and index == 0,
                )
        return shapes

    def _block(
        self,
        shapes: Shapes,
        name: str,
        block: str,
        channels: int,
        planes: int,
        strided: bool,
    ) -> int:
        """Add one residual block; return its output channels."""
        if block == 'basic':
            out = planes
            convs = [(planes, channels, 3), (planes, planes, 3)]
        else:
            inner = self.inner * planes // self.base
            out = 4 * planes
            convs = [
                (inner, channels, 1),
                (inner, inner // self.groups, 3),
                (out, inner, 1),
            ]
        for i, (c_out, c_in, side) in enumerate(convs, 1):
            shapes[f'{name}.conv{i}.weight'] = (c_out, c_in, side, side)
            _norm(shapes, f'{name}.bn{i}', c_out)
        if strided or channels != out:
            shapes[f'{name}.downsample.0.weight'] = (out, channels, 1, 1)
            _norm(shapes, f'{name}.downsample.1', out)
        return out


def _norm(shapes: Shapes, name: str, channels: int) -> None:
    shapes.update({f'{name}.{part}': (channels,) for part in NORM})


@dataclass(frozen=True)
class ViT:
    """A plain vision transformer in timm's names.

    The flags say which of the optional tensors some block of the file
    holds; every block must then hold them.

    Args:
        width (int): Channels of a token.
        depth (int): Transformer blocks.
        patch (int): Side of a patch, pixels.
        grid (int, optional): Patches on a side of the position table; None
            without an absolute table.
        heads (int, optional): Attention heads; None when nothing says.
        hidden (int): Channels inside the MLP.
        cls_token, final_norm, qkv_bias, split_bias, layer_scale, gamma,
            rel_pos (bool): Optional tensors; ``split_bias`` (q_bias and
            v_bias), ``gamma`` and ``rel_pos`` are BEiT's.
        window (int): Rows of a relative position table.
    """

    width: int
    depth: int
    patch: int
    grid: int | None
    heads: int | None
    hidden: int
    cls_token: bool = True
    final_norm: bool = True
    qkv_bias: bool = True
    split_bias: bool = False
    layer_scale: bool = False
    gamma: bool = False
    rel_pos: bool = False
    window: int = 0
    family = 'vit'

    @property
    def key(self) -> str:
        """The name without the image size: what ``--arch`` is compared to."""
        size = next(
            (
                name
                for name, (width, depth, _) in VITS.items()
                if (width, depth) == (self.width, self.depth)
            ),
            f'd{self.width}_l{self.depth}',
        )
        kind = 'beit' if self.split_bias else 'vit'
        return f'{kind}_{size}_patch{self.patch}'

    @property
    def name(self) -> str:
        """For instance vit_base_patch16, vit_base_patch16_384 (pixels)."""
        image = (self.grid or 0) * self.patch
        return self.key + (f'_{image}' if image not in (0, 224) else '')

    def shapes(self) -> Shapes:
        """Every tensor's shape."""
        d = self.width
        shapes: Shapes = {
            'patch_embed.proj.weight': (d, 3, self.patch, self.patch),
            'patch_embed.proj.bias': (d,),
        }
        if self.cls_token:
            shapes['cls_token'] = (1, 1, d)
        if self.grid is not None:
            shapes['pos_embed'] = (1, self.grid**2 + self.cls_token, d)
        for index in range(self.depth):
            for part, shape in self._block().items():
                shapes[f'blocks.{index}.{part}'] = shape
        if self.final_norm:
            shapes.update({'norm.weight': (d,), 'norm.bias': (d,)})
        return shapes

    def _block(self) -> Shapes:
        d, h = self.width, self.hidden
        parts: Shapes = {
            'norm1.weight': (d,),
            'norm1.bias': (d,),
            'attn.qkv.weight': (3 * d, d),
            'attn.proj.weight': (d, d),
            'attn.proj.bias': (d,),
            'norm2.weight': (d,),
            'norm2.bias': (d,),
            'mlp.fc1.weight': (h, d),
            'mlp.fc1.bias': (h,),
            'mlp.fc2.weight': (d, h),
            'mlp.fc2.bias': (d,),
        }
        if self.qkv_bias:
            parts['attn.qkv.bias'] = (3 * d,)
        if self.split_bias:
            parts.update({'attn.q_bias': (d,), 'attn.v_bias': (d,)})
        if self.layer_scale:
            parts.update({'ls1.gamma': (d,), 'ls2.gamma': (d,)})
        if self.gamma:
            parts.update({'gamma_1': (d,), 'gamma_2': (d,)})
        if self.rel_pos:
            parts['attn.relative_position_bias_table'] = (
                self.window,
                self.heads or 0,
            )
        return parts


Architecture = ResNet | ViT | TimmNet


def describe(arch: Architecture) -> dict[str, Any]:
    """The architecture's numbers, as the header of a backbone file says."""
    return {'family': arch.family, **asdict(arch)}


def architecture_of(backbone: Backbone) -> Architecture | None:
    """What builds a verified backbone.

    Args:
        backbone (Backbone): Its header says it of a network of timm's; of
            a ResNet or a ViT its tensors do.

    Returns:
        Architecture | None: None when it is none of them.

    Raises:
        UserError: Its header describes no network.
    """
    args = backbone.meta.get('arch_args')
    if isinstance(args, Mapping) and args.get('family') == TimmNet.family:
        return from_header(args)
    return recognise(backbone.state)


def optional(name: str) -> bool:
    """Whether a tensor may be absent without comment.

    Batch counters are missing from files of old torch versions; the index
    of relative positions is computed, not learnt.
    """
    return name.endswith(('num_batches_tracked', 'relative_position_index'))


def recognise(state: Mapping[str, Tensor]) -> ResNet | ViT | None:
    """Name the encoder whose tensors stand in ``state``.

    Args:
        state (Mapping[str, Tensor]): Torchvision's or timm's names; more
            names than the encoder's do no harm.

    Returns:
        ResNet | ViT | None: None when it is neither. The tensors it lists
        need not all be there: that is for `verify`.
    """
    patches = state.get('patch_embed.proj.weight')
    if (
        patches is not None
        and patches.ndim == 4
        and patches.numel()
        and _count(state, r'blocks\.')
    ):
        return _recognise_vit(state)
    if any(re.match(r'layer1\.0\.conv1\.', name) for name in state):
        return _recognise_resnet(state)
    return None


def _count(state: Mapping[str, Tensor], start: str) -> int:
    """1 + the largest index after ``start``; 0 when there is none.

    Not more than the tensors there are: a name can hold any number.
    """
    found = (re.match(start + r'(\d{1,9})\.', name) for name in state)
    most = max((int(match[1]) + 1 for match in found if match), default=0)
    return min(most, len(state))


def _side(
    state: Mapping[str, Tensor], name: str, axis: int, ndim: int, default: int
) -> int:
    """One side of a tensor; ``default`` where it is not as expected."""
    tensor = state.get(name)
    if tensor is None or tensor.ndim != ndim or not tensor.numel():
        return default
    return tensor.shape[axis]


def _recognise_resnet(state: Mapping[str, Tensor]) -> ResNet:
    bottleneck = any(re.match(r'layer\d\.\d+\.conv3\.', n) for n in state)
    block = 'bottleneck' if bottleneck else 'basic'
    blocks = [_count(state, rf'layer{stage}\.') for stage in range(1, 5)]
    depth = min(
        (d for d, (kind, _) in RESNETS.items() if kind == block),
        key=lambda d: sum(abs(a - b) for a, b in zip(RESNETS[d][1], blocks)),
    )

    def side(name: str, axis: int, default: int) -> int:
        return _side(state, name, axis, 4, default)

    stem = side('conv1.weight', 0, 64)
    kernel = side('conv1.weight', 3, 7)
    if not bottleneck:
        base = side('layer1.0.conv1.weight', 0, 64)
        return ResNet(depth, base, stem, base, 1, kernel)
    base = max(side('layer1.0.conv3.weight', 0, 256) // 4, 1)
    inner = side('layer1.0.conv2.weight', 0, base)
    groups = inner // side('layer1.0.conv2.weight', 1, inner)
    groups = max(groups, 1)
    return ResNet(depth, base, stem, inner, groups, kernel)


def _recognise_vit(state: Mapping[str, Tensor]) -> ViT:
    width, _, _, patch = state['patch_embed.proj.weight'].shape
    depth = _count(state, r'blocks\.')
    cls_token = 'cls_token' in state
    table = state.get('pos_embed')
    grid = None
    if table is not None:
        rows = _side(state, 'pos_embed', 1, 3, 0)
        grid = round(max(rows - cls_token, 0) ** 0.5)
    relative = 'blocks.0.attn.relative_position_bias_table'
    rel_pos = state.get(relative)
    parts = {re.sub(r'\Ablocks\.\d+\.', '', name) for name in state}
    heads = next(
        (heads for w, d, heads in VITS.values() if (w, d) == (width, depth)),
        None,
    )
    if rel_pos is not None:
        heads = _side(state, relative, 1, 2, 0)
    return ViT(
        width,
        depth,
        patch,
        grid,
        heads,
        hidden=_side(state, 'blocks.0.mlp.fc1.weight', 0, 2, 4 * width),
        cls_token=cls_token,
        final_norm='norm.weight' in state,
        qkv_bias='attn.qkv.bias' in parts,
        split_bias=bool(parts & {'attn.q_bias', 'attn.v_bias'}),
        layer_scale=bool(parts & {'ls1.gamma', 'ls2.gamma'}),
        gamma=bool(parts & {'gamma_1', 'gamma_2'}),
        rel_pos=rel_pos is not None,
        window=_side(state, relative, 0, 2, 0),
    )
