"""The lines that load an exported file in the program it was written for.

Each names the path, the architecture and every setting that the tensors do
not say, so that it gives this project's features as it stands. A network that
the program has no class for is refused here, before anything is written.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssl_bench.checkpoints.architectures import ResNet, ViT
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.conventions import CAFFE, CONVENTIONS, TORCHVISION
from ssl_bench.checkpoints.snippets_mm import mm_fragment, timm_fragment
from ssl_bench.checkpoints.timm_nets import LAYERS, TimmNet
from ssl_bench.errors import UserError

MM = ('mmdet', 'mmseg', 'mmpretrain')
# timm's plain ViTs: width and depth to a name
TIMM_VITS = {
    (192, 12): 'vit_tiny_patch16_224',
    (384, 12): 'vit_small_patch16_224',
    (768, 12): 'vit_base_patch16_224',
    (1024, 24): 'vit_large_patch16_224',
    (1280, 32): 'vit_huge_patch14_224',
}
Plain = ResNet | ViT


def snippet(
    path: str | Path,
    arch: Plain | TimmNet,
    backbone: Backbone,
    target: str,
    folder: bool = False,
) -> str:
    """Lines of Python, or of a config of mmdet, mmseg or mmpretrain.

    Args:
        path (str | Path): The file or folder that is written.
        arch (ResNet | ViT | TimmNet): What it holds.
        backbone (Backbone): Its header says heads and convention.
        target (str): Who reads it.
        folder (bool): timm reads a folder, not a file.

    Returns:
        str: They end without a line break.

    Raises:
        UserError: The program has no class for this network.
    """
    place = str(Path(path).absolute())
    if isinstance(arch, TimmNet):
        if target in MM:
            return timm_fragment(place, arch, target)
        if target == 'hf':
            return _hf(place, False)
        return _timm_net(place, arch, folder)
    if target in MM:
        return mm_fragment(place, arch, backbone.meta, target)
    return _PLAIN[target](place, arch, backbone)


def heads_of(arch: ViT, backbone: Backbone) -> int:
    """Attention heads, which no tensor tells.

    Raises:
        UserError: The header does not say it.
    """
    heads = backbone.meta['arch_args'].get('heads') or arch.heads
    if not heads or arch.grid is None:
        raise UserError(
            f'{arch.name}: other programs need the number of attention heads '
            'and a position table, and this file does not tell them: --to '
            'backbone keeps it as it is'
        )
    return int(heads)


def _call(name: str, arguments: dict[str, Any]) -> str:
    """A call with each argument on a line of its own."""
    lines = [f'    {key}={_code(value)},' for key, value in arguments.items()]
    return '\n'.join([f'{name}(', *lines, ')'])


class Code(str):
    """Text that stands in a snippet as it is."""

    __slots__ = ()


def _code(value: Any) -> str:
    return str(value) if isinstance(value, Code) else repr(value)


def _loading(place: str) -> tuple[str, str]:
    """The import and the expression that read a file of tensors."""
    if place.endswith('.safetensors'):
        return (
            'from safetensors.torch import load_file',
            f'load_file({place!r})',
        )
    return 'import torch', f'torch.load({place!r}, weights_only=True)'


def _torchvision(place: str, arch: Plain, backbone: Backbone) -> str:
    """torchvision's own builder, or its class with a ViT's sizes."""
    import torchvision

    if isinstance(arch, ResNet):
        if arch.name not in torchvision.models.list_models():
            raise UserError(f'torchvision.models has no {arch.name}')
        build, head = f'torchvision.models.{arch.name}()', 'fc'
    else:
        head, build = (
            'heads',
            _call(
                'torchvision.models.VisionTransformer',
                dict(
                    image_size=(arch.grid or 0) * arch.patch,
                    patch_size=arch.patch,
                    num_layers=arch.depth,
                    num_heads=heads_of(arch, backbone),
                    hidden_dim=arch.width,
                    mlp_dim=arch.hidden,
                ),
            ),
        )
    first, state = _loading(place)
    imports = dict.fromkeys(('import torch', 'import torchvision'))
    safe = [] if first in imports else [first]
    return '\n'.join(
        [
            *imports,
            *safe,
            '',
            f'model = {build}',
            f'model.{head} = torch.nn.Identity()',
            f'model.load_state_dict({state})',
            'model.eval()',
        ]
    )


def _timm(place: str, arch: Plain, backbone: Backbone) -> str:
    """timm's network of a name that has these tensors."""
    options: dict[str, Any] = {}
    if isinstance(arch, ResNet):
        name = arch.name
    elif arch.split_bias or arch.gamma or arch.rel_pos:
        name, options = _timm_beit(arch, backbone)
    else:
        name, options = _timm_vit(arch, backbone)
    _same_tensors(name, options, arch)
    return _create(name, options, place)


