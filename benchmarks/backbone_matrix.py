"""Architectures x tasks: planned, loaded, equal features, one training step.

Example: python benchmarks/backbone_matrix.py --data-root data/mini --write
Small random networks of every family, each in every small task: a dry run,
the real load, the features against timm's own, and one training step on the
embedded data (`ssl-bench data mini` writes them). One tensor less must be
refused by the dry run and by the run, in the same words. Ends with 1 if a
pair does not do what its dry run said.
"""

import argparse
import copy
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ssl_bench.checkpoints import Backbone
from ssl_bench.checkpoints.architectures import ResNet, ViT, describe
from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.errors import UserError
from ssl_bench.transfer.source import Source

DOCS = Path(__file__).parents[1] / 'docs/backbones.md'
SECTION = 'matrix'
LIMIT = 1e-5  # of features, relative to the largest
TASKS = (
    'mini_knn',
    'mini_finetune',
    'mini_seg_fcn',
    'mini_seg_upernet',
    'mini_coco_mrcnn_fpn',
    'mini_coco_vitdet',
    'mini_coco_dino',
)
# what a pair is asked, in the order of its cell
PLANNED, LOADED, EQUAL, STEP, DROPPED = 'PLESD'
NOT_ASKED = '-'
# our plain ViTDet has windows and relative positions, which no network of
# timm's has: tests/toolbox/test_vitdet.py compares it
UNEQUAL = ('ViTDet',)


def small_vit(
    model: str, patch: int = 16, positions: str = 'timm', **more: Any
) -> TimmNet:
    """A ViT-like network of 4 narrow blocks, made for images of 6 patches."""
    pool = more.pop('pool', 'class_token')
    kwargs = dict(img_size=6 * patch, embed_dim=48, depth=4, num_heads=3)
    return TimmNet(model, {**kwargs, **more}, positions, pool=pool)


def small_stages(model: str, **more: Any) -> TimmNet:
    """A network of four narrow stages."""
    return TimmNet(model, more, 'none', pool='pooled_map')


SWIN = dict(embed_dim=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8])
CONVNEXT = dict(depths=[1, 1, 2, 1], dims=[16, 32, 48, 64])
FRANCA = dict(mlp_layer='SwiGLUPacked', act_layer='SiLU', mlp_ratio=16 / 3)
RESNET = dict(layers=[1, 1, 1, 1], channels=[16, 24, 32, 48])

