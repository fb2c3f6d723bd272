"""The network of a task's config, made that of the backbone."""

import re
from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.architectures import RESNETS, VITS, ResNet, ViT
from ssl_bench.checkpoints.conventions import CONVENTIONS, Convention
from ssl_bench.checkpoints.timm_nets import from_header, to_header
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.transfer.map_heads import is_on_frozen_maps
from ssl_bench.transfer.timm_architecture import (
    set_timm_architecture,
    timm_name,
)
from ssl_bench.transfer.timm_detection import (
    is_detector,
    refuse_c4,
    takes_patches,
    wrapped_net,
)
from ssl_bench.transfer.wrong_backbone import WrongBackbone

DENSE_VITS = ('ViTDet', 'MAE')  # ours under mmdet, mmseg's
# what a probe takes of a ViT: out_type, pool, and the words of the record
VIT_POOLS = dict(
    patch_mean=('featmap', 'global_average', 'mean of the patch tokens'),
    class_token=('cls_token', 'class_token', 'class token'),
)
CELLS = 4  # of `NormedPoolNeck`: windows of 6 in layer4's 7x7


def set_architecture(config: Config, arch: dict[str, Any]) -> list[str]:
    """Give a task's model the depth and widths of a backbone.

    Args:
        config (Config): Of a detector, segmenter, classifier or probe;
            changed in place.
        arch (dict): ``describe(architecture)``; ``convention`` where it is
            not torchvision's.

    Returns:
        list[str]: What a record should say.

    Raises:
        WrongBackbone: The task takes no such backbone.
        UserError: It takes one, of other sizes, or with more known of it.
    """
    if arch['family'] != 'resnet':
        refuse_c4(config, network_name(arch))
    net = wrapped_net(config, arch)
    if net is not None:
        return set_timm_architecture(config, to_header(net))
    model = config.get('model', config)
    if model['backbone']['type'] in DENSE_VITS:
        _set_dense_vit(config, arch)
        return []
    if model['backbone']['type'] == 'VisionTransformer':
        _set_vit(model, arch)
        return []
    if arch['family'] == 'vit' and (
        is_detector(config)
        or is_on_frozen_maps(config)
        or takes_patches(config)
    ):
        vit_settings(arch)  # says that the number of heads is not known
    if arch['family'] == 'vit' and 'probe' in config:
        return _probe_vit(config, arch)
    _set_resnet(model, arch)
    wrapper = config.get('optim_wrapper') or {}
    if 'layer_decay_rate' in (wrapper.get('paramwise_cfg') or {}):
        raise WrongBackbone(
            'these settings lower the rate from block to block of a network '
            f'of one stride; {network_name(arch)} has stages.'
        )
    if 'convention' in arch:
        return [_set_convention(config, CONVENTIONS[arch['convention']])]
    return []


def _set_convention(config: Config, wanted: Convention) -> str:
    """The strides and the input that the weights were trained with.

    Returns:
        str: What a record should say.
    """
    model = config.get('model', config)
    model['backbone']['style'] = wanted.style
    shared = (model.get('roi_head') or {}).get('shared_head')
    if shared:
        shared['style'] = wanted.style
    pixels = model.get('data_preprocessor') or config['data_preprocessor']
    pixels.update(mean=list(wanted.mean), std=list(wanted.std))
    pixels['to_rgb' if 'to_rgb' in pixels else 'bgr_to_rgb'] = wanted.rgb
    return (
        f"the weights' convention: style {wanted.style}, "
        f'{"RGB" if wanted.rgb else "BGR"}, mean {wanted.mean}, '
        f'std {wanted.std}'
    )