def _timm_vit(arch: ViT, backbone: Backbone) -> tuple[str, dict[str, Any]]:
    """timm's name of a plain ViT, and what differs from it."""
    heads = heads_of(arch, backbone)
    name = TIMM_VITS.get((arch.width, arch.depth), 'vit_base_patch16_224')
    usual = dict(
        patch_size=14 if 'huge' in name else 16,
        img_size=224,
        mlp_ratio=4.0,
        init_values=None,
        class_token=True,
        global_pool='token',
        final_norm=True,
        qkv_bias=True,
    )
    wanted = dict(
        patch_size=arch.patch,
        img_size=(arch.grid or 0) * arch.patch,
        mlp_ratio=arch.hidden / arch.width,
        init_values=1e-5 if arch.layer_scale else None,
        class_token=arch.cls_token,
        global_pool='token' if arch.cls_token else '',
        final_norm=arch.final_norm,
        qkv_bias=arch.qkv_bias,
    )
    options = {key: v for key, v in wanted.items() if v != usual[key]}
    if (arch.width, arch.depth) not in TIMM_VITS:
        options |= dict(embed_dim=arch.width, depth=arch.depth)
    if heads * 64 != arch.width or 'embed_dim' in options:
        options['num_heads'] = heads
    return name, options


def _timm_beit(arch: ViT, backbone: Backbone) -> tuple[str, dict[str, Any]]:
    """timm's class of BEiT, with what this file has of it."""
    heads = backbone.meta['arch_args'].get('heads') or arch.heads
    side = arch.grid or round(((arch.window - 3) ** 0.5 + 1) / 2)
    return 'beit_base_patch16_224', dict(
        patch_size=arch.patch,
        img_size=side * arch.patch,
        embed_dim=arch.width,
        depth=arch.depth,
        num_heads=heads,
        mlp_ratio=arch.hidden / arch.width,
        init_values=0.1 if arch.gamma else None,
        use_abs_pos_emb=arch.grid is not None,
        use_rel_pos_bias=arch.rel_pos,
        global_pool='token' if arch.final_norm else 'avg',
    )


def _same_tensors(name: str, options: dict[str, Any], arch: Plain) -> None:
    """Check that timm builds a network with exactly these tensors.

    Raises:
        UserError: It does not.
    """
    import timm

    missing = UserError(f'timm has no network of the size of {arch.name}')
    if not timm.is_model(name):
        raise missing
    try:
        found = TimmNet(name, options).shapes()
    except UserError as error:
        raise missing from error
    mine = arch.shapes()
    ours = {key: tuple(shape) for key, shape in mine.items()}
    if {k: v for k, v in found.items() if 'position_index' not in k} != ours:
        raise missing


def _create(name: str, options: dict[str, Any], place: str) -> str:
    words: dict[str, Any] = {'num_classes': 0, **options}
    words['checkpoint_path'] = place
    call = _call('timm.create_model', words)
    lines = [f'    {name!r},', *call.splitlines()[1:]]
    build = '\n'.join(['timm.create_model(', *lines])
    return '\n'.join([*_imports(options), '', f'model = {build}.eval()'])


def _imports(options: dict[str, Any]) -> list[str]:
    """What a call with these options needs."""
    code = [str(v) for v in options.values() if isinstance(v, Code)]
    lines = ['import timm']
    if any('timm.layers' in text for text in code):
        lines.append('import timm.layers')
    if any('torch.nn' in text for text in code):
        lines.append('import torch')
    if any(text.startswith('partial(') for text in code):
        lines.insert(0, 'from functools import partial\n')
    return lines


