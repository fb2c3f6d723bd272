"""Recipes of the image-level tasks against the papers'."""

import numpy as np
import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch import nn

from ssl_bench.transfer.features import Features
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.probe_scores import centred, logistic


def settings(task, recipe=None):
    config = make_plan(task, recipe=recipe, processes=8).config
    return config, config.optim_wrapper.optimizer, config.param_scheduler


@pytest.mark.parametrize(
    'recipe, kind, rate, decay, batch, epochs, steps',
    [
        (None, 'SGD', 30.0, 0.0, 256, 100, [60, 80]),
        ('barlowtwins', 'SGD', 0.3, 1e-6, 256, 100, None),
        ('lewel', 'SGD', 0.4, 0.0, 256, 50, [30, 40]),
        ('mocov3', 'SGD', 0.4, 0.0, 1024, 90, None),
        ('mocov3_vit', 'SGD', 12.0, 0.0, 1024, 90, None),
        ('pixpro', 'SGD', 30.0, 0.0, 256, 100, None),
        ('simsiam', 'LARS', 1.6, 0.0, 4096, 90, None),
        ('siamese_im', 'PaperLARS', 6.4, 0.0, 16384, 90, None),
        ('mae', 'PaperLARS', 6.4, 0.0, 16384, 90, None),
    ],
)
def test_linear_recipes(recipe, kind, rate, decay, batch, epochs, steps):
    config, optimizer, schedule = settings('in1k_linear', recipe)
    assert (
        optimizer.type,
        optimizer.lr,
        optimizer.weight_decay,
        optimizer.momentum,
    ) == (kind, rate, decay, 0.9)
    assert config.auto_scale_lr.base_batch_size == batch
    assert config.train_dataloader.batch_size * 8 == batch
    assert config.train_cfg.max_epochs == epochs
    if steps:
        assert schedule[0].milestones == steps and schedule[0].by_epoch
    else:
        assert schedule[-1].type == 'CosineAnnealingLR'
        assert schedule[-1].end == epochs
    assert 'recipes' not in config


def test_pixpros_rates():
    """zdaxie/PixPro, contrast/lr_scheduler.py: both parts per step."""
    steps = 50  # of an epoch
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 30.0)
    parts = []
    for row in settings('in1k_linear', 'pixpro')[2]:
        row = dict(row, epoch_length=steps)
        kind = PARAM_SCHEDULERS.get(row.pop('type'))
        assert row.pop('convert_to_iter_based')
        parts.append(kind.build_iter_from_epoch(optimizer, **row))
    rates = []
    for _ in range(100 * steps):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for part in parts:
            part.step()
    assert rates[0] == pytest.approx(0.3)
    for epoch in (1, 3):  # the full rate is reached one step later there
        want = 0.3 * (99 * epoch / 5 + 1)
        assert rates[epoch * steps] == pytest.approx(want, rel=0.01)
    for epoch in (5, 30, 99):
        share = np.cos(np.pi * (epoch - 5) / 95)
        assert rates[epoch * steps] == pytest.approx(
            15 * (1 + share), abs=2e-6
        )


