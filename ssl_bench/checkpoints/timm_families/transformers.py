"""Families of the folders that transformers saves.

transformers 5 renames tensors when it saves and loads: the names in a file
and those in memory differ, and both are read. Heads, epsilon, patch and
registers are the config's; no shape tells them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import (
    Facts,
    Family,
    Mapped,
    State,
)
from ssl_bench.checkpoints.timm_families.convnet import check_stages, convnext
from ssl_bench.checkpoints.timm_families.hf_config import (
    Config,
    Rows,
    as_saved,
    bare,
    fuse,
    renamed,
)
from ssl_bench.checkpoints.timm_families.own_names import count, statistics
from ssl_bench.checkpoints.timm_families.parts import ratio_of, some
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

_BLOCK: Rows = [
    (r'attention\.attention\.query\.', 'attn.q.'),
    (r'attention\.attention\.key\.', 'attn.k.'),
    (r'attention\.attention\.value\.', 'attn.v.'),
    (r'attention\.output\.dense\.', 'attn.proj.'),
]
_DINOV2: Rows = [
    *_BLOCK,
    (r'layer_scale([12])\.lambda1', r'ls\1.gamma'),
    (r'mlp\.weights_in\.', 'mlp.fc1.'),
    (r'mlp\.weights_out\.', 'mlp.fc2.'),
]
_IJEPA: Rows = [
    *_BLOCK,
    (r'layernorm_before\.', 'norm1.'),
    (r'layernorm_after\.', 'norm2.'),
    (r'intermediate\.dense\.', 'mlp.fc1.'),
    (r'output\.dense\.', 'mlp.fc2.'),
]
_DINOV3: Rows = [
    (r'attention\.([qkv])_proj\.', r'attn.\1.'),
    (r'attention\.o_proj\.', 'attn.proj.'),
    (r'layer_scale([12])\.lambda1', r'gamma_\1'),
    (r'mlp\.gate_proj\.', 'mlp.fc1_g.'),
    (r'mlp\.down_proj\.', 'mlp.fc2.'),
]
_CONVNEXT: Rows = [
    (r'(dwconv|depthwise_conv)\.', 'conv_dw.'),
    (r'(layernorm|layer_norm)\.', 'norm.'),
    (r'(pwconv|pointwise_conv)([12])\.', r'mlp.fc\2.'),
    (r'grn\.', 'mlp.grn.'),
    (r'layer_scale_parameter', 'gamma'),
]
_STEM: Rows = [
    (r'embeddings\.patch_embeddings\.(projection\.)?', 'patch_embed.proj.'),
    (r'embeddings\.cls_token', 'cls_token'),
    (r'embeddings\.register_tokens', 'reg_token'),
    (r'embeddings\.position_embeddings', 'pos_embed'),
    (r'(layernorm|norm)\.', 'norm.'),
]


def _has(
    *patterns: str, lacks: str = r'\Z'
) -> Callable[[Mapping[str, Tensor]], bool]:
    """Whether each pattern, and not the last, is at the start of a name."""

    def fits(found: Mapping[str, Tensor]) -> bool:
        names = {bare(name) for name in found}
        return all(
            any(re.match(pattern, name) for name in names)
            for pattern in patterns
        ) and not any(re.match(lacks, name) for name in names)

    return fits


# width, depth, heads: the size in timm's names
_SIZES = {
    (384, 12, 6): 'small',
    (768, 12, 12): 'base',
    (1024, 24, 16): 'large',
}
_GIANT = (1536, 40, 24)  # DINOv2's, with gated MLPs
# of DINOv3 with gated MLPs
_GATED = {(384, 12, 6): 'small_plus', (1280, 32, 20): 'huge_plus'}
_7B = (4096, 40, 32)
_CLASS_EPS = 1e-12  # of ViTConfig; the authors of DINO and MAE have 1e-6


def _sizes(state: State, config: Config) -> dict[str, Any]:
    """Sizes of a ViT by its tensors, heads and epsilon by its config.

    Raises:
        UserError: They contradict each other, or a tensor is missing.
    """
    first = 'blocks.0.mlp.fc2.weight'
    needed = ('patch_embed.proj.weight', 'patch_embed.proj.bias', first)
    for name in needed:
        if name not in state:
            raise UserError(
                f'{config.facts.path} does not hold a whole ViT: it lacks '
                f"{name} (timm's name)"
            )
    stem = state['patch_embed.proj.weight']
    width, patch = int(stem.shape[0]), int(stem.shape[-1])
    depth = count(state, r'blocks\.(\d+)\.')
    config.agrees('hidden_size', width)
    config.agrees('num_hidden_layers', depth)
    config.agrees('patch_size', patch)
    heads = config.whole('num_attention_heads')
    if width % heads:
        raise UserError(
            f'{config.facts.path}: config.json says {heads} heads, which do '
            f'not divide a width of {width}'
        )
    return dict(
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        patch_size=patch,
        mlp_ratio=ratio_of(int(state[first].shape[-1]), width),
        norm_eps=config.number('layer_norm_eps'),
    )


def _side(state: State, config: Config, patch: int, extra: int) -> Any:
    """The image size whose patches the position table has."""
    table = state.get('pos_embed')
    if table is None or table.ndim != 3:
        raise UserError(
            f'{config.facts.path}: its position table is lost, and without '
            'it the network computes something else'
        )
    sides = config.values.get('image_size')
    if not (isinstance(sides, list) and len(sides) == 2):
        sides = [config.whole('image_size')] * 2
    rows = (int(sides[0]) // patch) * (int(sides[1]) // patch)
    if table.shape[1] - extra != rows:
        raise UserError(
            f'{config.facts.path}: config.json says image_size {sides}, '
            f'which has {rows} patches, and the position table '
            f'{table.shape[1] - extra}'
        )
    return sides[0] if sides[0] == sides[1] else sides


def _named(
    kwargs: dict[str, Any], name: str, known: bool, defaults: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """A name and what differs from it; a known size needs no sizes."""
    sizes = ('embed_dim', 'depth', 'num_heads') if known else ()
    return name, {
        key: value
        for key, value in kwargs.items()
        if key not in sizes and defaults.get(key) != value
    }


def _read_dinov2(state: State, facts: Facts) -> Mapped:
    """Dinov2Model, with register tokens or without."""
    config = Config(facts, 'dinov2', 'dinov2_with_registers')
    config.activation('gelu')
    state = _joined_gates(as_saved(state), facts)
    state = renamed(state, facts, r'encoder\.layer\.(\d+)\.', _DINOV2, _STEM)
    state = fuse(state, facts, biases=True)
    kwargs = _sizes(state, config)
    kwargs['img_size'] = _side(state, config, kwargs['patch_size'], 1)
    size = (kwargs['embed_dim'], kwargs['depth'], kwargs['num_heads'])
    word = _SIZES.get(size, 'small')
    defaults = dict(
        patch_size=14, img_size=518, norm_eps=1e-6, mlp_ratio=4, reg_tokens=4
    )
    known = size in _SIZES
    first = state.get('blocks.0.mlp.fc1.weight')
    if first is not None and first.shape[0] > kwargs['mlp_ratio'] * size[0]:
        word, known = 'giant', size == _GIANT
        hidden = int(first.shape[0])  # of both halves
        kwargs['mlp_ratio'] = ratio = (hidden + 0.5) / size[0]
        if known and hidden == 8192:
            defaults['mlp_ratio'] = ratio
    rule, registers = 'transformers', state.get('reg_token')
    if registers is not None:
        kwargs['reg_tokens'] = int(registers.shape[1])
        rule = 'timm'
        # timm adds the class token's position to the token
        table = state['pos_embed']
        if 'cls_token' in state:
            state['cls_token'] = state['cls_token'] + table[:, :1]
        state['pos_embed'] = table[:, 1:]
    word += '_patch14' + ('_reg4' if registers is not None else '')
    name, kwargs = _named(kwargs, f'vit_{word}_dinov2', known, defaults)
    mean, std = statistics(name, facts)
    net = TimmNet(name, kwargs, rule, mean=mean, std=std)
    return Mapped(net, state)


def _joined_gates(state: State, facts: Facts) -> State:
    """In memory the gated MLP's first layer is in two halves."""
    found = dict(state)
    for name in state:
        match = re.match(r'(.+\.mlp)\.gate_proj\.(\w+)\Z', name)
        if not match:
            continue
        other = f'{match[1]}.up_proj.{match[2]}'
        if other not in state:
            raise UserError(f'{facts.path} lacks {other}')
        halves = [found.pop(name), found.pop(other)]
        found[f'{match[1]}.weights_in.{match[2]}'] = torch.cat(halves)
    return {
        re.sub(r'\.mlp\.down_proj\.', '.mlp.weights_out.', name): tensor
        for name, tensor in found.items()
    }


