"""A backbone to what other programs read."""

import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.architectures import (
    RESNETS,
    ResNet,
    ViT,
    architecture_of,
    recognise,
)
from ssl_bench.checkpoints.backbone import (
    Backbone,
    check_written,
    write_backbone,
    write_safetensors,
)
from ssl_bench.checkpoints.conventions import CAFFE
from ssl_bench.checkpoints.export_timm import (
    is_folder,
    timm_state,
    write_hf_folder,
    write_preprocessor,
    write_timm_folder,
)
from ssl_bench.checkpoints.names import from_ours
from ssl_bench.checkpoints.provenance import stamp
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.snippets import MM, snippet
from ssl_bench.checkpoints.timm_nets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    LAYERS,
    TimmNet,
)
from ssl_bench.checkpoints.verify import compare
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.files import atomic_path, write_text

State = dict[str, Tensor]
# target: the names it uses for ResNets and ViTs, None where it has no class
NAMES = {
    'torchvision': ('torchvision', 'torchvision_vit'),
    'timm': ('torchvision', 'timm_vit'),
    'mmdet': ('torchvision', None),
    'mmseg': ('torchvision', 'mmseg_vit'),
    'mmpretrain': ('torchvision', 'mmpretrain_vit'),
    'detectron2': ('detectron2', None),
    'hf': ('hf_resnet', 'hf_vit'),
}
# Their ResNets have one place for the stride.
PYTORCH_ONLY = ('torchvision', 'timm', 'hf')
# Optional tensors of a ViT that a target's class can hold.
FEATURES = {
    'torchvision': (),
    'timm': ('layer_scale', 'split_bias', 'gamma', 'rel_pos'),
    'mmseg': (),
    'mmpretrain': ('layer_scale', 'split_bias', 'gamma', 'rel_pos'),
    'hf': (),
}


def export(path: str | Path, backbone: Backbone, target: str) -> str:
    """Write a backbone for another program, whole or not at all.

    Args:
        path (str | Path): The file; for ``hf`` the folder. ``torchvision``
            and ``timm`` write safetensors when it ends so. Of a network that
            only timm has, ``timm`` writes a folder where the name has no
            ending.
        backbone (Backbone): What to write.
        target (str): ``backbone`` or a name of `NAMES`.

    Returns:
        str: The lines that load it there (`snippet`); of a backbone file
        none.

    Raises:
        UserError: Unknown target, a target that has no such architecture or
            no such strides, or a file that cannot be written.
    """
    if target == 'backbone':
        write_backbone(path, backbone)
        return ''
    if target not in NAMES:
        raise unknown_name('target', target, [*NAMES, 'backbone'])
    if backbone.meta.get('convention') == CAFFE and target in PYTORCH_ONLY:
        raise UserError(
            f'{backbone.arch} strides in the first 1x1 convolution of a block '
            f"(convention caffe), and {target}'s ResNet in the 3x3: choose "
            "detectron2, or mmdet, mmseg or mmpretrain with style='caffe'."
        )
    path = Path(path)
    found = architecture_of(backbone)
    if isinstance(found, TimmNet) and not _as_plain(found, backbone, target):
        return _export_timm(path, found, backbone, target)
    arch = _architecture(backbone)
    scheme = _scheme(target, arch)
    lines = _lines(path, arch, backbone, target)
    if target == 'detectron2' and path.suffix != '.pkl':
        raise UserError(
            f'detectron2 reads arrays from files that end in .pkl: name the '
            f'output {path.with_suffix(".pkl")}'
        )
    state = from_ours(backbone.state, scheme)
    _WRITERS[target](path, state, backbone)
    return lines


def _lines(
    path: Path, arch: ResNet | ViT, backbone: Backbone, target: str
) -> str:
    """`snippet`, or who has a class for it.

    Raises:
        UserError: The target has none.
    """
    try:
        return snippet(path, arch, backbone, target)
    except UserError as error:
        others = ' or '.join(_who_can(arch, backbone))
        said = str(error).rstrip('.')
        raise UserError(f'{said}: choose {others or "backbone"}') from error


def _who_can(arch: ResNet | ViT, backbone: Backbone) -> list[str]:
    """The targets that have a class for it."""
    found = []
    for target in NAMES:
        try:
            _scheme(target, arch)
            snippet('x', arch, backbone, target)
        except UserError:
            continue
        found.append(target)
    return found