def _timm_net(place: str, net: TimmNet, folder: bool) -> str:
    """A network of timm's, from a folder or a file."""
    if folder:
        return '\n'.join(
            [
                'import timm',
                '',
                'model = timm.create_model(',
                f'    {f"local-dir:{place}"!r}, pretrained=True, '
                'num_classes=0',
                ').eval()',
            ]
        )
    if 'rope_periods' in net.kwargs:
        raise UserError(
            f'{net.name} has rotary periods that no setting of timm says: '
            '--to backbone keeps them, and ssl_bench loads that file'
        )
    return _create(net.model, _timm_options(net), place)


def _timm_options(net: TimmNet) -> dict[str, Any]:
    """A header's options as code that timm takes."""
    import timm.layers

    options: dict[str, Any] = dict(net.kwargs)
    for key in LAYERS:
        if isinstance(options.get(key), str):
            home = 'timm.layers'
            if not hasattr(timm.layers, options[key]):
                home = 'torch.nn'
            options[key] = Code(f'{home}.{options[key]}')
    if 'norm_eps' in options:
        norm = options.get('norm_layer', 'timm.layers.LayerNorm')
        eps = options.pop('norm_eps')
        options['norm_layer'] = Code(f'partial({norm}, eps={eps!r})')
    return options


def _hf_plain(place: str, arch: Plain, backbone: Backbone) -> str:
    return _hf(place, isinstance(arch, ViT))


def _hf(place: str, pooler: bool) -> str:
    """transformers; a ViT's pooling layer is untrained, so it has none."""
    more = ', add_pooling_layer=False' if pooler else ''
    return '\n'.join(
        [
            'from transformers import AutoImageProcessor, AutoModel',
            '',
            f'folder = {place!r}',
            'processor = AutoImageProcessor.from_pretrained(folder)',
            f'model = AutoModel.from_pretrained(folder{more}).eval()',
        ]
    )


def _detectron2(place: str, arch: Plain, backbone: Backbone) -> str:
    """Detectron2's ResNet, with the settings that these tensors need."""
    if isinstance(arch, ViT):
        raise UserError('detectron2 has no plain ViT class')
    basic = arch.depth < 50
    if arch.kernel != 7 or (basic and arch.base != 64):
        raise UserError(f"detectron2's ResNet cannot be a {arch.name}")
    caffe = backbone.meta.get('convention') == CAFFE
    pixels = CONVENTIONS[CAFFE if caffe else TORCHVISION]
    settings = {
        'MODEL.WEIGHTS': place,
        'MODEL.PIXEL_MEAN': list(pixels.mean),
        'MODEL.PIXEL_STD': list(pixels.std),
        'INPUT.FORMAT': 'RGB' if pixels.rgb else 'BGR',
        'MODEL.RESNETS.DEPTH': arch.depth,
        'MODEL.RESNETS.STEM_OUT_CHANNELS': arch.stem,
        'MODEL.RESNETS.RES2_OUT_CHANNELS': arch.base * (1 if basic else 4),
        'MODEL.RESNETS.NUM_GROUPS': arch.groups,
        'MODEL.RESNETS.WIDTH_PER_GROUP': arch.inner // arch.groups,
        'MODEL.RESNETS.STRIDE_IN_1X1': caffe,
    }
    return '\n'.join(
        [
            'from detectron2.checkpoint import DetectionCheckpointer',
            'from detectron2.config import get_cfg',
            'from detectron2.layers import ShapeSpec',
            'from detectron2.modeling import build_resnet_backbone',
            '',
            'cfg = get_cfg()  # or that of your detector',
            *(f'cfg.{key} = {value!r}' for key, value in settings.items()),
            'model = build_resnet_backbone(cfg, ShapeSpec(channels=3))',
            'DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)',
        ]
    )


_PLAIN: dict[str, Callable[[str, Plain, Backbone], str]] = dict(
    torchvision=_torchvision, timm=_timm, hf=_hf_plain, detectron2=_detectron2
)