def _read_ijepa(state: State, facts: Facts) -> Mapped:
    """IJepaModel: no class token, the mean of the patches is the feature."""
    config = Config(facts, 'ijepa')
    config.activation('gelu')
    state = {
        re.sub(
            r'(?<=\.)mlp\.fc([12])\.',
            lambda m: (
                ('intermediate' if m[1] == '1' else 'output') + '.dense.'
            ),
            re.sub(r'(\A|(?<=\.))layers\.(?=\d)', 'encoder.layer.', name),
        ): tensor
        for name, tensor in state.items()
    }
    state = renamed(
        as_saved(state), facts, r'encoder\.layer\.(\d+)\.', _IJEPA, _STEM
    )
    state = fuse(state, facts, biases=True)
    kwargs = _sizes(state, config)
    kwargs['img_size'] = _side(state, config, kwargs['patch_size'], 0)
    size = tuple(kwargs[k] for k in ('embed_dim', 'depth', 'num_heads'))
    defaults = dict(patch_size=16, img_size=224, norm_eps=1e-6, mlp_ratio=4)
    plain = dict(class_token=False, global_pool='avg', fc_norm=False)
    if size == (1280, 32, 16) and kwargs['patch_size'] == 14:
        defaults['patch_size'] = 14
        name, kwargs = _named(
            kwargs, 'vit_huge_patch14_gap_224', True, defaults
        )
    else:
        word = _SIZES.get(size, 'base')
        name, kwargs = _named(
            kwargs, f'vit_{word}_patch16_224', size in _SIZES, defaults
        )
        kwargs |= plain
    mean, std = statistics('', facts)
    net = TimmNet(name, kwargs, 'fixed', pool='patch_mean', mean=mean, std=std)
    return Mapped(net, state)