def _as_plain(net: TimmNet, backbone: Backbone, target: str) -> bool:
    """Whether a program gets it as a ViT with layer scale or the like."""
    if target in ('timm', 'hf') or {'norm_eps', *LAYERS} & set(net.kwargs):
        return False
    arch = recognise(backbone.state)
    if arch is None or not compare(backbone.state, arch.shapes()).complete:
        return False
    if target not in MM:
        return True  # or refused as such
    try:
        _scheme(target, arch)
    except UserError:
        return False  # mmdet and mmseg have no such class, we have
    blocks: Any = getattr(net.build('meta'), 'blocks', None)
    # a header of timm's says heads by the name of the network
    return not isinstance(arch, ViT) or (
        blocks is not None and blocks[0].attn.num_heads == arch.heads
    )


def _export_timm(
    path: Path, net: TimmNet, backbone: Backbone, target: str
) -> str:
    """A network of timm's; in OpenMMLab's toolkits in a class of ours."""
    if target not in ('hf', 'timm', *MM):
        raise UserError(
            f'{target} has no {net.model}: choose timm, hf (DINOv2, DINOv3, '
            f'I-JEPA, ConvNeXt), {", ".join(MM)} or backbone'
        )
    folder = target == 'timm' and is_folder(path)
    lines = snippet(path, net, backbone, target, folder)
    if target == 'hf':
        write_hf_folder(path, net, backbone)
    elif folder:
        write_timm_folder(path, net, backbone)
    elif target == 'timm':
        _write_flat(path, timm_state(net, backbone), backbone)
    else:
        names = {f'net.{name}': t for name, t in backbone.state.items()}
        _write_mm(path, names, backbone)
    return lines


def _architecture(backbone: Backbone) -> ResNet | ViT:
    arch = recognise(backbone.state)
    if arch is None:
        raise UserError(
            f'{backbone.arch} is not a ResNet or a ViT, so it has no form '
            'for other programs'
        )
    return arch


def _scheme(target: str, arch: ResNet | ViT) -> str:
    """The names a target uses, if it can hold the architecture at all."""
    resnet, vit = NAMES[target]
    if isinstance(arch, ResNet):
        if target == 'hf' and (arch.inner, arch.kernel) != (arch.base, 7):
            raise UserError(
                f'transformers has no {arch.name}: its ResNet is '
                'neither wide nor grouped'
            )
        return resnet
    if vit is None:
        others = ' or '.join(
            name for name, (_, v) in NAMES.items() if v and _fits(name, arch)
        )
        raise UserError(f'{target} has no plain ViT class: choose {others}')
    extra = [
        name
        for name in ('layer_scale', 'split_bias', 'gamma', 'rel_pos')
        if getattr(arch, name)
    ]
    surplus = [name for name in extra if name not in FEATURES[target]]
    if surplus:
        raise UserError(
            f"{target}'s ViT has no {' and no '.join(surplus)}, "
            f'which {arch.name} needs: choose timm or mmpretrain'
        )
    whole = arch.cls_token and arch.final_norm and arch.qkv_bias
    if target in ('torchvision', 'hf') and not whole:
        raise UserError(
            f"{target}'s ViT always has a class token, biases and a final "
            'norm, which this one lacks (SiameseIM and fine-tuned MAE have '
            'no final norm): choose timm, mmseg or mmpretrain'
        )
    return vit


def _fits(target: str, arch: ViT) -> bool:
    """Whether a target can hold a ViT."""
    try:
        _scheme(target, arch)
    except UserError:
        return False
    return True


def _save_torch(path: Path, content: Any, state: State) -> None:
    """torch.save to the same bytes each time, read back before it counts."""
    with atomic_path(path) as part:
        with open(part, 'wb') as file:
            torch.save(content, file)  # a file object keeps its name out
        check_written(path, unwrap(read_object(part), path).state, state)


def _whole(tensor: Tensor) -> Tensor:
    """The tensor with a storage of its own, so that no other is saved."""
    size = tensor.numel() * tensor.element_size()
    tensor = tensor.contiguous()
    return (
        tensor if tensor.untyped_storage().nbytes() == size else tensor.clone()
    )


