"""Detectors on networks that timm builds: strides, padding, steps."""

import json

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, DefaultScope

from ssl_bench.checkpoints import Backbone
from ssl_bench.checkpoints.architectures import ResNet, ViT, describe
from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.timm_detection import pyramid_scales
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone

VIT = TimmNet(
    'vit_small_patch14_reg4_dinov2',
    dict(embed_dim=48, depth=4, num_heads=3, img_size=56),
    mean=(0.43, 0.411, 0.296),
    std=(0.213, 0.156, 0.143),
)
CONVNEXT = TimmNet('convnext_atto', dict(dims=[8, 16, 24, 32], depths=[1] * 4))
MINI = ('mini_coco_vitdet', 'mini_coco_mrcnn_fpn', 'mini_coco_dino')


def backbone_of(net):
    """Random values in every tensor, as if somebody had trained them."""
    torch.manual_seed(0)
    state = {
        name: torch.randn(shape) * 0.05 + name.endswith(('norm.weight', 'var'))
        for name, shape in net.shapes().items()
    }
    meta = dict(thin_backbone().meta, arch=net.name, arch_args=to_header(net))
    return Backbone(state, meta=meta)


def source_of(net):
    if net is None:
        backbone = thin_backbone()
    else:
        backbone = backbone_of(net)
    return Source(backbone, backbone.meta['arch'], backbone.meta['arch_args'])


@pytest.mark.parametrize(
    'task,net',
    [
        ('mini_coco_vitdet', VIT),
        ('mini_coco_vitdet', CONVNEXT),
        ('mini_coco_mrcnn_fpn', VIT),
        ('mini_coco_mrcnn_fpn', CONVNEXT),
        ('mini_coco_dino', VIT),
        ('mini_coco_dino', CONVNEXT),
        ('mini_coco_dino', None),
    ],
    ids=lambda value: getattr(value, 'model', value) or 'resnet18-w16',
)
def test_a_step_of_training_and_one_of_testing(
    registered, mini_root, task, net
):
    """The weights arrive, all that should train does, boxes come out; an
    image is padded alike in both."""
    source = source_of(net)
    config = make_plan(task, source.arch_args, str(mini_root)).config
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.manual_seed(0)
        model = MODELS.build(config.model)
        model.init_weights()
        load_backbone(model, source)
        if net is not None:
            for name, tensor in model.backbone.net.state_dict().items():
                if not name.endswith('num_batches_tracked'):
                    assert torch.equal(tensor, source.backbone.state[name])
        items = [
            DATASETS.build(config[loader].dataset)[0]
            for loader in ('train_dataloader', 'test_dataloader')
        ]
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        sizes = []
        model.backbone.register_forward_pre_hook(
            lambda module, inputs: sizes.append(tuple(inputs[0].shape[2:]))
        )
        before = {
            name: value.detach().clone()
            for name, value in model.named_parameters()
        }
        model.train()
        for image in (items[0]['inputs'], items[1]['inputs']):
            batch = pseudo_collate([dict(items[0], inputs=image)])
            padded = [
                model.data_preprocessor(batch, training)['inputs'].shape
                for training in (True, False)
            ]
            assert padded[0] == padded[1]
        losses = model.train_step(pseudo_collate(items[:1]), wrapper)
        assert torch.isfinite(losses['loss'])
        moved = {
            name.split('.')[0]
            for name, value in model.named_parameters()
            if not torch.equal(before[name], value)
        }
        assert {'backbone', 'neck'} < moved
        model.eval()
        with torch.no_grad():
            (found,) = model.test_step(pseudo_collate(items[1:]))
    assert len(found.pred_instances.bboxes) > 0
    divisor = config.model.data_preprocessor.pad_size_divisor
    assert {side % divisor for size in sizes for side in size} == {0}