def plain_vit(state: State, facts: Facts) -> tuple[Mapped | None, list[str]]:
    """ViTModel, ViTMAE and ViTMSN, whose names no family has for itself.

    Args:
        state (dict[str, Tensor]): In timm's names, query, key and value
            fused.
        facts (Facts): With a config.

    Returns:
        tuple: timm's network, or None where the plain ViT computes the
        same; what is said of it.

    Raises:
        UserError: The config is of other tensors, or says a function that
            is not built.
    """
    config = Config(facts, 'vit', 'vit_mae', 'vit_msn', 'deit')
    config.activation('gelu')
    kwargs = _sizes(state, config)
    kwargs['img_size'] = _side(state, config, kwargs['patch_size'], 1)
    kwargs['qkv_bias'] = some(state, '.attn.qkv.bias')
    plain = (
        kwargs['norm_eps'] in (1e-6, _CLASS_EPS)
        and kwargs['qkv_bias']
        and isinstance(kwargs['img_size'], int)
        and kwargs['patch_size'] in (8, 16, 32)
    )
    if plain and kwargs['norm_eps'] == 1e-6:
        return None, []
    if plain:
        return None, [
            "the norms have the authors' epsilon of 1e-06, and not "
            f"{_CLASS_EPS}, which transformers' class has"
        ]
    size = (kwargs['embed_dim'], kwargs['depth'], kwargs['num_heads'])
    defaults = dict(
        patch_size=16, img_size=224, norm_eps=1e-6, mlp_ratio=4, qkv_bias=True
    )
    name, kwargs = _named(
        kwargs,
        f'vit_{_SIZES.get(size, "base")}_patch16_224',
        size in _SIZES,
        defaults,
    )
    mean, std = statistics('', facts)
    mae = config.values['model_type'] == 'vit_mae'
    net = TimmNet(
        name,
        kwargs,
        'transformers',
        final_norm='norm.weight' in state,
        pool='patch_mean' if mae else 'class_token',
        mean=mean,
        std=std,
    )
    return Mapped(net, dict(state)), []


def _read_dinov3(state: State, facts: Facts) -> Mapped:
    """DINOv3ViTModel: rotary positions, by the base in its config."""
    config = Config(facts, 'dinov3_vit')
    gated = any('.mlp.gate_proj.' in name for name in state)
    config.activation('silu' if gated else 'gelu')  # timm's SwiGLU
    up = 'mlp.fc1_x.' if gated else 'mlp.fc1.'
    state = renamed(
        {re.sub(r'\Amodel\.(?=layer\.)', '', n): t for n, t in state.items()},
        facts,
        r'layer\.(\d+)\.',
        [*_DINOV3, (r'mlp\.up_proj\.', up)],
        _STEM,
    )
    state = fuse(state, facts, biases=False)
    state = {
        re.sub(r'\.attn\.([qv])\.bias\Z', r'.attn.\1_bias', name): tensor
        for name, tensor in state.items()
    }
    kwargs = _sizes(state, config)
    kwargs['rope_temperature'] = config.number('rope_theta')
    registers = state.get('reg_token')
    kwargs['num_reg_tokens'] = 0 if registers is None else registers.shape[1]
    if registers is not None and not registers.numel():
        del state['reg_token']  # saved even where there are none
    size = (kwargs['embed_dim'], kwargs['depth'], kwargs['num_heads'])
    defaults = dict(
        patch_size=16,
        norm_eps=1e-5,
        mlp_ratio=4,
        rope_temperature=100,
        num_reg_tokens=4,
    )
    names = _GATED if gated else _SIZES
    word = names.get(size, 'small_plus' if gated else 'small')
    known, biased = size in names, 'blocks.0.attn.q_bias' in state
    if gated and size == _7B and not biased:
        word, known, defaults['mlp_ratio'] = '7b', True, 2
    name = f'vit_{word}_patch16_dinov3' + ('_qkvb' if biased else '')
    name, kwargs = _named(kwargs, name, known, defaults)
    mean, std = statistics(name, facts)
    net = TimmNet(name, kwargs, 'none', mean=mean, std=std)
    return Mapped(net, state)


