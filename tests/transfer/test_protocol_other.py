"""Flags of segmentation, classification and probes."""

import pytest
import torch
from torch import nn

from ssl_bench.data.mini import CLASSES, PALETTE
from ssl_bench.transfer.plan import make_plan

SEG = ('voc12aug_fcn', 'cityscapes_fcn', 'mini_seg_fcn')


@pytest.mark.slow
@pytest.mark.parametrize('task', SEG)
def test_fcn_keeps_the_pretrained_stem(registered, task):
    from mmseg.registry import MODELS

    config = make_plan(task, accelerator=True).config
    assert config.model.backbone.type == 'ResNet'  # stock ResNetV1c
    assert config.model.pretrained is None
    net = MODELS.build(config.model).train()
    assert net.backbone.conv1.kernel_size == (7, 7)
    norms = [
        m
        for m in net.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm)
    ]
    assert all(isinstance(m, nn.SyncBatchNorm) and m.training for m in norms)
    assert all(p.requires_grad for p in net.parameters())
    assert net.backbone.strides == (1, 2, 1, 1)
    assert net.backbone.dilations == (1, 1, 2, 4)
    with torch.no_grad():
        maps = net.backbone(torch.zeros(2, 3, 64, 64))
    assert maps[3].shape[2:] == (8, 8)
    assert net.auxiliary_head.loss_decode.loss_weight == 0.4


@pytest.mark.slow
def test_fcn_schedules():
    voc, cityscapes = (make_plan(task).config for task in SEG[:2])
    assert (voc.auto_scale_lr.base_batch_size, voc.crop_size) == (
        16,
        (512, 512),
    )
    assert cityscapes.auto_scale_lr.base_batch_size == 8
    assert cityscapes.model.decode_head.align_corners
    assert cityscapes.model.test_cfg.mode == 'slide'
    assert cityscapes.model.test_cfg.stride == (513, 513)
    # one process of four: gradients of four batches are accumulated
    assert voc.optim_wrapper.accumulative_counts == 4
    assert make_plan(SEG[0], processes=4).config.train_cfg.max_iters == 20000
    for config in (voc, cityscapes):
        assert config.optim_wrapper.optimizer == dict(
            type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005
        )
        assert config.param_scheduler[0].power == 0.9


@pytest.mark.parametrize('task', ['in1k_linear', 'mini_linear'])
def test_linear_probe_is_frozen(registered, task):
    from mmpretrain.registry import MODELS

    config = make_plan(task, processes=8).config
    net = MODELS.build(config.model).train()
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {
        'head.fc.weight',
        'head.fc.bias',
    }
    assert not any(
        m.training
        for m in net.backbone.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm)
    )
    if task == 'in1k_linear':
        assert config.optim_wrapper.optimizer.lr == 30.0
        assert config.optim_wrapper.optimizer.weight_decay == 0.0
        assert config.auto_scale_lr.base_batch_size == 256
        assert config.train_cfg.max_epochs == 100
        assert config.param_scheduler[0].milestones == [60, 80]


def test_probes():
    knn = make_plan('in1k_knn').config
    assert knn.probe == dict(
        type='knn',
        vit_pool='class_token',
        precision='float16',
        neighbours=[10, 20, 100, 200],
        headline=20,
        temperature=0.07,
    )
    assert [step.type for step in knn.train_dataloader.dataset.pipeline] == [
        'LoadImageFromFile',
        'ResizeEdge',
        'CenterCrop',
        'PackInputs',
    ]
    for split in ('train', 'test'):  # dino's eval_knn.py
        resize = knn[f'{split}_dataloader'].dataset.pipeline[1]
        assert (resize.scale, resize.interpolation) == (256, 'bicubic')
        assert (resize.edge, resize.backend) == ('short', 'pillow')
    sweep = make_plan('in1k_linear_cached').config
    assert sweep.probe.type == 'linear' and 'neighbours' not in sweep.probe
    assert sweep.train_dataloader == knn.train_dataloader
    svm = make_plan('voc07_svm').config
    assert (svm.probe.folds, svm.probe.max_iter) == (3, 2000)
    assert len(svm.probe.costs) == 19 and svm.probe.costs[:3] == [1, 10, 100]
    assert svm.probe.costs[-1] == 0.5**19
    assert svm.train_dataloader.dataset.split == 'trainval'
    assert svm.probe.pool == 'corner_average'
    barlow = make_plan('voc07_svm', recipe='barlowtwins').config
    assert barlow.probe == dict(svm.probe, pool='global_average')
    for split in ('train', 'test'):
        crop = barlow[f'{split}_dataloader'].dataset.pipeline[2]
        assert crop == dict(type='CenterCrop', crop_size=224)