# row: family, then the network
ARCHITECTURES: dict[str, tuple[str, TimmNet | ResNet | ViT]] = {
    'ResNet-50': ('ResNet', ResNet(50, 16, 64, 16)),
    'ViT /8': ('ViT', ViT(48, 4, 8, 37, 3, 192)),
    'DINO ViT /16': (
        'DINO, iBOT',
        small_vit('vit_small_patch16_224', positions='dino'),
    ),
    'DINO ViT /8': (
        'DINO, iBOT',
        small_vit('vit_small_patch8_224', 8, 'dino'),
    ),
    'MAE ViT': ('MAE', small_vit('vit_base_patch16_224', pool='patch_mean')),
    'I-JEPA ViT': (
        'I-JEPA',
        small_vit(
            'vit_huge_patch14_gap_224',
            14,
            'fixed',
            pool='patch_mean',
            class_token=False,
            global_pool='avg',
            fc_norm=False,
        ),
    ),
    'DINOv2': ('DINOv2', small_vit('vit_small_patch14_dinov2', 14, 'dino')),
    'DINOv2, 4 registers': (
        'DINOv2',
        small_vit('vit_small_patch14_reg4_dinov2', 14),
    ),
    'DINOv2 giant (SwiGLU)': (
        'DINOv2',
        small_vit('vit_giant_patch14_dinov2', 14, 'dino'),
    ),
    'Franca': (
        'DINOv2',
        small_vit('vit_base_patch14_dinov2', 14, 'dino', **FRANCA),
    ),
    'CLIP ViT': ('CLIP, SigLIP', small_vit('vit_base_patch16_clip_224')),
    'SigLIP ViT': (
        'CLIP, SigLIP',
        small_vit('vit_base_patch16_siglip_gap_224', pool='patch_mean'),
    ),
    'DeiT, distilled': ('DeiT', small_vit('deit_tiny_distilled_patch16_224')),
    'DeiT III': ('DeiT', small_vit('deit3_small_patch16_224')),
    'DINOv3': (
        'DINOv3',
        small_vit('vit_small_patch16_dinov3', positions='none'),
    ),
    'DINOv3, biases': (
        'DINOv3',
        small_vit('vit_small_patch16_dinov3_qkvb', positions='none'),
    ),
    'DINOv3 plus (SwiGLU)': (
        'DINOv3',
        small_vit('vit_small_plus_patch16_dinov3', positions='none'),
    ),
    'DINOv3 ConvNeXt': ('DINOv3', small_stages('convnext_tiny', **CONVNEXT)),
    'EVA-02': ('EVA-02', small_vit('eva02_tiny_patch14_224', 14)),
    'ViT, mixed rotary': (
        'EVA-02',
        small_vit('vit_small_patch16_rope_mixed_224', positions='none'),
    ),
    'BEiT': ('BEiT', small_vit('beit_base_patch16_224', global_pool='token')),
    'BEiT v2, data2vec': (
        'BEiT',
        small_vit('beitv2_base_patch16_224', global_pool='token'),
    ),
    'XCiT /16': ('XCiT', small_vit('xcit_nano_12_p16_224', positions='none')),
    'XCiT /8': ('XCiT', small_vit('xcit_nano_12_p8_224', 8, 'none')),
    'ConvNeXt': ('ConvNeXt', small_stages('convnext_atto', **CONVNEXT)),
    'ConvNeXt V2': ('ConvNeXt', small_stages('convnextv2_atto', **CONVNEXT)),
    'Swin, window 7': (
        'Swin',
        small_stages('swin_tiny_patch4_window7_224', **SWIN),
    ),
    'Swin, SimMIM': (
        'Swin',
        small_stages(
            'swin_base_patch4_window7_224', img_size=192, window_size=6, **SWIN
        ),
    ),
    'Swin V2': ('Swin', small_stages('swinv2_tiny_window8_256', **SWIN)),
    'RegNet X': ('RegNet', small_stages('regnetx_002')),
    'RegNet Y (SEER)': ('RegNet', small_stages('regnety_002')),
    'ResNet-D': ('ResNet of timm', small_stages('resnet18d', **RESNET)),
    'SE-ResNet': ('ResNet of timm', small_stages('seresnet18', **RESNET)),
    'ResNet, blur pool': (
        'ResNet of timm',
        small_stages('resnetblur18', **RESNET),
    ),
    'ViT hybrid': (
        'ViT of timm',
        small_vit('vit_tiny_r_s16_p8_224', 16, img_size=96),
    ),
    'Segment anything ViT': (
        'ViT of timm',
        small_vit('samvit_base_patch16_224', pool='patch_mean'),
    ),
}
# a part of them that has each family once
SLIM = (
    'ResNet-50',
    'ViT /8',
    'DINO ViT /16',
    'I-JEPA ViT',
    'DINOv2, 4 registers',
    'DINOv3, biases',
    'EVA-02',
    'BEiT',
    'XCiT /16',
    'ConvNeXt V2',
    'Swin, window 7',
    'RegNet Y (SEER)',
)


def timm_net(arch: TimmNet | ResNet | ViT) -> TimmNet:
    """What gives the reference: of our own families timm's equal."""
    if isinstance(arch, TimmNet):
        return arch
    if isinstance(arch, ResNet):
        widths = dict(channels=[arch.base * 2**stage for stage in range(4)])
        return small_stages(f'resnet{arch.depth}', **widths)
    return small_vit('vit_small_patch8_224', arch.patch)