def start_at_full_strength(config: Config) -> None:
    """Let the residual branches of a random network take part.

    The toolkits multiply the last norm of every branch by 0 at first, so that
    a network without pretraining is its shortcuts alone. torchvision and
    Detectron2, which the papers' random rows come from, start it at 1. Here
    it is decided for every task, also for one of the user's own.

    Args:
        config (Config): Of a detector, segmenter, classifier or probe;
            changed in place. Nothing happens to a ViT.
    """
    net = config.get('model', config).get('backbone') or {}
    if re.search(r'(^|\.)(SE)?Res(N|2N)\w+$', net.get('type', '')):
        net['zero_init_residual'] = False


def architecture_name(config: Config) -> str:
    """Name of the network that a config builds, as backbone files say it."""
    net = config.get('model', config)['backbone']
    if net['type'] == 'TimmBackbone':
        return timm_name(net)
    if net['type'] == 'MAE':  # mmseg's
        return ViT(
            net['embed_dims'],
            net['num_layers'],
            net['patch_size'],
            None,
            net['num_heads'],
            4 * net['embed_dims'],
        ).key
    if net['type'] in ('VisionTransformer', 'ViTDet'):
        size = net['arch']
        if isinstance(size, str):
            width, depth, heads = VITS[size]
        else:
            width, depth, heads = (
                size[name]
                for name in ('embed_dims', 'num_layers', 'num_heads')
            )
        return ViT(
            width, depth, net.get('patch_size', 16), None, heads, 4 * width
        ).key
    base = net.get('base_channels', 64)
    return ResNet(
        net['depth'], base, net.get('stem_channels') or base, base
    ).name


def network_name(arch: dict[str, Any]) -> str:
    """Name of the network that ``arch_args`` describe."""
    fields = {
        key: value
        for key, value in arch.items()
        if key not in ('family', 'convention')
    }
    if arch['family'] == 'timm':
        return from_header(arch).name
    return (ViT if arch['family'] == 'vit' else ResNet)(**fields).key


def unnamed_heads(arch: dict[str, Any]) -> int:
    """Heads of a ViT, if `network_name` does not say them, else 0."""
    named = (arch['width'], arch['depth'], arch['heads']) in VITS.values()
    return 0 if named else arch['heads'] or 0


def vit_settings(arch: dict[str, Any]) -> dict[str, Any]:
    """Arguments of mmpretrain's ``VisionTransformer``.

    Raises:
        WrongBackbone: Not a ViT.
        UserError: The number of heads is not known.
    """
    if arch['family'] != 'vit':
        raise WrongBackbone(
            f'this task takes a vision transformer, got {network_name(arch)}.'
        )
    if not arch['heads']:
        raise UserError(
            f'how many attention heads a ViT of width {arch["width"]} and '
            f'depth {arch["depth"]} has is not in its weights. Convert the '
            'checkpoint from a format that says it (mmengine).'
        )
    return dict(
        arch=dict(
            embed_dims=arch['width'],
            num_layers=arch['depth'],
            num_heads=arch['heads'],
            feedforward_channels=arch['hidden'],
        ),
        patch_size=arch['patch'],
        with_cls_token=arch['cls_token'],
    )


def _set_vit(model: dict, arch: dict[str, Any]) -> None:
    """Sizes of a ViT that is trained, and its head's input."""
    model['backbone'].update(vit_settings(arch))
    if model['backbone'].get('frozen_stages', -1) > 0:
        model['backbone']['frozen_stages'] = arch['depth']  # all of it
    if 'input_features' in (model.get('neck') or {}):
        model['neck']['input_features'] = arch['width']
    if 'head' in model:
        model['head']['in_channels'] = arch['width']