def test_fine_tuning_rates(registered):
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    config = make_plan('in1k_finetune', processes=8).config
    assert config.auto_scale_lr.base_batch_size == 1024
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(config.model)
        optimizer = build_optim_wrapper(net, config.optim_wrapper).optimizer
    found = {
        id(value): group
        for group in optimizer.param_groups
        for value in group['params']
    }

    def rate_and_decay(name):
        group = found[id(dict(net.named_parameters())[name])]
        return group['lr'], group['weight_decay']

    for name, depth, decay in (
        ('backbone.pos_embed', 13, 0.0),
        ('backbone.patch_embed.projection.weight', 13, 0.05),
        ('backbone.layers.0.attn.qkv.weight', 12, 0.05),
        ('backbone.layers.11.ln1.weight', 1, 0.0),
        ('head.fc.weight', 0, 0.05),
    ):
        rate, got = rate_and_decay(name)
        assert rate == pytest.approx(1e-3 * 0.65**depth), name
        assert got == decay, name
    assert net.backbone.out_type == 'avg_featmap'
    assert not net.backbone.final_norm
    recipe = make_plan('in1k_finetune', recipe='mae').config
    assert recipe.optim_wrapper.optimizer.lr == 2e-3
    assert (config.fixed_positions, recipe.fixed_positions) == (True, False)


def test_semi_supervised_rates():
    one, ten = (
        make_plan(task, processes=8).config
        for task in ('in1k_semi1', 'in1k_semi10')
    )
    barlow = make_plan('in1k_semi10', recipe='barlowtwins', processes=8).config
    assert barlow.param_scheduler == one.param_scheduler
    for config, rate, head, epochs in (
        (one, 0.005, 0.5, 20),
        (ten, 0.01, 0.1, 50),
        (barlow, 0.005, 0.5, 20),
    ):
        wrapper = config.optim_wrapper
        assert wrapper.optimizer.lr == rate
        assert (
            rate * wrapper.paramwise_cfg.custom_keys.head.lr_mult
            == pytest.approx(head)
        )
        assert config.train_cfg.max_epochs == epochs
        assert config.auto_scale_lr.base_batch_size == 256


@pytest.mark.parametrize(
    'task, recipe, plain',
    [
        ('in1k_semi1', None, False),
        ('in1k_semi1', 'lewel', True),
        ('in1k_semi1', 'openmmlab', False),
        ('in1k_semi10', None, True),
        ('in1k_semi10', 'barlowtwins', False),
        ('in1k_semi10', 'openmmlab', False),
    ],
)
def test_how_the_linear_layer_starts(registered, task, recipe, plain):
    """torch's own, uniform within 1 / sqrt(2048), or normal with 0.01."""
    from mmpretrain.registry import MODELS

    config = make_plan(task, recipe=recipe).config
    torch.manual_seed(0)
    head = MODELS.build(config.model.head)
    head.init_weights()
    weight, bias = head.fc.weight.detach(), head.fc.bias.detach()
    bound = 2048**-0.5
    if plain:
        assert 0.99 * bound < weight.abs().max() <= bound
        assert 0 < bias.abs().max() <= bound
    else:
        assert weight.std() == pytest.approx(0.01, rel=0.01)
        assert weight.abs().max() > bound and not bias.any()


def test_mini_configs_name_the_embedded_classes():
    from ssl_bench.config import config_dir, load_config

    base = load_config(config_dir() / 'transfer/_base_/mini.py')
    assert tuple(base.mini_classes) == CLASSES
    assert tuple(map(tuple, base.mini_palette)) == PALETTE
