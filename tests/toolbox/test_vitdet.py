"""ViTDet: each flag of its protocol, and its parts against slow ones."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ssl_bench.checkpoints.architectures import ResNet, ViT, describe
from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import tiny_vit
from tests.transfer.test_protocol_detection import check_heads, simulate

TASKS = ('coco_vitdet_b', 'lvis_vitdet_b')
MINI = ('mini_coco_vitdet', 'mini_lvis_vitdet')


@pytest.fixture(scope='module')
def config(registered):
    """Configs of the tasks on 32 accelerators, read once."""
    read = {}

    def get(task):
        if task not in read:
            plan = make_plan(
                task, processes=32 if task in TASKS else 1, accelerator=True
            )
            assert plan.changes == []
            read[task] = plan.config
        return read[task]

    return get


@pytest.fixture(scope='module')
def model(config):
    """Built models, built once."""
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    built = {}

    def get(task):
        if task not in built:
            with DefaultScope.overwrite_default_scope('mmdet'):
                built[task] = MODELS.build(config(task).model).train()
        return built[task]

    return get


def is_norm(module):
    return isinstance(
        module, (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
    )


@pytest.mark.parametrize(
    'task,blocks,window,whole,grid',
    [
        ('coco_vitdet_b', 12, 14, [2, 5, 8, 11], 64),
        ('mini_coco_vitdet', 4, 5, [1, 3], 12),
    ],
)
def test_blocks(model, task, blocks, window, whole, grid):
    net = model(task).backbone
    assert len(net.layers) == blocks
    heads = net.layers[0].attn.num_heads
    assert net.embed_dims == (768 if blocks == 12 else 96)
    assert heads == (12 if blocks == 12 else 3)
    for index, layer in enumerate(net.layers):
        side = grid if index in whole else window
        assert layer.window_size == (0 if index in whole else window)
        shape = (2 * side - 1, net.embed_dims // heads)
        for table in (layer.attn.rel_pos_h, layer.attn.rel_pos_w):
            assert table.shape == shape and not table.any()
        wanted = 0.1 * index / (blocks - 1)
        assert math.isclose(
            layer.ffn.dropout_layer.drop_prob, wanted, abs_tol=1e-9
        )
    # of pretraining: 224 pixels, or the embedded methods' 64
    assert net.pos_embed.shape[1:3] == ((14, 14) if blocks == 12 else (8, 8))
    assert not hasattr(net, 'cls_token') and not hasattr(net, 'ln1')


def test_everything_trains_under_layer_norm(model):
    net = model('coco_vitdet_b')
    assert all(value.requires_grad for value in net.parameters())
    norms = [module for module in net.modules() if is_norm(module)]
    assert all(isinstance(m, nn.LayerNorm) and m.eps == 1e-6 for m in norms)
    for part, convs in (
        (net.roi_head.bbox_head.shared_convs, 4),
        (net.roi_head.mask_head.convs, 4),
    ):
        assert len(part) == convs
        assert all(
            conv.norm.normalized_shape == (256,) and conv.conv.bias is None
            for conv in part
        )
    assert net.roi_head.bbox_head.shared_fcs[0].weight.shape == (
        1024,
        256 * 49,
    )
    assert len(net.roi_head.bbox_head.shared_fcs) == 1
    rpn = [
        m for m in net.rpn_head.rpn_conv.modules() if isinstance(m, nn.Conv2d)
    ]
    assert [conv.weight.shape for conv in rpn] == [(256, 256, 3, 3)] * 2
    assert not any(is_norm(m) for m in net.rpn_head.modules())
    assert net.roi_head.mask_head.upsample.weight.shape == (256, 256, 2, 2)
    strides = net.rpn_head.prior_generator.strides
    assert strides == [(side, side) for side in (4, 8, 16, 32, 64)]


def test_first_values_are_detectron2s(model):
    net = model('coco_vitdet_b')
    torch.manual_seed(0)
    net.neck.init_weights()
    for name, conv in net.neck.convs.named_modules():
        if isinstance(conv, nn.Conv2d):  # torch's start: uniform
            bound = 1 / math.sqrt(conv.weight[0].numel())
            assert conv.weight.abs().max() <= bound, name
            assert conv.weight.std().item() == pytest.approx(
                bound / math.sqrt(3), rel=0.05
            )
    net.backbone.init_weights()
    assert net.backbone.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)
    check_heads(net.roi_head)


def test_pyramid_shapes_and_values(registered):
    from ssl_bench.toolbox.vitdet import SimpleFeaturePyramid

    torch.manual_seed(0)
    neck = SimpleFeaturePyramid(16, 6)
    x = torch.randn(2, 16, 4, 6)
    maps = neck((x,))
    assert [tuple(y.shape) for y in maps] == [
        (2, 6, 16, 24),
        (2, 6, 8, 12),
        (2, 6, 4, 6),
        (2, 6, 2, 3),
        (2, 6, 1, 2),
    ]
    assert torch.equal(maps[4], maps[3][:, :, ::2, ::2])
    # the stride of the backbone, by hand: 1x1, norm, 3x3, norm
    one, three = neck.convs[2]
    y = F.conv2d(x, one.conv.weight).movedim(1, 3)
    y = F.layer_norm(y, (6,), eps=1e-6).movedim(3, 1)
    y = F.conv2d(y, three.conv.weight, padding=1).movedim(1, 3)
    y = F.layer_norm(y, (6,), eps=1e-6).movedim(3, 1)
    torch.testing.assert_close(maps[2], y)
    kinds = [
        type(m).__name__
        for m in neck.scales.modules()
        if not list(m.children())
    ]
    assert kinds == [
        'ConvTranspose2d',
        'LayerNorm2d',
        'GELU',
        'ConvTranspose2d',
        'ConvTranspose2d',
        'Identity',
        'MaxPool2d',
    ]


@pytest.mark.parametrize('task', TASKS)
def test_data(config, task):
    cfg = config(task)
    assert cfg.model.data_preprocessor.pad_size_divisor == 1024
    assert cfg.model.data_preprocessor.pad_mask
    assert cfg.model.data_preprocessor.bgr_to_rgb
    steps = cfg.train_dataloader.dataset.pipeline
    assert [step.type for step in steps] == [
        'LoadImageFromFile',
        'LoadAnnotations',
        'RandomFlip',
        'RandomResize',
        'RandomCrop',
        'FilterAnnotations',
        'PackDetInputs',
    ]
    load, annotations, flip, resize, crop, keep, _ = steps
    assert load.imdecode_backend == resize.backend == 'pillow'
    assert annotations.poly2mask is False and flip.prob == 0.5
    assert (resize.scale, resize.ratio_range, resize.keep_ratio) == (
        (1024, 1024),
        (0.1, 2.0),
        True,
    )
    assert (
        crop.crop_type,
        crop.crop_size,
        crop.recompute_bbox,
        crop.allow_negative_crop,
    ) == ('absolute', (1024, 1024), True, True)
    assert (keep.min_gt_bbox_wh, keep.keep_empty) == ((1e-2, 1e-2), False)
    assert cfg.train_dataloader.dataset.filter_cfg == dict(
        filter_empty_gt=True, min_size=0
    )
    test = {step.type: step for step in cfg.test_dataloader.dataset.pipeline}
    assert test['Resize'].scale == (1024, 1024)
    assert test['Resize'].keep_ratio
    assert cfg.model.train_cfg.rpn.assigner.min_pos_iou == 0.0
    assert cfg.model.train_cfg.rcnn.assigner.match_low_quality is False
    lvis = task == 'lvis_vitdet_b'
    assert cfg.train_dataloader.dataset.type == (
        'LvisInstances' if lvis else 'CocoInstances'
    )
    assert cfg.train_dataloader.sampler.type == (
        'RepeatFactorSampler' if lvis else 'InfiniteSampler'
    )
    assert cfg.model.test_cfg.rcnn.score_thr == (0.02 if lvis else 0.05)
    assert cfg.model.test_cfg.rcnn.max_per_img == (300 if lvis else 100)


@pytest.mark.parametrize(
    'task,rate,iterations,steps',
    [
        ('coco_vitdet_b', 1e-4, 184375, (163889, 177546)),
        ('lvis_vitdet_b', 2e-4, 156250, (138889, 150463)),
    ],
)
def test_schedule(config, task, rate, iterations, steps):
    cfg = config(task)
    assert cfg.train_cfg.max_iters == iterations
    assert cfg.auto_scale_lr.base_batch_size == 64
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.get('clip_grad') is None
    wanted = {0, 125, 249, 250, steps[0] - 1, steps[0], steps[1] - 1, steps[1]}
    for iteration, got in simulate(cfg, wanted).items():
        factor = 0.001 + (1 - 0.001) * min(iteration / 250, 1)
        drops = sum(iteration >= step for step in steps)
        assert math.isclose(got, rate * factor * 0.1**drops, rel_tol=1e-9), (
            iteration
        )


@pytest.mark.parametrize('task', ['coco_vitdet_b', 'mini_coco_vitdet'])
def test_layer_decay_and_weight_decay(model, config, task):
    from mmengine.optim import build_optim_wrapper

    net, cfg = model(task), config(task)
    wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
    optimizer = build_optim_wrapper(net, wrapper).optimizer
    assert type(optimizer).__name__ == 'AdamW'
    assert optimizer.defaults['betas'] == (0.9, 0.999)
    groups = {
        id(group['params'][0]): group for group in optimizer.param_groups
    }
    norms = {
        id(value)
        for module in net.modules()
        if is_norm(module)
        for value in module.parameters()
    }
    depth = len(net.backbone.layers)
    base = optimizer.defaults['lr']
    for name, value in net.named_parameters():
        group = groups.pop(id(value))
        layer = depth + 1
        if name.startswith('backbone.'):
            layer = int(name.split('.')[2]) + 1 if '.layers.' in name else 0
        assert math.isclose(
            group['lr'], base * 0.7 ** (depth + 1 - layer), rel_tol=1e-9
        ), name
        # Detectron2's rule knows nn.LayerNorm, not its own channel norm
        exempt = name == 'backbone.pos_embed' or (
            id(value) in norms and name.startswith('backbone.')
        )
        assert group['weight_decay'] == (0.0 if exempt else 0.1), name
    assert not groups


def test_stochastic_depth_drops_both_branches(model, registered):
    net = model('mini_coco_vitdet').backbone
    layer = net.layers[3].train()
    drop = layer.ffn.dropout_layer
    x = torch.randn(64, 5, 5, 96)
    before, drop.drop_prob = drop.drop_prob, 1 - 1e-9
    with torch.no_grad():
        assert torch.equal(layer(x), x)  # nothing is left of either branch
        drop.drop_prob = before
        layer.eval()
        assert not torch.equal(layer(x), x)
    layer.train()


def open_windows(net):
    """Let every block see the whole map, as a plain ViT's does."""
    for layer in net.layers:
        layer.window_size = 0
        layer.attn.use_rel_pos = False