def _set_dense_vit(config: Config, arch: dict[str, Any]) -> None:
    """Sizes of a ViT under a detector or a segmenter, and of what follows.

    Maps are taken, and global attention is set, at the same shares of the
    depth as in 12 blocks; a net of fewer than 8 attends globally in every
    other block.
    """
    sizes, model = vit_settings(arch), config.model
    net, depth, width = model.backbone, arch['depth'], arch['width']
    if sizes['patch_size'] != net.patch_size:
        raise UserError(
            f'this task takes a vision transformer with patches of '
            f'{net.patch_size} pixels, got {arch["patch"]}: strides, anchors '
            'and windows follow from it.'
        )
    config.optim_wrapper.paramwise_cfg.num_layers = depth
    if net.type == 'ViTDet':
        parts = min(4, max(depth // 2, 1))
        net.arch = dict(
            sizes['arch'],
            global_attn_indexes=[
                (part + 1) * depth // parts - 1 for part in range(parts)
            ],
        )
        model.neck.in_channels = width
        return
    net.update(
        embed_dims=width,
        num_layers=depth,
        num_heads=arch['heads'],
        mlp_ratio=arch['hidden'] // width,
        out_indices=[
            max(round(end * depth / 12), 1) - 1 for end in (4, 6, 8, 12)
        ],
    )
    model.neck.embed_dim = width
    model.decode_head.in_channels = [width] * 4
    if model.get('auxiliary_head'):
        model.auxiliary_head.in_channels = width


def _probe_vit(config: Config, arch: dict[str, Any]) -> list[str]:
    """A ViT in place of a probe's residual network."""
    settings = vit_settings(arch)
    name = config.probe.get('vit_pool', 'patch_mean')
    if name not in VIT_POOLS:
        raise unknown_name('probe.vit_pool', name, VIT_POOLS)
    note = ''
    if name == 'class_token' and not arch['cls_token']:
        name, note = 'patch_mean', '; there is no class token'
    out_type, pool, words = VIT_POOLS[name]
    config.backbone = dict(
        type='VisionTransformer',
        img_size=config.image_size,
        out_type=out_type,
        final_norm=arch['final_norm'],
        **settings,
    )
    config.probe.pool = pool
    return [f'features: {words}{note}']


def _set_resnet(model: dict, arch: dict[str, Any]) -> None:
    """Depth and widths of a residual network and of what follows it."""
    if (
        arch['family'] != 'resnet'
        or arch['kernel'] != 7
        or arch['groups'] != 1
        or arch['inner'] != arch['base']
    ):
        raise WrongBackbone(
            'this task takes a plain residual network, got '
            f'{network_name(arch)}.'
        )
    widths = [
        arch['base']
        * 2**stage
        * (4 if RESNETS[arch['depth']][0] == 'bottleneck' else 1)
        for stage in range(4)
    ]
    sizes = dict(
        depth=arch['depth'],
        base_channels=arch['base'],
        stem_channels=arch['stem'],
    )
    model['backbone'].update(sizes)
    if 'rpn_head' in model:
        _set_detector(model, sizes, widths)
    elif model.get('type') == 'DINO':
        model['neck']['in_channels'] = widths[1:]
    elif model.get('type') == 'EncoderDecoder':
        model['decode_head']['in_channels'] = widths[3]
        if model.get('auxiliary_head'):
            model['auxiliary_head']['in_channels'] = widths[2]
    elif 'head' in model and 'maps' not in model:
        _set_linear(model, widths[3])


def _set_linear(model: dict, width: int) -> None:
    """Inputs of a linear classifier, and of the norm before it."""
    neck = model.get('neck') or {}
    if neck.get('type') == 'NormedPoolNeck':
        neck['channels'] = width
        if neck.get('window') is not None:
            width *= CELLS
    model['head']['in_channels'] = width


def _set_detector(
    model: dict, sizes: dict[str, int], widths: list[int]
) -> None:
    """Widths of a C4 detector's parts, or of the pyramid's inputs."""
    roi_head = model['roi_head']
    if 'shared_head' not in roi_head:
        model['neck']['in_channels'] = widths
        return
    model['rpn_head']['in_channels'] = widths[2]
    roi_head['shared_head'].update(
        depth=sizes['depth'], base_channels=sizes['base_channels']
    )
    roi_head['bbox_roi_extractor']['out_channels'] = widths[2]
    for name in ('bbox_head', 'mask_head'):
        if roi_head.get(name):
            roi_head[name]['in_channels'] = widths[3]
