"""A network of timm's to what timm and transformers read."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.backbone import Backbone, write_safetensors
from ssl_bench.checkpoints.provenance import stamp
from ssl_bench.checkpoints.timm_nets import LAYERS, TimmNet
from ssl_bench.errors import UserError
from ssl_bench.files import write_text

State = dict[str, Tensor]
Config = dict[str, Any]
# what a header names and timm's config.json cannot say
_NOT_JSON = (*LAYERS, 'norm_eps', 'rope_periods')
WEIGHTS, CONFIG = 'model.safetensors', 'config.json'
PREPROCESSOR = 'preprocessor_config.json'


def timm_state(net: TimmNet, backbone: Backbone) -> State:
    """The tensors that ``timm.create_model`` loads strictly.

    Raises:
        UserError: timm's network has a norm that the file lacks.
    """
    if not net.final_norm:
        raise UserError(
            f'{net.name} of this file has no final norm, and timm builds '
            f'{net.model} with one: --to backbone keeps it as it is'
        )
    return dict(backbone.state)


def is_folder(path: Path) -> bool:
    """Whether the output is a folder, and not a file of weights."""
    return path.is_dir() or not path.suffix


def write_timm_folder(path: Path, net: TimmNet, backbone: Backbone) -> None:
    """A folder for ``timm.create_model('local-dir:FOLDER')``.

    Raises:
        UserError: Settings that timm's ``config.json`` cannot hold.
    """
    unsaid = [key for key in _NOT_JSON if key in net.kwargs]
    if unsaid:
        raise UserError(
            f'{net.name}: a config.json of timm cannot say '
            f'{" and ".join(unsaid)}: write a file (OUT.safetensors), and '
            'build the network with these settings'
        )
    config = dict(
        architecture=net.model,
        num_classes=0,
        num_features=_module(net).num_features,
        model_args=net.kwargs,
        pretrained_cfg=dict(
            mean=list(net.mean), std=list(net.std), num_classes=0
        ),
    )
    _write_folder(path, timm_state(net, backbone), config, backbone)


def write_hf_folder(path: Path, net: TimmNet, backbone: Backbone) -> None:
    """A folder for ``from_pretrained`` of the class that computes the same.

    Raises:
        UserError: transformers has no such class.
    """
    state, config = hf_folder(net, dict(backbone.state))
    _write_folder(path, state, config, backbone)
    side = config.get('image_size', 224)
    write_preprocessor(path, net.mean, net.std, side)


def write_preprocessor(
    path: Path, mean: Sequence[float], std: Sequence[float], side: int
) -> None:
    """How ``AutoImageProcessor`` makes what the network was trained on.

    The shorter side is resized to 256 / 224 of the network's, and the middle
    is cut out, as ImageNet's papers test.

    Args:
        path (Path): The folder of the model.
        mean, std (Sequence[float]): Of RGB in 0..1.
        side (int): Of the network's images, pixels.
    """
    content = dict(
        image_processor_type='BitImageProcessor',
        do_convert_rgb=True,
        do_resize=True,
        size=dict(shortest_edge=round(side * 256 / 224)),
        resample=3,  # bicubic
        do_center_crop=True,
        crop_size=dict(height=side, width=side),
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=list(mean),
        image_std=list(std),
    )
    _write_json(path / PREPROCESSOR, content)


def _write_folder(
    path: Path, state: State, config: Config, backbone: Backbone
) -> None:
    metadata = dict(format='pt', ssl_bench=stamp(backbone))
    write_safetensors(path / WEIGHTS, state, metadata)
    _write_json(path / CONFIG, config)


def _write_json(path: Path, content: Config) -> None:
    write_text(path, json.dumps(content, indent=2) + '\n')


def _module(net: TimmNet) -> Any:
    """The network without values, of any type: timm has no types."""
    return net.build('meta')


def hf_folder(net: TimmNet, state: State) -> tuple[State, Config]:
    """The tensors in transformers' names, and the config of their class.

    Args:
        net (TimmNet): What the tensors are of.
        state (dict[str, Tensor]): In timm's names.

    Raises:
        UserError: transformers has no class that computes the same.
    """
    unsaid = [key for key in ('rope_periods',) if key in net.kwargs]
    kind = _kind(net, state)
    if kind is None or unsaid or not net.final_norm:
        raise UserError(
            f'transformers has no class for {net.name}'
            f'{"" if net.final_norm else " without a final norm"}: it has '
            'them for DINOv2, DINOv3, I-JEPA, ConvNeXt and ConvNeXt V2; '
            'choose timm or backbone'
        )
    return kind(net, state)


def _kind(
    net: TimmNet, state: State
) -> Callable[[TimmNet, State], tuple[State, Config]] | None:
    """Which class of transformers computes the same."""
    if 'stages.0.blocks.0.conv_dw.weight' in state:
        return _convnext if _is_plain_convnext(net, state) else None
    if 'dinov3' in net.model and 'blocks.0.gamma_1' in state:
        return _dinov3
    if 'blocks.0.attn.qkv.weight' not in state or 'pos_embed' not in state:
        return None
    if 'blocks.0.ls1.gamma' in state and 'cls_token' in state:
        return _dinov2
    bare = not {'cls_token', 'reg_token', 'blocks.0.ls1.gamma'} & set(state)
    return _ijepa if bare and net.pool == 'patch_mean' else None


def _is_plain_convnext(net: TimmNet, state: State) -> bool:
    strange = ('_ols', '_rms', '_hnf', '_mlp', 'xxlarge', 'test_', 'zepto')
    kernel = state['stages.0.blocks.0.conv_dw.weight'].shape[-1]
    patch = state['stem.0.weight'].shape[-1] if 'stem.0.weight' in state else 0
    keys = {'depths', 'dims'}
    return (
        not any(word in net.model for word in strange)
        and (kernel, patch) == (7, 4)
        and set(net.kwargs) <= keys
    )


def _sizes(net: TimmNet, state: State, module: Any) -> Config:
    """What the config of each ViT has."""
    stem = state['patch_embed.proj.weight']
    return dict(
        num_channels=3,
        hidden_size=int(stem.shape[0]),
        num_hidden_layers=len(module.blocks),
        num_attention_heads=int(module.blocks[0].attn.num_heads),
        patch_size=int(stem.shape[-1]),
        layer_norm_eps=float(module.norm.eps),
        hidden_act='gelu',
    )


def _image_size(table: Tensor, patch: int, net: TimmNet) -> int:
    """Pixels on a side of a square position table, (1, S * S, D).

    Raises:
        UserError: It is not square.
    """
    side = round(int(table.shape[1]) ** 0.5)
    if side * side != table.shape[1]:
        raise UserError(
            f"{net.name}: transformers' tables of positions are square, and "
            f'this one has {table.shape[1]} rows'
        )
    return int(side * patch)


def _renamed(state: Mapping[str, Tensor], rows: Mapping[str, str]) -> State:
    """Other beginnings, or inside a block other names; the first row wins."""
    found: State = {}
    for name, tensor in state.items():
        for source, target in rows.items():
            new, hits = re.subn(rf'\A{source}', target, name)
            if hits:
                name = new
                break
        found[name] = tensor
    return found


def _split(state: State, words: tuple[str, ...]) -> State:
    """Query, key and value apart, after the words of their names."""
    found: State = {}
    for name, tensor in state.items():
        match = re.match(r'(.+)\battn\.qkv\.(\w+)\Z', name)
        if not match:
            found[name] = tensor
            continue
        for word, part in zip(words, tensor.chunk(3)):
            found[f'{match[1]}{word}.{match[2]}'] = part.contiguous()
    return found


_ATTENTION = tuple(
    f'attention.attention.{word}' for word in ('query', 'key', 'value')
)
_STEM = {
    r'patch_embed\.proj\.': 'embeddings.patch_embeddings.projection.',
    r'cls_token\Z': 'embeddings.cls_token',
    r'reg_token\Z': 'embeddings.register_tokens',
    r'pos_embed\Z': 'embeddings.position_embeddings',
    r'norm\.': 'layernorm.',
}
_LAYER = r'blocks\.(\d+)\.'
_DINOV2 = _STEM | {
    rf'{_LAYER}attn\.proj\.': r'encoder.layer.\1.attention.output.dense.',
    rf'{_LAYER}ls([12])\.gamma': r'encoder.layer.\1.layer_scale\2.lambda1',
    _LAYER: r'encoder.layer.\1.',
}
_GATED = {
    rf'{_LAYER}mlp\.fc1\.': r'encoder.layer.\1.mlp.weights_in.',
    rf'{_LAYER}mlp\.fc2\.': r'encoder.layer.\1.mlp.weights_out.',
}
_IJEPA = _STEM | {
    rf'{_LAYER}attn\.proj\.': r'encoder.layer.\1.attention.output.dense.',
    rf'{_LAYER}norm1\.': r'encoder.layer.\1.layernorm_before.',
    rf'{_LAYER}norm2\.': r'encoder.layer.\1.layernorm_after.',
    rf'{_LAYER}mlp\.fc1\.': r'encoder.layer.\1.intermediate.dense.',
    rf'{_LAYER}mlp\.fc2\.': r'encoder.layer.\1.output.dense.',
    _LAYER: r'encoder.layer.\1.',
}
_DINOV3 = {
    r'patch_embed\.proj\.': 'embeddings.patch_embeddings.',
    r'cls_token\Z': 'embeddings.cls_token',
    r'reg_token\Z': 'embeddings.register_tokens',
    rf'{_LAYER}attn\.proj\.': r'layer.\1.attention.o_proj.',
    rf'{_LAYER}attn\.([qv])_bias\Z': r'layer.\1.attention.\2_proj.bias',
    rf'{_LAYER}gamma_([12])': r'layer.\1.layer_scale\2.lambda1',
    rf'{_LAYER}mlp\.fc1_g\.': r'layer.\1.mlp.gate_proj.',
    rf'{_LAYER}mlp\.fc1(_x)?\.': r'layer.\1.mlp.up_proj.',
    rf'{_LAYER}mlp\.fc2\.': r'layer.\1.mlp.down_proj.',
    _LAYER: r'layer.\1.',
}
_CONVNEXT = {
    r'stem\.0\.': 'embeddings.patch_embeddings.',
    r'stem\.1\.': 'embeddings.layernorm.',
    r'head\.norm\.': 'layernorm.',
    r'stages\.(\d)\.downsample\.': r'encoder.stages.\1.downsampling_layer.',
    **{
        rf'stages\.(\d)\.blocks\.(\d+)\.{ours}': (
            rf'encoder.stages.\1.layers.\2.{theirs}'
        )
        for ours, theirs in {
            r'conv_dw\.': 'dwconv.',
            r'norm\.': 'layernorm.',
            r'mlp\.fc([12])\.': r'pwconv\3.',
            r'mlp\.grn\.': 'grn.',
            r'gamma\Z': 'layer_scale_parameter',
        }.items()
    },
}


def _dinov2(net: TimmNet, state: State) -> tuple[State, Config]:
    """Dinov2Model, or Dinov2WithRegistersModel."""
    module = _module(net)
    config = _sizes(net, state, module)
    width = config['hidden_size']
    hidden = int(state['blocks.0.mlp.fc2.weight'].shape[1])
    gated = int(state['blocks.0.mlp.fc1.weight'].shape[0]) == 2 * hidden
    ratio, kept = divmod(hidden, width)
    if gated:  # transformers computes the width from the ratio
        ratio = round(hidden * 3 / 2 / width)
        kept = hidden - (int(width * ratio * 2 / 3) + 7) // 8 * 8
    if kept:
        raise UserError(
            f"{net.name}: transformers' Dinov2 has no MLP of {hidden} "
            'channels: choose timm or backbone'
        )
    registers = 'reg_token' in state
    table = state['pos_embed']
    own = getattr(module, 'no_embed_class', False)
    prefix = 0 if own else 1
    config |= dict(
        model_type='dinov2_with_registers' if registers else 'dinov2',
        mlp_ratio=ratio,
        use_swiglu_ffn=gated,
        qkv_bias=True,
        image_size=_image_size(table[:, prefix:], config['patch_size'], net),
    )
    if own:  # the class token's position is in the token already
        table = torch.cat([torch.zeros_like(table[:, :1]), table], 1)
    state = state | dict(pos_embed=table)
    if registers:
        config['num_register_tokens'] = int(state['reg_token'].shape[1])
    else:
        config['use_mask_token'] = False
    found = _renamed(
        _split(state, _ATTENTION), (_GATED if gated else {}) | _DINOV2
    )
    if registers:  # its class always has one
        found['embeddings.mask_token'] = torch.zeros(1, width)
    return found, _of_class(config, 'Dinov2', registers)


def _of_class(config: Config, name: str, registers: bool = False) -> Config:
    name += 'WithRegisters' if registers else ''
    return dict(architectures=[f'{name}Model']) | config


def _ijepa(net: TimmNet, state: State) -> tuple[State, Config]:
    config = _sizes(net, state, _module(net))
    config |= dict(
        model_type='ijepa',
        intermediate_size=int(state['blocks.0.mlp.fc1.weight'].shape[0]),
        qkv_bias=True,
        image_size=_image_size(state['pos_embed'], config['patch_size'], net),
    )
    found = _renamed(_split(state, _ATTENTION), _IJEPA)
    return found, _of_class(config, 'IJepa')


def _dinov3(net: TimmNet, state: State) -> tuple[State, Config]:
    module = _module(net)
    config = _sizes(net, state, module)
    gated = 'blocks.0.mlp.fc1_g.weight' in state
    biases = 'blocks.0.attn.q_bias' in state
    registers = state.get('reg_token')
    config |= dict(
        model_type='dinov3_vit',
        intermediate_size=int(state['blocks.0.mlp.fc2.weight'].shape[1]),
        hidden_act='silu' if gated else 'gelu',
        use_gated_mlp=gated,
        query_bias=biases,
        key_bias=False,
        value_bias=biases,
        rope_theta=float(net.kwargs.get('rope_temperature', 100.0)),
        num_register_tokens=0 if registers is None else registers.shape[1],
        image_size=224,
    )
    words = tuple(f'attention.{part}_proj' for part in 'qkv')
    found = _renamed(_split(state, words), _DINOV3)
    width = config['hidden_size']
    found['embeddings.mask_token'] = torch.zeros(1, 1, width)
    if registers is None:
        found['embeddings.register_tokens'] = torch.zeros(1, 0, width)
    return found, _of_class(config, 'DINOv3ViT')


def _convnext(net: TimmNet, state: State) -> tuple[State, Config]:
    """ConvNextModel, or ConvNextV2Model."""
    version = 'V2' if 'stages.0.blocks.0.mlp.grn.weight' in state else ''
    stages = range(4)
    firsts = [state[f'stages.{i}.blocks.0.conv_dw.weight'] for i in stages]
    module = _module(net)
    found = _renamed(state, _CONVNEXT)
    for name, tensor in found.items():
        if '.pwconv' in name and tensor.ndim == 4:
            found[name] = tensor[:, :, 0, 0]
        if '.grn.' in name:
            found[name] = tensor.reshape(1, 1, 1, -1)
    config = dict(
        model_type=f'convnext{version.lower()}',
        num_channels=3,
        patch_size=4,
        num_stages=4,
        hidden_sizes=[int(first.shape[0]) for first in firsts],
        depths=[len(stage.blocks) for stage in module.stages],
        hidden_act='gelu',
        layer_norm_eps=1e-6,
        image_size=224,
    )
    return found, _of_class(config, f'ConvNext{version}')