@pytest.mark.parametrize(
    'task,net,strides,sizes,multiple',
    [
        ('coco_vitdet_b', VIT, [3.5, 7, 14, 28, 56], True, 1036),
        ('coco_mrcnn_fpn_1x', VIT, [3.5, 7, 14, 28, 56], True, 56),
        ('mini_coco_mrcnn_fpn', VIT, [3.5, 7, 14, 28, 56], True, 56),
        ('mini_coco_vitdet', VIT, [3.5, 7, 14, 28, 56], True, 112),
        ('mini_coco_vitdet', CONVNEXT, [4, 8, 16, 32, 64], True, 96),
        (
            'coco_frcnn_fpn_1x',
            TimmNet('vit_small_patch8_224'),
            [4, 8, 16, 32, 64],
            False,
            32,
        ),
        (
            'lvis_mrcnn_fpn_1x',
            TimmNet('vit_small_patch16_dinov3', positions='none'),
            [4, 8, 16, 32, 64],
            False,
            32,
        ),
        (
            'cityscapes_mrcnn_fpn',
            TimmNet('xcit_nano_12_p16_224', positions='none'),
            [4, 8, 16, 32, 64],
            False,
            32,
        ),
        ('lvis_vitdet_b', CONVNEXT, [4, 8, 16, 32, 64], False, 1024),
        (
            'coco_mrcnn_fpn_2x',
            TimmNet('swin_tiny_patch4_window7_224', positions='none'),
            [4, 8, 16, 32, 64],
            False,
            224,
        ),
    ],
)
def test_strides_anchors_and_padding(
    registered, task, net, strides, sizes, multiple
):
    """Strides are the maps'; anchors keep the task's sizes in pixels."""
    config = make_plan(task, to_header(net)).config
    model, old = config.model, make_plan(task).config.model
    generators = []
    with DefaultScope.overwrite_default_scope('mmdet'):
        for part in (model, old):
            from mmdet.registry import TASK_UTILS

            generators.append(TASK_UTILS.build(part.rpn_head.anchor_generator))
    new, before = generators
    assert new.strides == [(stride, stride) for stride in strides]
    assert ('base_sizes' in model.rpn_head.anchor_generator) == sizes
    for got, wanted in zip(new.base_anchors, before.base_anchors):
        assert torch.equal(got, wanted)
    centres = new.single_level_grid_priors((2, 2), 0, device='cpu')
    assert centres[3] - centres[0] == pytest.approx([strides[0], 0] * 2)
    for kind in ('bbox_roi_extractor', 'mask_roi_extractor'):
        extractor = model.roi_head.get(kind)
        if extractor:
            assert list(extractor.featmap_strides) == strides[:4]
            assert extractor.get('finest_scale') == (
                old.roi_head[kind].get('finest_scale')
            )
    assert model.data_preprocessor.pad_size_divisor == multiple
    assert all(multiple % stride == 0 for stride in strides[:4])


@pytest.mark.parametrize(
    'net,kind,strides,multiple',
    [
        (VIT, 'SimpleFeaturePyramid', '7, 14, 28, 56', 28),
        (CONVNEXT, 'ChannelMapper', '', 32),
    ],
)
def test_dinos_maps(registered, net, kind, strides, multiple):
    plan = make_plan('coco_dino_4scale', to_header(net))
    model = plan.config.model
    assert model.neck.type == kind
    assert model.data_preprocessor.pad_size_divisor == multiple
    if strides:
        note = f'pyramid from the last map, strides {strides}'
        assert note in plan.changes
        assert model.neck.scales == [2, 1, 0.5]
    else:
        assert model.neck.in_channels == [16, 24, 32]
        assert model.backbone.out_indices == [1, 2, 3]


@pytest.mark.parametrize(
    'stride,wanted',
    [(14, [4, 2, 1, 0.5]), (16, [4, 2, 1, 0.5]), (8, [2, 1, 0.5, 0.25])],
)
def test_scales_of_a_pyramid(stride, wanted):
    assert pyramid_scales(stride, (4, 8, 16, 32)) == wanted