@pytest.mark.parametrize('recipe', ['siamese_im', 'mae', 'mocov3_vit'])
def test_linear_probe_of_a_vit(registered, recipe):
    from mmpretrain.registry import MODELS

    arch = dict(
        family='vit',
        width=96,
        depth=3,
        heads=3,
        hidden=384,
        patch=16,
        grid=14,
        cls_token=True,
        final_norm=True,
    )
    config = make_plan('in1k_linear', arch, recipe=recipe).config
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(config.model).train()
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {
        'head.fc.weight',
        'head.fc.bias',
    }
    if recipe == 'mocov3_vit':
        assert net.neck is None
    else:
        assert isinstance(net.neck.bn, nn.BatchNorm1d)
        assert not net.neck.bn.affine and net.neck.bn.eps == 1e-6
    net.init_weights()
    assert 0.005 < net.head.fc.weight.std() < 0.015
    images = torch.rand(2, 3, 224, 224)
    feature = net.backbone(images)[-1]
    assert feature.shape == (2, 96)
    steps = [
        config[f'{split}_dataloader'].dataset.pipeline[1]
        for split in ('train', 'test')
    ]
    kinds = [(step.type, step.get('interpolation')) for step in steps]
    if recipe == 'mocov3_vit':
        assert kinds == [('RandomResizedCrop', None), ('ResizeEdge', None)]
    else:  # both programs
        assert kinds == [('OneTryCrop', 'bicubic'), ('ResizeEdge', 'bicubic')]
    assert [step.scale for step in steps] == [224, 256]
    small = make_plan('mini_linear', arch, recipe=recipe).config
    assert small.train_dataloader.dataset.pipeline[1].scale == 80
    if recipe == 'siamese_im':
        assert net.backbone.out_type == 'avg_featmap'
        assert not net.backbone.final_norm
        # a fresh norm: zero mean, unit variance in every feature vector
        assert feature.mean(1).abs().max() < 1e-5
        assert (feature.var(1, correction=0) - 1).abs().max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    'task, classes, epochs, steps',
    [
        ('places205_linear', 205, 14, [4, 8, 12]),
        ('inat18_linear', 8142, 84, [24, 48, 72]),
    ],
)
def test_vissl_linear(registered, task, classes, epochs, steps):
    from mmpretrain.registry import MODELS

    config, optimizer, schedule = settings(task)
    assert (
        optimizer.type,
        optimizer.lr,
        optimizer.weight_decay,
        optimizer.nesterov,
    ) == ('SGD', 0.01, 5e-4, True)
    assert config.train_cfg.max_epochs == epochs
    assert schedule[0].milestones == steps
    assert config.auto_scale_lr.base_batch_size == 256
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(config.model).train()
    assert {name for name, p in net.named_parameters() if p.requires_grad} == {
        'neck.norm.weight',
        'neck.norm.bias',
        'head.fc.weight',
        'head.fc.bias',
    }
    assert config.optim_wrapper.paramwise_cfg.norm_decay_mult == 0.0
    assert net.head.fc.weight.shape == (classes, 8192)
    maps = torch.rand(4, 2048, 7, 7)
    average = make_plan(task, recipe='average').config
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(average.model)
    assert net.neck((maps,))[0].shape == (4, 2048)
    assert net.head.fc.in_features == 2048
    openmmlab, vicreg = (
        settings(task, name) for name in ('openmmlab', 'vicreg')
    )
    assert openmmlab[1].weight_decay == vicreg[1].weight_decay == 1e-4
    assert not openmmlab[0].model.neck.affine
    crops = [
        step.type
        for step in openmmlab[0].train_dataloader.dataset.pipeline[1:-2]
    ]
    if classes == 205:
        assert crops == ['ResizeEdge', 'CenterCrop', 'RandomCrop']
        assert openmmlab[2][0].milestones == [7, 14, 21]
        assert vicreg[0].train_cfg.max_epochs == 28
        assert (vicreg[1].lr, vicreg[2][0].milestones) == (0.003, steps)
    else:
        assert crops == ['RandomResizedCrop']
        assert vicreg[1].lr == 0.005


def test_few_shot_protocol():
    config = make_plan('in1k_fewshot1').config
    assert (config.backbone.out_type, config.backbone.final_norm) == (
        'cls_token',
        False,
    )
    steps = config.train_dataloader.dataset.pipeline
    assert [step.type for step in steps] == [
        'LoadImageFromFile',
        'ResizeEdge',
        'CenterCrop',
        'PackInputs',
    ]
    assert 'interpolation' not in steps[1]  # bilinear
    assert config.train_dataloader.dataset.ann_file == 'meta/semi1.txt'
    assert (
        config.probe.strength,
        config.probe.max_iter,
        config.probe.tol,
    ) == (0.1, 300, 1e-3)


def test_logistic_regression_minimises_the_protocols_objective():
    """Against gradient descent on mean loss + 0.1 / (2 N) |W|^2."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.randn(60, 8, generator=generator)
    features[torch.arange(60), labels] += 1.5
    features += 3.0  # each vector's own mean is taken away
    bank = centred(features).double()
    assert bank.sum(1).abs().max() < 1e-5
    assert torch.allclose(bank.norm(dim=1), torch.ones(60).double(), atol=1e-6)
    weight = torch.zeros(3, 8, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight],
        max_iter=500,
        tolerance_grad=1e-9,
        line_search_fn='strong_wolfe',
    )

    def objective():
        solver.zero_grad()
        loss = (
            nn.functional.cross_entropy(bank @ weight.T, labels)
            + 0.1 / (2 * 60) * weight.square().sum()
        )
        loss.backward()
        return loss

    solver.step(objective)
    queries = torch.randn(200, 8, generator=generator)
    ours = (centred(queries).double() @ weight.T).argmax(1).detach()
    found = logistic(
        Features(features, labels), Features(queries, ours), tol=1e-6
    )
    assert found['top1'] == 100.0  # the same decisions
    with pytest.raises(Exception, match='single class'):
        logistic(Features(features, labels * 0), Features(queries, ours))
    assert np.isfinite(found['top1'])


@pytest.mark.parametrize('task', ['in1k_finetune', 'mini_finetune'])
def test_floor_of_fine_tuning_decays_with_the_layers(task):
    cosine = make_plan(task).config.param_scheduler[-1]
    assert (cosine.type, cosine.eta_min) == ('LayerCosineLR', 1e-6)
