"""Segmentation: MoCo's FCN, and UPerNet on a ViT, flag by flag."""

import math

import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image
from torch import nn

from ssl_bench.transfer.plan import make_plan

pytestmark = pytest.mark.slow

BATCH_NORM = nn.modules.batchnorm._BatchNorm


@pytest.fixture
def scope(registered):
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.mark.parametrize(
    'task, batch, side, rate, iterations, steps',
    [
        ('voc12aug_fcn', 16, 513, 0.003, 30000, [21000, 27000]),
        ('cityscapes_fcn', 16, 769, 0.01, 90000, [63000, 81000]),
    ],
)
def test_mocos_fcn(
    scope, tmp_path, task, batch, side, rate, iterations, steps
):
    from mmengine.dataset import Compose
    from mmseg.registry import MODELS

    plan = make_plan(task, recipe='moco', processes=8, accelerator=True)
    config = plan.config
    assert config.auto_scale_lr.base_batch_size == batch
    assert config.train_cfg.max_iters == iterations
    assert config.optim_wrapper.optimizer == dict(
        type='SGD', lr=rate, momentum=0.9, weight_decay=1e-4
    )
    assert [(row.type, row.milestones) for row in config.param_scheduler] == [
        ('MultiStepLR', steps)
    ]
    net = MODELS.build(config.model).eval()
    assert not net.with_auxiliary_head and net.test_cfg.mode == 'whole'
    with torch.no_grad():
        assert net.backbone(torch.zeros(1, 3, 64, 64))[3].shape[2:] == (4, 4)
    # paper: the 3x3 convolutions of conv5 have dilation 2; all of them
    assert [block.conv2.dilation for block in net.backbone.layer4] == [
        (2, 2)
    ] * 3
    head = net.decode_head
    assert [
        (conv.conv.weight.shape, conv.conv.dilation) for conv in head.convs
    ] == [((256, 2048, 3, 3), (6, 6)), ((256, 256, 3, 3), (6, 6))]
    assert not head.concat_input
    assert all(isinstance(conv.norm, nn.SyncBatchNorm) for conv in head.convs)
    Image.new('RGB', (90, 60)).save(tmp_path / 'a.jpg')
    Image.new('L', (90, 60)).save(tmp_path / 'a.png')
    row = dict(
        img_path=str(tmp_path / 'a.jpg'),
        reduce_zero_label=False,
        seg_map_path=str(tmp_path / 'a.png'),
        seg_fields=[],
    )
    test = Compose(config.test_dataloader.dataset.pipeline)(dict(row))
    assert test['inputs'].shape == (3, 60, 90)  # its own size
    train = config.train_dataloader.dataset
    for part in train.get('datasets', [train]):
        kinds = [step.type for step in part.pipeline]
        assert 'PhotoMetricDistortion' not in kinds
        crop = part.pipeline[kinds.index('RandomCrop')]
        assert crop.crop_size == (side, side) and 'cat_max_ratio' not in crop
        assert part.pipeline[kinds.index('RandomFlip')].prob == 0.5
        scale = part.pipeline[kinds.index('RandomScale')]
        assert scale.ratio_range == (0.5, 2.0)
        row['seg_fields'] = []
        found = Compose(part.pipeline)(dict(row))
        assert found['inputs'].shape[1] <= side
    whole = make_plan(task, processes=8).config
    assert 'PhotoMetricDistortion' in str(whole.train_dataloader)


@pytest.fixture(scope='module')
def upernet():
    return make_plan(
        'ade20k_upernet_vitb', processes=8, accelerator=True
    ).config


def test_upernets_data_and_schedule(registered, upernet):
    from tests.transfer.test_protocol_detection import simulate

    config = upernet
    assert config.auto_scale_lr.base_batch_size == 16
    assert config.optim_wrapper.type == 'AmpOptimWrapper'
    assert config.train_cfg.max_iters == 160000
    steps = {
        step.type: step for step in config.train_dataloader.dataset.pipeline
    }
    assert steps['LoadAnnotations'].reduce_zero_label
    assert (
        steps['RandomResize'].scale,
        steps['RandomResize'].ratio_range,
    ) == ((2048, 512), (0.5, 2.0))
    assert (
        steps['RandomCrop'].crop_size,
        steps['RandomCrop'].cat_max_ratio,
    ) == ((512, 512), 0.75)
    assert 'PhotoMetricDistortion' in steps
    assert (
        config.model.test_cfg.mode,
        config.model.test_cfg.crop_size,
        config.model.test_cfg.stride,
    ) == ('slide', (512, 512), (341, 341))
    for iteration, got in simulate(config, {0, 1499, 1500, 80000}).items():
        assert got < 1e-4 * (1 - iteration / 160000) + 2e-6
        if iteration == 0:
            assert math.isclose(got, 1e-4 * 1e-6, rel_tol=1e-6)
        if iteration >= 1500:  # straight to 0
            assert math.isclose(
                got, 1e-4 * (160000 - iteration) / 158500, rel_tol=1e-3
            )


def test_upernet_as_it_is_built(registered, upernet):
    from mmengine.optim import build_optim_wrapper
    from mmseg.registry import MODELS

    with DefaultScope.overwrite_default_scope('mmseg'):
        net = MODELS.build(upernet.model).train()
        optimizer = build_optim_wrapper(
            net, dict(upernet.optim_wrapper, type='OptimWrapper')
        ).optimizer
    assert net.backbone.out_indices == [3, 5, 7, 11]
    assert net.backbone.img_size == (512, 512)
    block = net.backbone.layers[11]
    assert block.gamma_1.shape == (768,)  # layer scale
    assert block.attn.relative_position_bias_table.shape[1] == 12
    assert block.drop_path.drop_prob == pytest.approx(0.1)
    assert net.decode_head.channels == 768
    assert net.decode_head.conv_seg.out_channels == 150
    assert net.auxiliary_head.in_index == 2
    assert net.auxiliary_head.loss_decode.loss_weight == 0.4
    norms = [
        m
        for part in (net.decode_head, net.auxiliary_head)
        for m in part.modules()
        if isinstance(m, BATCH_NORM)
    ]
    assert norms and all(isinstance(m, nn.SyncBatchNorm) for m in norms)
    assert all(value.requires_grad for value in net.parameters())
    assert optimizer.defaults['betas'] == (0.9, 0.999)
    groups = {
        id(value): group
        for group in optimizer.param_groups
        for value in group['params']
    }
    for name, layer, decay in (
        ('backbone.patch_embed.projection.weight', 0, 0.05),
        # BEiT's constructor means to exempt it, under another name
        ('backbone.pos_embed', 0, 0.05),
        ('backbone.layers.0.attn.qkv.weight', 1, 0.05),
        ('backbone.layers.11.ln1.weight', 12, 0.0),
        ('decode_head.conv_seg.weight', 13, 0.05),
    ):
        group = groups[id(net.get_parameter(name))]
        assert group['weight_decay'] == decay, name
        assert group['lr'] == pytest.approx(1e-4 * 0.65 ** (13 - layer)), name