@pytest.mark.parametrize('side', [64, 96])
def test_features_are_the_source_networks(registered, model, side):
    """Loaded, every block global, the maps are the plain ViT's tokens."""
    source_net, backbone = tiny_vit(seed=3)
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    net = model('mini_coco_vitdet')
    net.backbone.init_weights()
    load_backbone(net, source)
    net.backbone.eval()
    detector = net.backbone
    windows = [layer.window_size for layer in detector.layers]
    image = torch.randn(2, 3, side, side)
    # without a class token that the patches could look at
    with torch.no_grad():
        x = source_net.patch_embed(image)[0]
        table = F.interpolate(
            source_net.pos_embed[:, 1:].unflatten(1, (8, 8)).movedim(3, 1),
            size=side // 8,
            mode='bicubic',
            align_corners=False,
        )
        x = x + table.flatten(2).movedim(1, 2)
        source_net.eval()
        for layer in source_net.layers:
            x = layer(x)
        want = x.movedim(1, 2).unflatten(2, (side // 8,) * 2)
        cut = detector(image)[0]
        if side == 64:  # one window of the size of the map is the map
            for layer in detector.layers:
                layer.window_size = 8 if layer.window_size else 0
                layer.attn.use_rel_pos = False
            torch.testing.assert_close(
                detector(image)[0], want, rtol=1e-5, atol=1e-5
            )
        open_windows(detector)
        got = detector(image)[0]
    for layer, window in zip(detector.layers, windows):
        layer.window_size, layer.attn.use_rel_pos = window, True
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    assert (cut - want).abs().max() > 1e-3  # the windows do something


def test_windows_see_their_own_patches_only(model):
    net = model('mini_coco_vitdet').backbone
    net.eval()
    layer, x = net.layers[0], torch.randn(1, 12, 12, 96)
    with torch.no_grad():
        before, changed = layer(x), x.clone()
        changed[0, 0, 0] = torch.randn(96)
        moved = (layer(changed) - before).abs().sum(-1)[0] > 1e-5
        assert moved[:5, :5].all() and not moved[5:].any()
        assert not moved[:, 5:].any()
        # a whole window is its plain attention; the last ones are padded
        window = layer.ffn(
            layer.ln2(x[:, :5, :5] + layer.attn(layer.ln1(x[:, :5, :5]))),
            identity=x[:, :5, :5] + layer.attn(layer.ln1(x[:, :5, :5])),
        )
        torch.testing.assert_close(before[:, :5, :5], window)


@pytest.mark.parametrize(
    'name', ['blocks.2.attn.qkv.bias', 'pos_embed', 'patch_embed.proj.weight']
)
def test_a_renamed_tensor_is_refused(model, name):
    backbone = tiny_vit()[1]
    backbone.state[name + 'x'] = backbone.state.pop(name)
    source = Source(
        backbone, backbone.meta['arch'], backbone.meta['arch_args']
    )
    with pytest.raises(UserError, match='qkv|pos_embed|patch_embed'):
        load_backbone(model('mini_coco_vitdet'), source)


@pytest.mark.slow
def test_architectures(registered):
    def planned(arch, task='coco_vitdet_b'):
        return make_plan(task, describe(arch)).config

    large = planned(ViT(1024, 24, 16, 14, 16, 4096))
    assert large.model.backbone.arch.global_attn_indexes == [5, 11, 17, 23]
    assert large.model.neck.in_channels == 1024
    assert large.optim_wrapper.paramwise_cfg.num_layers == 24
    base = planned(ViT(768, 12, 16, 14, 12, 3072))
    assert base.model.backbone.arch.global_attn_indexes == [2, 5, 8, 11]
    other = planned(ViT(768, 12, 14, 16, 12, 3072)).model  # patches of 14
    assert other.backbone.type == 'TimmBackbone'
    assert other.roi_head.bbox_roi_extractor.featmap_strides == [
        3.5,
        7,
        14,
        28,
    ]
    with pytest.raises(UserError, match='takes a vision transformer'):
        planned(ResNet(50))
    assert make_plan('coco_vitdet_b').arch == 'vit_base_patch16'
    assert make_plan('mini_coco_vitdet').arch == 'vit_d96_l4_patch8'


def test_mixed_precision_is_for_accelerators():
    plan = make_plan('mini_coco_vitdet')
    assert plan.config.optim_wrapper.type == 'OptimWrapper'
    assert plan.changes == ['single precision: mixed needs an accelerator']
    few = make_plan('coco_vitdet_b', processes=8, accelerator=True)
    assert few.config.optim_wrapper.accumulative_counts == 4
    assert few.config.train_cfg.max_iters == 4 * 184375