def _read_convnext(state: State, facts: Facts) -> Mapped:
    """ConvNextModel, ConvNextV2Model and DINOv3ConvNextModel."""
    version_2 = any('.grn.' in name for name in state)
    dinov3 = any('.depthwise_conv.' in name for name in state)
    kind = f'convnext{"v2" if version_2 else ""}'
    config = Config(facts, 'dinov3_convnext' if dinov3 else kind)
    config.activation('gelu')
    found: State = {}
    for name, tensor in state.items():
        new = _convnext_name(bare(name))
        if '.grn.' in new:
            tensor = tensor.reshape(-1)
        if new in found:
            raise UserError(f'{facts.path} holds {new} twice')
        found[new] = tensor
    depths, widths = [], []
    for stage in range(count(found, r'stages\.(\d+)\.')):
        first = found.get(f'stages.{stage}.blocks.0.conv_dw.weight')
        if first is None:
            raise UserError(
                f'{facts.path} is not a whole ConvNeXt: it lacks the first '
                f'block of stage {stage}'
            )
        widths.append(int(first.shape[0]))
        depths.append(count(found, rf'stages\.{stage}\.blocks\.(\d+)\.'))
    check_stages(depths, facts)
    net = convnext(depths, widths, version_2)
    if config.values['model_type'] == 'dinov3_convnext':
        net = replace(net, map_norm=True)
    notes = []
    eps = config.number('layer_norm_eps')
    if eps != 1e-6 and dinov3:
        raise UserError(
            f'{facts.path}: config.json says layer_norm_eps {eps}; only '
            '1e-06 is read for a ConvNeXt'
        )
    if eps != 1e-6:
        notes.append(
            f"the norm after the pool has the authors' epsilon of 1e-06, and "
            f"not {eps}, which transformers' class has there"
        )
    shapes = net.shapes()
    for name, tensor in found.items():
        # the smaller networks of timm have convolutions for linear layers
        if tensor.ndim == 2 and len(shapes.get(name, ())) == 4:
            found[name] = tensor[:, :, None, None]
    mean, std = statistics('', facts)
    return Mapped(replace(net, mean=mean, std=std), found, notes=notes)


def _convnext_name(name: str) -> str:
    """timm's name of a ConvNeXt's tensor."""
    name = name.removeprefix('encoder.')
    block = re.match(r'stages\.(\d+)\.layers\.(\d+)\.', name)
    if block:
        inside = name[block.end() :]
        for pattern, target in _CONVNEXT:
            hit = re.match(pattern, inside)
            if hit:
                inside = hit.expand(target) + inside[hit.end() :]
                break
        return f'stages.{block[1]}.blocks.{block[2]}.{inside}'
    name = re.sub(r'\Astages\.0\.downsample_layers\.', 'stem.', name)
    name = re.sub(r'\.downsampl(e_layers|ing_layer)\.', '.downsample.', name)
    name = re.sub(r'\Aembeddings\.patch_embeddings\.', 'stem.0.', name)
    name = re.sub(r'\Aembeddings\.layernorm\.', 'stem.1.', name)
    return re.sub(r'\Alayer_?norm\.', 'head.norm.', name)


DROP = (
    r'classifier\.',
    r'pooler\.',
    r'(\w+\.)?embeddings\.mask_token\Z',
    r'decoder\.',
)
FAMILIES = (
    Family(
        'hf_dinov2',
        _has(r'encoder\.layer\.0\.layer_scale1\.', r'embeddings\.patch_'),
        _read_dinov2,
        DROP,
        method='DINOv2',
    ),
    Family(
        'hf_dinov3',
        _has(r'layer\.0\.layer_scale1\.', r'embeddings\.patch_'),
        _read_dinov3,
        DROP,
        method='DINOv3',
    ),
    Family(
        'hf_ijepa',
        _has(
            r'(encoder\.layer|layers)\.0\.layernorm_before\.',
            r'embeddings\.position_embeddings\Z',
            lacks=r'embeddings\.cls_token\Z',
        ),
        _read_ijepa,
        DROP,
        method='I-JEPA',
    ),
    Family(
        'hf_dinov3_convnext',
        _has(r'stages\.0\.layers\.0\.depthwise_conv\.'),
        _read_convnext,
        DROP,
        method='DINOv3',
    ),
    Family(
        'hf_convnext',
        _has(r'encoder\.stages\.0\.layers\.0\.dwconv\.'),
        _read_convnext,
        DROP,
    ),
)