def _write_flat(path: Path, state: State, backbone: Backbone) -> None:
    """A plain state dict, for torchvision and timm."""
    mark = stamp(backbone)
    if path.suffix == '.safetensors':
        write_safetensors(path, state, dict(format='pt', ssl_bench=mark))
        return
    ordered = OrderedDict(
        (name, _whole(tensor)) for name, tensor in state.items()
    )
    # Where modules keep their version numbers; no module has this name, so
    # load_state_dict never looks at it.
    versions = OrderedDict(ssl_bench=dict(stamp=mark))
    ordered._metadata = versions  # type: ignore[attr-defined]  # torch's
    _save_torch(path, ordered, state)


def _write_mm(path: Path, state: State, backbone: Backbone) -> None:
    """For ``init_cfg=dict(type='Pretrained', prefix='backbone.')``."""
    groups = dict(
        backbone=state, neck=backbone.neck, roi_head=backbone.roi_head
    )
    tensors = OrderedDict(
        (f'{group}.{name}', _whole(tensor))
        for group, found in groups.items()
        for name, tensor in found.items()
    )
    meta = dict(ssl_bench=stamp(backbone))
    _save_torch(path, dict(meta=meta, state_dict=tensors), tensors)


def _write_detectron2(path: Path, state: State, backbone: Backbone) -> None:
    """A pickle of arrays, as MoCo's conversion script writes it.

    With ``matching_heuristics`` detectron2 finds the names whatever comes
    before them in its model.
    """
    if any(tensor.dtype == torch.bfloat16 for tensor in state.values()):
        raise UserError(
            "detectron2's arrays have no bfloat16: convert the "
            'weights to float32 first'
        )
    content = dict(
        model={name: tensor.numpy() for name, tensor in state.items()},
        __author__='ssl_bench',
        matching_heuristics=True,
        ssl_bench=stamp(backbone),
    )
    with atomic_path(path) as part:
        with open(part, 'wb') as file:
            pickle.dump(content, file, protocol=4)
        check_written(path, unwrap(read_object(part), path).state, state)


def _write_hf(path: Path, state: State, backbone: Backbone) -> None:
    """A folder for ``ResNetModel`` or ``ViTModel.from_pretrained``."""
    arch = _architecture(backbone)
    config = (
        _hf_resnet(arch)
        if isinstance(arch, ResNet)
        else _hf_vit(arch, backbone.meta['arch_args']['heads'])
    )
    write_safetensors(
        path / 'model.safetensors',
        state,
        dict(format='pt', ssl_bench=stamp(backbone)),  # it asks for "pt"
    )
    write_text(path / 'config.json', json.dumps(config, indent=2) + '\n')
    side = config.get('image_size', 224)
    write_preprocessor(path, IMAGENET_MEAN, IMAGENET_STD, side)


def _hf_resnet(arch: ResNet) -> dict[str, Any]:
    block, depths = RESNETS[arch.depth]
    widening = 1 if block == 'basic' else 4
    return dict(
        architectures=['ResNetModel'],
        model_type='resnet',
        num_channels=3,
        embedding_size=arch.stem,
        depths=list(depths),
        layer_type=block,
        hidden_sizes=[arch.base * widening * 2**i for i in range(4)],
        hidden_act='relu',
        downsample_in_first_stage=False,
        downsample_in_bottleneck=False,
    )


def _hf_vit(arch: ViT, heads: int | None) -> dict[str, Any]:
    if not heads or arch.grid is None:
        raise UserError(
            f'{arch.name}: transformers needs the number of '
            'attention heads and a position table, and this file '
            'does not tell them'
        )
    return dict(
        architectures=['ViTModel'],
        model_type='vit',
        num_channels=3,
        hidden_size=arch.width,
        num_hidden_layers=arch.depth,
        num_attention_heads=heads,
        intermediate_size=arch.hidden,
        patch_size=arch.patch,
        image_size=arch.grid * arch.patch,
        hidden_act='gelu',
        layer_norm_eps=1e-6,
        qkv_bias=True,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )


_WRITERS: dict[str, Callable[[Path, State, Backbone], None]] = dict(
    torchvision=_write_flat,
    timm=_write_flat,
    mmdet=_write_mm,
    mmseg=_write_mm,
    mmpretrain=_write_mm,
    detectron2=_write_detectron2,
    hf=_write_hf,
)
