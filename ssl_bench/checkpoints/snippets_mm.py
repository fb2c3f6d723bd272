"""Parts of a config that put an exported backbone into OpenMMLab's models."""

from collections.abc import Mapping
from typing import Any

from ssl_bench.checkpoints.architectures import ResNet, ViT
from ssl_bench.checkpoints.conventions import CONVENTIONS, TORCHVISION
from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.errors import UserError

Config = dict[str, Any]
TIMM_MODULE = 'ssl_bench.toolbox.timm_backbone'  # registers TimmBackbone


def mm_fragment(
    place: str, arch: ResNet | ViT, meta: Mapping[str, Any], target: str
) -> str:
    """A backbone of the toolkit's own classes: nothing of ours is imported.

    Args:
        place (str): The file, absolute.
        arch (ResNet | ViT): What it holds.
        meta (Mapping): Its header.
        target (str): ``mmdet``, ``mmseg`` or ``mmpretrain``.

    Raises:
        UserError: The toolkit has no class for it.
    """
    pixels = CONVENTIONS[meta.get('convention') or TORCHVISION]
    if isinstance(arch, ResNet):
        backbone = _resnet(arch, target, pixels.style)
    elif target == 'mmseg':
        backbone = _mmseg_vit(arch, _heads(arch, meta))
    else:
        backbone = _mmpretrain_vit(arch, _heads(arch, meta))
    # mmseg's ViT reads a file by itself, without prefixes and silently
    whole = target == 'mmseg' and isinstance(arch, ViT)
    if not whole:
        backbone['init_cfg'] = dict(
            type='Pretrained', checkpoint=place, prefix='backbone.'
        )
    return _fragment(
        target,
        backbone,
        [list(pixels.mean), list(pixels.std)],
        pixels.rgb,
        load_from=place if whole else None,
    )


def timm_fragment(place: str, net: TimmNet, target: str) -> str:
    """A backbone of ours, which the config imports.

    Args:
        place (str): The file, absolute.
        net (TimmNet): What it holds.
        target (str): The toolkit.
    """
    pixels = [
        [round(255 * value, 4) for value in values]
        for values in (net.mean, net.std)
    ]
    header = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in to_header(net).items()
    }
    backbone = dict(type='TimmBackbone', net=header)
    if target == 'mmpretrain':
        backbone['output'] = net.pool
    imports = f'custom_imports = dict(imports=[{TIMM_MODULE!r}])\n'
    return imports + _fragment(target, backbone, pixels, True, place)


def _fragment(
    target: str,
    backbone: Config,
    pixels: list[list[float]],
    rgb: bool,
    load_from: str | None,
) -> str:
    """The lines: backbone, mean and deviation, and the whole file's name."""
    mean, std = pixels
    swap = 'to_rgb' if target == 'mmpretrain' else 'bgr_to_rgb'
    inner = f'mean={mean}, std={std}, {swap}={rgb}'
    words = [f'{key}={value!r}' for key, value in backbone.items()]
    if 'init_cfg' not in backbone or 'ResNe' not in backbone['type']:
        words.insert(0, '_delete_=True')  # of a ResNet the rest may stay
    lines = ['model = dict(']
    if target == 'mmpretrain':
        lines.insert(0, f'data_preprocessor = dict({inner})')
    else:
        lines.append(f'    data_preprocessor=dict({inner}),')
    lines += [
        '    backbone=dict(',
        *(f'        {word},' for word in words),
        '    ),',
        ')',
    ]
    if load_from:
        lines.append(f'load_from = {load_from!r}')
    return '\n'.join(lines)


def _resnet(arch: ResNet, target: str, style: str) -> Config:
    """ResNet, or ResNeXt of the same toolkit."""
    grouped = arch.groups > 1
    wide = not grouped and arch.inner != arch.base
    if arch.kernel != 7 or wide or (grouped and arch.base != 64):
        raise UserError(f"{target}'s ResNet cannot be a {arch.name}")
    found: Config = dict(
        type=f'{target}.{"ResNeXt" if grouped else "ResNet"}',
        depth=arch.depth,
        style=style,
    )
    if grouped:
        width = 'width_per_group' if target == 'mmpretrain' else 'base_width'
        found |= {'groups': arch.groups, width: arch.inner // arch.groups}
    if arch.stem != 64:
        found['stem_channels'] = arch.stem
    if arch.base != 64:
        found['base_channels'] = arch.base
    return found


def _heads(arch: ViT, meta: Mapping[str, Any]) -> int:
    heads = meta['arch_args'].get('heads') or arch.heads
    if not heads:
        raise UserError(
            f'{arch.name}: other programs need the number of attention heads, '
            'and this file does not tell it: --to backbone keeps it as it is'
        )
    return int(heads)


def _mmseg_vit(arch: ViT, heads: int) -> Config:
    if not arch.cls_token or arch.grid is None:
        raise UserError(
            "mmseg's ViT always has a class token and a position table, "
            f'which {arch.name} lacks'
        )
    return dict(
        type='mmseg.VisionTransformer',
        img_size=arch.grid * arch.patch,
        patch_size=arch.patch,
        patch_bias=True,
        embed_dims=arch.width,
        num_layers=arch.depth,
        num_heads=heads,
        mlp_ratio=_ratio(arch),
        qkv_bias=arch.qkv_bias,
        final_norm=arch.final_norm,
        norm_cfg=dict(type='LN', eps=1e-6),
        out_indices=(arch.depth - 1,),
    )


def _ratio(arch: ViT) -> float:
    ratio = arch.hidden / arch.width
    return int(ratio) if ratio == int(ratio) else ratio


def _mmpretrain_vit(arch: ViT, heads: int) -> Config:
    """mmpretrain's ViT, or its BEiT."""
    sizes = dict(
        embed_dims=arch.width,
        num_layers=arch.depth,
        num_heads=heads,
        feedforward_channels=arch.hidden,
    )
    beit = arch.split_bias or arch.gamma or arch.rel_pos
    side = arch.grid or round(((arch.window - 3) ** 0.5 + 1) / 2)
    found: Config = dict(
        type=f'mmpretrain.{"BEiTViT" if beit else "VisionTransformer"}',
        arch=sizes,
        img_size=side * arch.patch,
        patch_size=arch.patch,
        final_norm=arch.final_norm,
        out_type='cls_token' if arch.cls_token else 'avg_featmap',
    )
    if beit:
        return found | dict(
            use_abs_pos_emb=arch.grid is not None,
            use_rel_pos_bias=arch.rel_pos,
            layer_scale_init_value=0.1 if arch.gamma else 0,
        )
    if arch.grid is None:
        raise UserError(
            f"mmpretrain's ViT has a position table, which {arch.name} lacks"
        )
    return found | dict(
        with_cls_token=arch.cls_token,
        qkv_bias=arch.qkv_bias,
        layer_scale_init_value=1e-5 if arch.layer_scale else 0,
    )