def random_values(net: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Values in every parameter and statistic, norms and tables too."""
    generator = torch.Generator().manual_seed(seed)
    parameters = {name for name, _ in net.named_parameters()}
    state = {}
    for name, tensor in net.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        noise = torch.rand(tensor.shape, generator=generator)
        if name.endswith('running_var'):
            tensor = 0.5 + noise
        elif name.endswith('running_mean') or tensor.ndim == 1:
            tensor = tensor + 0.4 * (noise - 0.5)
        elif name in parameters:
            tensor = tensor + 0.1 * (noise - 0.5)
        state[name] = tensor.detach().clone()
    return state


def source_of(name: str) -> Source:
    """An architecture with values, as if its file had been read."""
    arch = ARCHITECTURES[name][1]
    torch.manual_seed(0)
    state = random_values(timm_net(arch).build())
    if isinstance(arch, ResNet):
        state = {key: v for key, v in state.items() if key[:3] != 'fc.'}
    args = to_header(arch) if isinstance(arch, TimmNet) else describe(arch)
    meta = dict(
        method='Noise',
        variant='',
        arch=arch.name,
        arch_args=args,
        pretrain_data='noise',
        pretrain_epochs=1,
        pretrain_batch=2,
        config='',
        source_format='timm',
        source_sha256='0' * 64,
        ssl_bench_version='0',
    )
    return Source(Backbone(state, meta=meta), arch.name, args)


@dataclass
class Cell:
    """What a pair of architecture and task did.

    Attributes:
        done (str): A letter for each question that it passed.
        refused (str): Why the task does not take the architecture.
        faults (list[str]): What went otherwise than the dry run said.
    """

    done: str = ''
    refused: str = ''
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if self.faults:
            return 'FAULT'
        return 'refused' if self.refused else self.done


def dry_run(source: Source, task: str, root: str, folder: Path) -> Any:
    """The plan of a dry run without data."""
    from ssl_bench.transfer.run import Request, ready

    return ready(Request(source, task, 0, folder, root), data=False)[0]


def examine(name: str, task: str, root: str, folder: Path) -> Cell:
    """Ask a pair everything."""
    cell, source = Cell(), source_of(name)
    try:
        plan = dry_run(source, task, root, folder)
    except UserError as error:
        cell.refused = str(error)
        check_refusal(cell, source, task, root, folder)
        return cell
    cell.done += PLANNED
    try:
        with quiet():
            model = build(plan)
            load(model, plan, source)
            if all_arrived(model, source):
                cell.done += LOADED
            else:
                cell.faults.append('a tensor did not arrive')
            if type(model.backbone).__name__ in UNEQUAL:
                cell.done += NOT_ASKED
            else:
                off = difference(model, ARCHITECTURES[name][1], source)
                if off < LIMIT:
                    cell.done += EQUAL
                else:
                    cell.faults.append(f'features differ by {off:.2g}')
            step(model, plan)
            cell.done += STEP
    except Exception as error:  # whatever it is, the dry run was wrong
        cell.faults.append(f'{type(error).__name__}: {error}')
        return cell
    drop_one(cell, source, task, root, folder, plan)
    return cell


def check_refusal(
    cell: Cell, source: Source, task: str, root: str, folder: Path
) -> None:
    """The run itself refuses in the same words."""
    from ssl_bench.transfer.run import run_task

    try:
        run_task(source, task, 0, folder, root)
    except UserError as error:
        if str(error) != cell.refused:
            cell.faults.append(f'the run says: {error}')
    else:
        cell.faults.append('the run did what the dry run refused')


def drop_one(
    cell: Cell, source: Source, task: str, root: str, folder: Path, plan: Any
) -> None:
    """One tensor less is refused by the dry run and by the load itself."""
    names = [key for key in source.weights.state if key.endswith('weight')]
    del source.weights.state[names[len(names) // 2]]
    try:
        dry_run(source, task, root, folder)
        cell.faults.append('the dry run took a file without a tensor')
        return
    except UserError as error:
        dry = str(error)
    try:
        with quiet():
            load(build(plan), plan, source)
        cell.faults.append('the run took a file without a tensor')
        return
    except UserError as error:
        real = str(error)
    if dry != real or 'missing' not in dry:
        cell.faults.append(f'{dry} but the run: {real}')
        return
    cell.done += DROPPED


def build(plan: Any) -> Any:
    """The network of a run, with its initial values."""
    from mmengine.registry import MODELS, DefaultScope

    from ssl_bench.transfer.frozen import frozen_model
    from ssl_bench.transfer.weights import hold_positions

    config = plan.config
    torch.manual_seed(0)
    scope = config.get('default_scope', 'mmpretrain')
    with DefaultScope.overwrite_default_scope(scope):
        if 'probe' in config:
            model = frozen_model(config)
            model.backbone.init_weights()
            return model.eval()
        if config.get('data_preprocessor'):
            config.model.setdefault(
                'data_preprocessor', config.data_preprocessor
            )
        settings = copy.deepcopy(config.model)  # DINO's detector changes it
        model = MODELS.build(settings)
        hold_positions(model, config)
        model.init_weights()
    return model


def load(model: Any, plan: Any, source: Source) -> None:
    """Weights as a run loads them."""
    from ssl_bench.transfer.weights import load_backbone, load_whole

    if 'probe' in plan.config:
        load_whole(model.backbone, source)
    else:
        load_backbone(model, source)


def all_arrived(model: Any, source: Source) -> bool:
    """Whether each tensor of the file is in the network."""
    from ssl_bench.toolbox.timm_backbone import TimmBackbone

    if not isinstance(model.backbone, TimmBackbone):
        return True  # other names; the features say it
    have = model.backbone.net.state_dict()
    return all(
        torch.equal(have[name], tensor)
        for name, tensor in source.weights.state.items()
        if name != 'pos_embed' or have[name].shape == tensor.shape
    )


@torch.no_grad()
def difference(model: Any, arch: Any, source: Source) -> float:
    """Largest difference of a backbone's output from timm's own network.

    At the size of pretraining, where no table is resized, relative to the
    largest value.
    """
    backbone, training = model.backbone, model.training
    state, more = dict(source.weights.state), {}
    if tuple(getattr(backbone, 'strides', ())) == (1, 2, 1, 1):
        more = dict(output_stride=8)
    table = getattr(getattr(backbone, 'net', backbone), 'pos_embed', None)
    if isinstance(arch, ViT) and table is not None:
        # it was resized when it was loaded, which other tests look at
        state['pos_embed'] = table
        more = dict(img_size=arch.patch * round((table.shape[1] - 1) ** 0.5))
    net = timm_net(arch).build(**more)
    net.load_state_dict(state, strict=False)
    net.eval()
    side = pretraining_side(net)
    images = torch.randn(2, 3, side, side)
    model.eval()
    found = backbone(images)
    model.train(training)
    worst = 0.0
    for ours, theirs in zip(found, reference(net, backbone, images)):
        if ours.shape != theirs.shape:
            return float('inf')
        off = (ours - theirs).abs().max() / theirs.abs().max()
        worst = max(worst, float(off))
    return worst


def pretraining_side(net: nn.Module) -> int:
    """Pixels for which a network was made."""
    size = getattr(getattr(net, 'patch_embed', None), 'img_size', None)
    return int(size[0]) if size else 64


def reference(
    net: Any, backbone: Any, images: Tensor
) -> list[Tensor] | tuple[Tensor, ...]:
    """What timm computes for a backbone's output."""
    from ssl_bench.toolbox.timm_backbone import TimmBackbone

    if not isinstance(backbone, TimmBackbone):
        return toolkit_reference(net, backbone, images)
    if backbone.output != 'maps':
        feature = image_feature(net, backbone, images)
        return [backbone.head_norm(feature) if backbone.head_norm else feature]
    return maps_of(net, backbone, images)


def image_feature(net: Any, backbone: Any, images: Tensor) -> Tensor:
    """timm's feature of an image."""
    # XCiT's class attention changes what it reads: the mean is of the maps
    apart = hasattr(net, 'cls_attn_blocks') and backbone.output == 'patch_mean'
    if backbone.normed and not apart:
        tokens = net.forward_features(images)
        if backbone.output == 'class_token':
            return tokens[:, 0]
        if backbone.output == 'pooled_map':
            return net.forward_head(tokens, pre_logits=True)
        return tokens[:, net.num_prefix_tokens :].mean(dim=1)
    if backbone.output == 'class_token':
        ((_, prefix),) = net.forward_intermediates(
            images,
            indices=1,
            return_prefix_tokens=True,
            intermediates_only=True,
        )
        return prefix[:, 0]
    return maps_of(net, backbone, images)[-1].mean(dim=(2, 3))


def maps_of(net: Any, backbone: Any, images: Tensor) -> list[Tensor]:
    """timm's maps of the blocks or stages that a backbone gives."""
    maps: list[Tensor] = net.forward_intermediates(
        images,
        indices=list(backbone.layout.indices),
        norm=backbone.normed,
        output_fmt='NCHW',
        intermediates_only=True,
    )
    return [maps[index] for index in backbone.out_indices]


def toolkit_reference(net: Any, backbone: Any, images: Tensor) -> list[Tensor]:
    """What timm computes for a toolkit's own ResNet or ViT."""
    stages = 'ResNet' in type(backbone).__name__
    final = stages or getattr(backbone, 'final_norm', False)
    maps: list[Tensor] = net.forward_intermediates(
        images,
        indices=[1, 2, 3, 4] if stages else None,
        norm=bool(final),
        output_fmt='NCHW',
        intermediates_only=True,
    )
    if getattr(backbone, 'out_type', '') == 'avg_featmap':
        return [backbone.ln2(maps[-1].mean(dim=(2, 3)))]
    if getattr(backbone, 'out_type', '') == 'cls_token':
        return [net.forward_features(images)[:, 0]]
    return [maps[index] for index in backbone.out_indices]


def step(model: Any, plan: Any) -> None:
    """One training step on two images; of a probe their features.

    Raises:
        ValueError: The loss is not finite, or no tensor of a backbone that
            is trained has changed.
    """
    from mmengine.dataset import pseudo_collate
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DATASETS, DefaultScope

    from ssl_bench.toolbox.load_images import read_with_care
    from ssl_bench.transfer.frozen import POOLS

    config = plan.config
    read_with_care(config, None)
    scope = config.get('default_scope', 'mmpretrain')
    with DefaultScope.overwrite_default_scope(scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        batch = pseudo_collate([dataset[index] for index in range(2)])
        if 'probe' in config:
            pool = POOLS[config.probe.get('pool', 'global_average')]
            features, _ = model(batch, pool)
            if features.ndim != 2 or not features.isfinite().all():
                raise ValueError('the features are not finite')
            return
        model.train()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        data = model.data_preprocessor(batch, True)
        before = [
            (value, value.detach().clone())
            for value in model.backbone.parameters()
            if value.requires_grad
        ]
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        wrapper.update_params(loss)
    if not loss.isfinite():
        raise ValueError('the loss is not finite')
    if before and all(torch.equal(*pair) for pair in before):
        raise ValueError('the step changed nothing in the backbone')


def quiet() -> Any:
    """Without what the toolkits print."""
    from ssl_bench.transfer.toolkit_output import unheard

    return unheard()


def lines(
    found: dict[str, dict[str, Cell]], tasks: list[str]
) -> Iterator[str]:
    """The table in Markdown, with the reasons of refusals below it."""
    yield '| architecture | family | ' + ' | '.join(tasks) + ' |'
    yield '| :-- | :-- |' + ' :-- |' * len(tasks)
    for name, cells in found.items():
        texts = ' | '.join(str(cells[task]) for task in tasks)
        yield f'| {name} | {ARCHITECTURES[name][0]} | {texts} |'
    cells_all = [cell for cells in found.values() for cell in cells.values()]
    families = {ARCHITECTURES[name][0] for name in found}
    whole = sum(len(cell.done) == 5 and not cell.faults for cell in cells_all)
    refused = sum(bool(cell.refused) for cell in cells_all)
    faults = sum(bool(cell.faults) for cell in cells_all)
    yield ''
    yield (
        f'{len(found)} architectures of {len(families)} families in '
        f'{len(tasks)} tasks: {whole} pairs pass everything, {refused} are '
        f'refused by the dry run and by the run in the same words, and '
        f'{faults} do not do what the dry run said.'
    )
    reasons = {
        f'* {name}, {task}: {cell.refused}'
        for name, cells in found.items()
        for task, cell in cells.items()
        if cell.refused
    }
    if reasons:
        yield ''
        yield from sorted(reasons)


def main() -> int:
    """Examine, print, and write if asked to."""
    from ssl_bench import register_all_modules
    from ssl_bench.markdown_sections import replace_section

    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data-root', default='data/mini')
    parser.add_argument('--architectures', nargs='+', choices=ARCHITECTURES)
    parser.add_argument('--tasks', nargs='+', choices=TASKS)
    parser.add_argument(
        '--write', action='store_true', help=f'write the table into {DOCS}'
    )
    args = parser.parse_args()
    if args.write and (args.architectures or args.tasks):
        parser.error('--write is for the whole matrix')
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    register_all_modules()
    found: dict[str, dict[str, Cell]] = {}
    tasks = list(args.tasks or TASKS)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.architectures or ARCHITECTURES:
            found[name] = {}
            for task in tasks:
                start = time.process_time()
                cell = examine(name, task, args.data_root, Path(folder))
                found[name][task] = cell
                seconds = time.process_time() - start
                more = '; '.join(cell.faults) or cell.refused
                print(f'{name} {task} {cell} {seconds:.1f} s {more}')
                sys.stdout.flush()
    text = '\n'.join(lines(found, tasks))
    print(text)
    if args.write:
        DOCS.write_text(replace_section(DOCS.read_text(), SECTION, text))
    cells = [cell for row in found.values() for cell in row.values()]
    return int(any(cell.faults for cell in cells))


if __name__ == '__main__':
    sys.exit(main())