def test_maps_of_a_pyramid_have_the_strides(registered):
    from ssl_bench.toolbox.vitdet import SimpleFeaturePyramid

    for scales in ((8, 4, 2, 1), (2, 1, 0.5, 0.25), (2, 1, 0.5)):
        maps = SimpleFeaturePyramid(16, 4, scales=scales)(
            [torch.randn(1, 16, 8, 4)]
        )
        sides = [int(8 * scale) for scale in scales]
        assert [y.shape[2] for y in maps] == [*sides, -(-sides[-1] // 2)]
        assert {y.shape[1] for y in maps} == {4}


def test_pixels_are_those_of_pretraining(registered):
    pixels = make_plan(
        'coco_dino_4scale', to_header(VIT)
    ).config.model.data_preprocessor
    assert pixels.mean == pytest.approx([255 * v for v in VIT.mean])
    assert pixels.std == pytest.approx([255 * v for v in VIT.std])
    assert pixels.bgr_to_rgb


@pytest.mark.parametrize(
    'task,net,recipe',
    [
        ('coco_mrcnn_fpn_1x', VIT, 'adamw_vit'),
        ('coco_mrcnn_fpn_1x', CONVNEXT, 'adamw'),
        ('coco_mrcnn_fpn_1x', TimmNet('regnetx_002'), None),
        ('coco_vitdet_b', VIT, None),
        ('coco_vitdet_b', CONVNEXT, 'hierarchical'),
        ('coco_vitdet_b', TimmNet('regnetx_002'), 'hierarchical'),
        ('coco_dino_4scale', VIT, None),
    ],
)
def test_the_recipe_for_a_kind_of_network(registered, task, net, recipe):
    """It is recorded, and it is the protocol's identity."""
    plan = make_plan(task, to_header(net))
    assert plan.config.get('recipe') == recipe
    said = [text for text in plan.changes if text.startswith('recipe ')]
    assert said == (
        [f'recipe {recipe}: the one for this kind of network'] * bool(recipe)
    )
    assert plan.departures == []
    if recipe:
        asked = make_plan(task, to_header(net), recipe=recipe)
        assert asked.identity == plan.identity
        assert asked.config_sha256 != make_plan(task).config_sha256
    optimizer = plan.config.optim_wrapper.optimizer
    assert optimizer.type == (
        'SGD' if 'fpn' in task and recipe is None else 'AdamW'
    )


def test_a_residual_networks_protocol_has_no_trace_of_it(registered):
    config = make_plan('coco_mrcnn_fpn_1x', describe(ResNet(50))).config
    assert 'recipe_for' not in config and 'timm_backbone' not in config
    assert 'recipe' not in config


@pytest.mark.parametrize('task', ['coco_mrcnn_fpn_1x', 'coco_vitdet_b'])
def test_layer_decay_and_weight_decay(registered, task):
    """iBOT's recipe and ViTDet's, by timm's own grouping of the layers."""
    config = make_plan(task, to_header(VIT), accelerator=False).config
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
        optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    groups = {id(g['params'][0]): g for g in optimizer.param_groups}
    base, rate = 1e-4, 0.65 if 'fpn' in task else 0.7
    decay = 0.05 if 'fpn' in task else 0.1
    wanted = {
        'backbone.net.pos_embed': (rate**5, 0),
        'backbone.net.reg_token': (rate**5, 0),
        'backbone.net.patch_embed.proj.weight': (rate**5, decay),
        'backbone.net.blocks.0.attn.qkv.weight': (rate**4, decay),
        'backbone.net.blocks.3.norm1.weight': (rate, 0),
        'neck.scales.1.weight': (1, decay),
    }
    named = dict(model.named_parameters())
    for name, (scale, weight_decay) in wanted.items():
        group = groups[id(named[name])]
        assert group['lr'] == pytest.approx(base * scale), name
        assert group['weight_decay'] == weight_decay, name


@pytest.mark.parametrize(
    'task,arch,options,message',
    [
        (
            'voc0712_det_c4',
            to_header(VIT),
            {},
            r'residual networks only.*takes it is coco_mrcnn_fpn_1x\.',
        ),
        (
            'mini_voc_det_c4',
            describe(ViT(768, 12, 16, 14, 12, 3072)),
            {},
            r'vit_base_patch16 does not.*takes it is mini_coco_mrcnn_fpn',
        ),
        (
            'coco_mrcnn_fpn_1x',
            to_header(VIT),
            dict(recipe='two_fc'),
            r'train with SGD.*takes it without --recipe, or with --recipe '
            r'adamw, adamw_vit\.',
        ),
        (
            'coco_mrcnn_fpn_1x',
            to_header(CONVNEXT),
            dict(recipe='adamw_vit'),
            r'convnext_atto has stages.*without --recipe, or with --recipe '
            r'adamw\.',
        ),
        (
            'coco_mrcnn_fpn_1x',
            describe(ResNet(50)),
            dict(recipe='adamw_vit'),
            r'resnet50 has stages.*without --recipe',
        ),
        (
            'coco_dino_4scale',
            to_header(TimmNet('resnet50', dict(output_stride=16))),
            {},
            r'strides 8, 16, 32; resnet50 has 4, 8, 16, 16',
        ),
        (
            'coco_vitdet_b',
            to_header(TimmNet('vit_small_patch16_dinov3', positions='none')),
            dict(overrides={'timm_backbone.window_size': 14}),
            r'window_size=14: windows are for the plain blocks.*leave it out',
        ),
        (
            'coco_mrcnn_fpn_1x',
            to_header(VIT),
            dict(overrides={'timm_backbone.windowsize': 14}),
            r'window_size',
        ),
        (
            'coco_mrcnn_fpn_1x',
            describe(ViT(768, 12, 16, 14, None, 3072)),
            {},
            r'how many attention heads',
        ),
    ],
)
def test_what_is_refused(registered, task, arch, options, message):
    """One line, with the nearest choice."""
    with pytest.raises(UserError, match=message) as caught:
        make_plan(task, arch, **options)
    assert '\n' not in str(caught.value)


def test_a_plain_vit_under_an_fpn(registered):
    """A file of family vit goes through the wrapper, under its own name."""
    arch = describe(ViT(1280, 32, 14, 16, 16, 5120))
    for task in ('coco_mrcnn_fpn_1x', 'coco_vitdet_b', 'coco_dino_4scale'):
        plan = make_plan(task, arch)
        assert plan.config.model.backbone.type == 'TimmBackbone'
        assert plan.arch == 'vit_huge_patch14'
    native = make_plan(
        'coco_vitdet_b', describe(ViT(768, 12, 16, 14, 12, 3072))
    )
    assert native.config.model.backbone.type == 'ViTDet'


def test_a_plain_vits_weights_fit_the_wrapper(registered):
    from tests.backbones import tiny_vit

    net, backbone = tiny_vit(seed=1)
    source = Source(backbone, 'x', backbone.meta['arch_args'])
    config = make_plan('mini_coco_mrcnn_fpn', source.arch_args).config
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model).eval()
    load_backbone(model, source)
    image = torch.randn(1, 3, 64, 64)
    net.out_type = 'featmap'
    net.eval()
    with torch.no_grad():
        wanted = net(image)[0]
        torch.testing.assert_close(
            model.backbone(image)[0], wanted, rtol=1e-5, atol=1e-5
        )


def test_frozen(registered, mini_root):
    """No tensor of the backbone changes, no batch norm's statistics."""
    net = TimmNet('regnetx_002')
    config = make_plan(
        'mini_coco_mrcnn_fpn', to_header(net), str(mini_root)
    ).config
    config.model.backbone.frozen = True
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.manual_seed(0)
        model = MODELS.build(config.model).train()
        item = DATASETS.build(config.train_dataloader.dataset)[0]
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        before = {
            name: value.clone()
            for name, value in model.backbone.state_dict().items()
        }
        model.train_step(pseudo_collate([item]), wrapper)
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_batch_norms_keep_their_statistics(registered):
    config = make_plan(
        'mini_coco_mrcnn_fpn', to_header(TimmNet('regnetx_002'))
    ).config
    with DefaultScope.overwrite_default_scope('mmdet'):
        net = MODELS.build(config.model).train().backbone
    before = {name: value.clone() for name, value in net.named_buffers()}
    net(torch.randn(2, 3, 64, 64))[0].sum().backward()
    for name, value in net.named_buffers():
        assert torch.equal(value, before[name])
    assert net.net.stem.bn.weight.grad is not None


def test_dino_is_stock_but_for_what_the_page_says(registered):
    """mmdet's own config; the backbone's link is removed."""
    from mmengine.config import Config
    from mmengine.hub import get_config

    stock = get_config('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py')
    ours = make_plan('coco_dino_4scale', processes=8, accelerator=True).config
    assert isinstance(stock, Config)
    wanted, got = (
        json.loads(json.dumps(c.model.to_dict())) for c in (stock, ours)
    )
    got.pop('_scope_', None), wanted.pop('_scope_', None)
    assert wanted['backbone'].pop('init_cfg')['type'] == 'Pretrained'
    assert got['backbone'].pop('init_cfg') is None
    assert got['backbone'].pop('zero_init_residual') is False
    assigner = got['train_cfg']['assigner']
    assert assigner['type'] == 'FiniteHungarianAssigner'
    assigner['type'] = 'HungarianAssigner'
    assert got == wanted
    optimizer = ours.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == (
        'AdamW',
        1e-4,
        1e-4,
    )
    keys = ours.optim_wrapper.paramwise_cfg
    assert keys == dict(custom_keys={'backbone': dict(lr_mult=0.1)})
    assert ours.optim_wrapper.clip_grad == dict(max_norm=0.1, norm_type=2)
    assert ours.auto_scale_lr.base_batch_size == 16
    epoch = -(-118287 // 16)  # the sampler fills the last batch
    assert ours.train_cfg.max_iters == 12 * epoch
    assert ours.param_scheduler[0].milestones == [11 * epoch]


def test_windows_are_an_option_and_a_departure(registered):
    options = {'timm_backbone.window_size': 3}
    plan = make_plan('mini_coco_vitdet', to_header(VIT), overrides=options)
    assert plan.departures == ['timm_backbone.window_size=3']
    assert (
        'blocks attend in windows of 3 patches, but for blocks 2, 4'
        in plan.changes
    )
    with DefaultScope.overwrite_default_scope('mmdet'):
        windows = MODELS.build(plan.config.model).eval().backbone
    for index, block in enumerate(windows.net.blocks):
        assert hasattr(block.attn, 'window') == (index in (0, 2))
    backbone = backbone_of(VIT)
    windows.net.load_state_dict(backbone.state)
    image = torch.randn(1, 3, 70, 98)
    with torch.no_grad():
        (cut,) = windows(image)
        for block in windows.net.blocks:
            if hasattr(block.attn, 'window'):
                block.attn.window = 7  # one that holds the whole map
        (whole,) = windows(image)
    assert cut.shape == whole.shape == (1, 48, 5, 7)
    assert not torch.allclose(cut, whole)
