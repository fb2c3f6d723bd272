"""Many heads on a frozen backbone, by the rules of DINOv2 and CAPI."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.toolbox import head_choice, official_rate  # noqa: F401
from ssl_bench.toolbox.frozen_classifier import head_codes
from ssl_bench.toolbox.head_choice import (
    HeadAccuracy,
    HeldOutSampler,
    KeptSampler,
    choose,
    split,
)
from ssl_bench.toolbox.probe_heads import FeatureSource, HeadKey, ProbeHeads
from ssl_bench.transfer.checks import check_metrics
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone, tiny_vit
from tests.timm_tiny import TINY, source_of

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'
TASKS = ('in1k_linear_dinov2', 'in1k_attentive_capi')
FOUR = replace(
    TINY['dinov2_reg'], kwargs=dict(TINY['dinov2_reg'].kwargs, depth=4)
)
SHORT = {
    'train_cfg.max_iters': 3,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
    'model.head.rates': [1e-3, 1e-1],
    'default_hooks.checkpoint.interval': 3,
}


def pack(name):
    with np.load(PACK) as file:
        return torch.from_numpy(file[name])


def heads_of(sources, widths, reduction='mean', start='truncated', **more):
    settings = dict(num_classes=3, rates=[0.1], decays=[0.0]) | more
    return ProbeHeads(
        sources, widths, start=start, reduction=reduction, **settings
    )


@pytest.fixture
def build(registered):
    """A classifier of a task around a network."""
    from mmpretrain.registry import MODELS

    def build(task, net, **options):
        plan = make_plan(
            task,
            to_header(net),
            overrides={'model.head.num_classes': 5} | options,
        )
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(plan.config.model)
        load_backbone(model, source_of(net))
        return model, plan

    return build


@pytest.mark.parametrize('task', [*TASKS, 'in1k_linear_dinov3'])
def test_every_field_of_the_protocol_is_said(task):
    config, linear = load_config(f'transfer/{task}'), 'linear' in task
    four = task == 'in1k_linear_dinov2'
    assert config.model.maps == dict(
        layers='last_four' if four else 'last',
        stages=(1, 2, 3, 4) if four else (4,),
        final_norm=True,
        class_token=True,
        padding='around',
    )
    if 'dinov3' in task:
        assert config.model.head.sources == ['cls_mean_1']
    head, rates = config.model.head, config.model.head.rates
    assert (
        rates[:10]
        == [
            float(f'{digit}e-{power}')
            for power in (5, 4, 3, 2)
            for digit in (1, 2, 5)
        ][:10]
    )
    assert rates[10:] == ([2e-2, 5e-2, 1e-1] if linear else [])
    assert head.decays == ([0.0] if linear else [5e-4, 1e-3, 5e-2])
    assert (head.start, head.reduction) == (
        ('normal', 'sum') if linear else ('truncated', 'mean')
    )
    assert config.optim_wrapper.optimizer == (
        dict(type='SGD', lr=4.0, momentum=0.9, weight_decay=0.0)
        if linear
        else dict(type='AdamW', lr=4.0, betas=(0.9, 0.95), weight_decay=0.0)
    )
    assert config.train_cfg.max_iters == 12500
    assert config.auto_scale_lr.base_batch_size == 1024
    assert config.test_evaluator == dict(
        type='HeadAccuracy', headline='best' if linear else 'patches_1'
    )
    share = dict(share=0.1, split_seed=42)
    assert config.train_dataloader.sampler == dict(
        type='mmengine.KeptSampler', shuffle=True, **share
    )
    assert config.held_out_dataloader.sampler == dict(
        type='mmengine.HeldOutSampler', **share
    )
    for loader in config.held_out_dataloader, config.test_dataloader:
        load, resize, crop, _ = loader.dataset.pipeline
        assert (resize.scale, resize.edge) == (256, 'short')
        assert (resize.backend, resize.interpolation) == ('pillow', 'bicubic')
        assert crop.crop_size == 224
    crop = config.train_dataloader.dataset.pipeline[1]
    assert (crop.backend, crop.interpolation) == ('pillow', 'bicubic')
    assert crop.crop_ratio_range == (0.08, 1.0)


@pytest.mark.parametrize('reduction, divisor', [('mean', 3), ('sum', 1)])
def test_attentive_heads_equal_the_official_ones(reduction, divisor):
    tokens, target = pack('attn/tokens'), pack('attn/target')
    wanted = pack('attn/logits')
    source = FeatureSource('patches', 1)
    heads = heads_of(
        [source],
        [tokens.shape[-1]],
        reduction,
        num_classes=wanted.shape[-1],
        rates=[1e-3, 1e-2, 1e-1],
    ).double()
    names = ('kv.weight', 'kv.bias', 'linear.weight', 'linear.bias')
    state = {name: pack(f'attn/{name}').double() for name in names}
    for head in heads.heads:
        head.load_state_dict(dict(state, query=pack('attn/query_token')))
    logits = heads({source.name: tokens})
    near = dict(rtol=0, atol=1e-7)
    for found in logits:
        torch.testing.assert_close(found, wanted, **near)
    loss = heads.loss(logits, target)
    total = pack('attn/loss') * 3 / divisor
    torch.testing.assert_close(loss, total.to(loss), **near)
    loss.backward()
    for head in heads.heads:
        for name in ('query_token', 'kv.weight', 'linear.weight'):
            parameter = dict(head.named_parameters())[
                name.removesuffix('_token')
            ]
            gradient = pack(f'attn/grad_{name}').double() / divisor
            torch.testing.assert_close(parameter.grad, gradient, **near)


def test_the_optimizer_has_capis_rates(registered):
    """Each head's rate times the factor of the iteration."""
    heads = heads_of(
        [FeatureSource('cls', 1), FeatureSource('patches', 1)],
        [64],
        rates=[1e-3, 1e-2],
        decays=[0.0, 0.05],
    )
    groups = heads.groups(4.0)
    assert sorted((g['lr'], g['weight_decay']) for g in groups) == [
        (4e-3, 0.0),
        (4e-3, 0.05),
        (4e-2, 0.0),
        (4e-2, 0.05),
    ]
    decayed = {id(p) for g in groups if g['weight_decay'] for p in g['params']}
    for key, head in zip(heads.keys, heads.heads):
        for name, value in head.named_parameters():
            wanted = key.decay > 0 and not name.endswith('bias')
            assert (id(value) in decayed) == wanted
    optimizer = torch.optim.AdamW(groups)
    scheduler = PARAM_SCHEDULERS.build(
        dict(
            type='OfficialRate',
            rule='capi_probe',
            warmup=1250,
            end=12500,
            by_epoch=False,
        ),
        default_args=dict(optimizer=optimizer),
    )
    wanted = {int(i): float(f) for i, f in pack('sched/capi_probe')}
    initial = [group['initial_lr'] for group in optimizer.param_groups]
    assert sorted(initial) == [4e-3, 4e-3, 4e-2, 4e-2]
    for i in range(max(wanted) + 1):
        if i in wanted:
            np.testing.assert_allclose(
                [group['lr'] for group in optimizer.param_groups],
                [rate * wanted[i] for rate in initial],
                atol=1e-12,
            )
        optimizer.step()
        scheduler.step()


def test_sources_are_the_official_features(build):
    """Class tokens of the last blocks, normed, then the mean of the last."""
    model, _ = build('in1k_linear_dinov2', FOUR)
    assert [source.name for source in model.head.sources] == [
        'cls_1',
        'cls_mean_1',
        'cls_4',
        'cls_mean_4',
    ]
    assert len(model.head.keys) == 4 * 13
    assert model.head.keys[:2] == [
        HeadKey('cls_1', 1e-5, 0.0),
        HeadKey('cls_1', 2e-5, 0.0),
    ]
    images = torch.randn(2, 3, 28, 42)
    found = model.train().extract_feat(images)
    with torch.no_grad():
        pairs = model.backbone.net.forward_intermediates(
            images,
            indices=4,
            norm=True,
            return_prefix_tokens=True,
            intermediates_only=True,
        )
    tokens = [prefix[:, 0] for _, prefix in pairs]
    mean = pairs[-1][0].mean(dim=(2, 3))
    wanted = dict(
        cls_1=tokens[-1:],
        cls_mean_1=[*tokens[-1:], mean],
        cls_4=tokens,
        cls_mean_4=[*tokens, mean],
    )
    for name, parts in wanted.items():
        torch.testing.assert_close(found[name], torch.cat(parts, 1))
        assert not found[name].requires_grad
    weights = [head.weight for head in model.head.heads]
    assert {tuple(w.shape) for w in weights} == {
        (5, 32),
        (5, 64),
        (5, 128),
        (5, 160),
    }
    spread = torch.cat([w.flatten() for w in weights])
    assert float(spread.std()) == pytest.approx(0.01, rel=0.05)
    assert not model.backbone.training


def test_the_attentive_head_sees_the_patches(build):
    model, plan = build('in1k_attentive_capi', FOUR)
    images = torch.randn(1, 3, 28, 42)
    with torch.no_grad():
        (wanted,) = model.maps(images)
        tokens = wanted[:, :32].flatten(2).transpose(1, 2)
        found = model.extract_feat(images)['patches_1']
    assert torch.equal(found, tokens)
    attentive = [
        head
        for key, head in zip(model.head.keys, model.head.heads)
        if key.source == 'patches_1'
    ]
    assert len(model.head.keys) == 120 and len(attentive) == 30
    assert (attentive[0].heads, attentive[0].channels) == (1, 32)
    assert any('64 channels do not divide 32' in t for t in plan.changes)
    assert float(attentive[0].kv.weight.std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize('name', ['convnextv2', 'ijepa', 'xcit'])
def test_without_a_class_token_the_means_are_taken(build, name):
    net = TINY[name]
    if name != 'convnextv2':
        net = replace(net, kwargs=dict(net.kwargs, depth=4))
    for task, wanted in zip(
        TASKS, (['mean_1', 'mean_4'], ['mean_1', 'patches_1'])
    ):
        model, plan = build(task, net)
        assert [source.name for source in model.head.sources] == wanted
        assert any('no class token' in text for text in plan.changes)
        features = model.extract_feat(torch.randn(1, 3, 64, 64))
        logits = model.head(features)
        assert logits.shape == (len(model.head.keys), 1, 5)


def test_a_head_that_has_diverged_leaves_the_others_alone():
    source = FeatureSource('mean', 1)
    heads = heads_of([source], [4], 'sum', rates=[1e-3, 1e-2])
    heads.heads[0].weight.data.fill_(float('inf'))
    features, labels = torch.randn(6, 4), torch.arange(6) % 3
    logits = heads({source.name: features})
    loss = heads.loss(logits, labels)
    torch.testing.assert_close(loss, F.cross_entropy(logits[1], labels))
    loss.backward()
    assert heads.heads[1].weight.grad.isfinite().all()
    codes = head_codes(logits, labels)
    assert (codes[0] == 0).all() and (codes[1] > 0).all()


def test_codes_by_hand():
    logits = torch.tensor([[[3.0, 9.0, 5.0, 4.0, 6.0, 2.0]] * 3])
    labels = torch.tensor([1, 3, 5])  # first, fourth, sixth
    assert head_codes(logits, labels).tolist() == [[2, 1, 0]]


def test_the_planted_best_head_is_chosen():
    keys = [
        HeadKey(source, rate, 0.0)
        for source in ('cls_1', 'patches_1')
        for rate in (0.1, 0.2, 0.3)
    ]
    held_out = np.array([50.0, 60.0, 60.0, 10.0, 20.0, 30.0])
    assert choose(keys, held_out) == {'cls_1': 1, 'patches_1': 5}
    # on the test images other heads are best
    right = np.array([4, 1, 0, 3, 2, 1])  # of four images, by head
    codes = np.array([[2 * (i < n) for n in right] for i in range(4)])
    codes[3][codes[3] == 0] = 1
    wanted = {'cls_1': (25.0, 100.0), 'patches_1': (25.0, 75.0)}
    for headline in ('best', 'cls_1', 'patches_1'):
        metric = HeadAccuracy(headline)
        metric.keys, metric.held_out = keys, held_out
        metric.held_out_images = 7
        found = metric.compute_metrics(list(codes))
        name = 'cls_1' if headline == 'best' else headline
        assert (found['top1'], found['top1_chosen_on_test']) == wanted[name]
        assert found['heads/cls_1/rate'] == 0.2
        assert found['heads/patches_1/held_out_top1'] == 30.0
        assert found['heads/held_out_images'] == 7.0
    assert found['top5'] == 50.0


def test_the_held_out_images_are_the_last_of_numpys_draw(monkeypatch):
    order = np.random.default_rng(42).permutation(57)
    kept, held = split(57, 0.1, 42)
    assert kept.tolist() == order[:51].tolist()
    assert held.tolist() == order[51:].tolist()
    data = range(57)
    stream = iter(KeptSampler(data, 0.1, 42, seed=3))
    assert {next(stream) for _ in range(51)} == set(kept.tolist())
    dealt = []
    for rank in range(4):
        monkeypatch.setattr(head_choice.dist, 'get_world_size', lambda: 4)
        monkeypatch.setattr(
            head_choice.dist, 'get_rank', lambda rank=rank: rank
        )
        dealt.append(list(HeldOutSampler(data, 0.1, 42)))
    # the processes' results are put together in turn, and the rest cut off
    together = [row for rows in zip(*dealt) for row in rows]
    assert together[: len(held)] == held.tolist()
    for count, share in ((1, 0.1), (57, 0.0), (57, 1), (57, 'a')):
        with pytest.raises(UserError, match='held-out share'):
            split(count, share, 42)


@pytest.mark.parametrize(
    'net, options, message',
    [
        (TINY['dinov2_reg'], {}, 'has 2 maps; write last'),
        (FOUR, {'model.maps.layers': 'last'}, 'cls_4 takes 4 maps.*gives 1'),
        (
            FOUR,
            {'model.maps.class_token': False},
            'cls_1 takes the class token.*Write mean_1',
        ),
        (FOUR, {'model.head.sources': ['token_1']}, 'unknown source.*token_1'),
        (FOUR, {'model.head.sources': ['patches_2']}, 'write patches_1'),
        (FOUR, {'model.head.sources': 'cls_1'}, 'must be a list of names'),
        (FOUR, {'model.head.rates': [0.0]}, 'head.rates must be.*above 0'),
        (FOUR, {'model.head.decays': []}, 'head.decays must be a list'),
        (FOUR, {'model.head.reduction': 'max'}, 'head.reduction.*mean'),
        (FOUR, {'model.compute': 'float8'}, 'model.compute.*float32'),
    ],
)
def test_what_cannot_be_built(build, net, options, message):
    with pytest.raises(UserError, match=message):
        build('in1k_linear_dinov2', net, **options)


def test_the_headline_is_some_heads(registered):
    plan = make_plan(
        'in1k_linear_dinov2',
        to_header(FOUR),
        overrides={'test_evaluator.headline': 'patches_1'},
    )
    with pytest.raises(UserError, match='headline.*patches_1.*cls_mean_4'):
        check_metrics(plan)


def backbones():
    plain, thin = tiny_vit()[1], thin_backbone()
    return dict(
        patch14=lambda: source_of(FOUR, method='Noise'),
        stages=lambda: source_of(TINY['convnextv2'], method='Noise'),
        vit=lambda: Source(plain, plain.arch, plain.meta['arch_args']),
        resnet=lambda: Source(thin, thin.meta['arch'], thin.meta['arch_args']),
    )


@pytest.mark.parametrize('name', ['patch14', 'stages', 'vit', 'resnet'])
def test_a_run_trains_the_heads_alone(registered, mini_root, tmp_path, name):
    source = backbones()[name]()
    outcome = run_task(
        source, 'mini_attentive', 0, tmp_path, str(mini_root), dict(SHORT)
    )
    record = outcome.record
    metrics, details = record['metrics'], record['extra']['details']
    assert set(metrics) == {'top1', 'top5', 'top1_chosen_on_test'}
    assert metrics['top1'] == details['heads/patches_1/top1']
    assert metrics['top1'] <= metrics['top1_chosen_on_test']
    assert details['heads/held_out_images'] == 4  # of 40
    assert ('heads/cls_1/top1' in details) == (name in ('patch14', 'vit'))
    assert details['heads/patches_1/rate'] in (1e-3, 1e-1)
    state = torch.load(outcome.folder / 'iter_3.pth', weights_only=False)[
        'state_dict'
    ]
    own = {
        key.partition('.')[2].removeprefix('net.'): value
        for key, value in state.items()
        if key.startswith('backbone.')
    }
    given = source.backbone.state
    shared = own.keys() & given.keys()
    assert len(shared) > 0.6 * len(given)
    assert all(torch.equal(own[key], given[key]) for key in shared)
    if name == 'patch14':
        assert any('padded' in t and 'to 84' in t for t in record['changes'])
    heads = {k: v for k, v in state.items() if k.startswith('head.heads')}
    assert record['trained_parameters'] == sum(
        value.numel() for value in heads.values()
    )
    assert all(value.abs().max() > 0 for value in heads.values())


def test_a_part_of_the_images_is_split_again(registered, mini_root, tmp_path):
    options = dict(SHORT)
    outcome = run_task(
        backbones()['resnet'](),
        'mini_attentive',
        0,
        tmp_path,
        str(mini_root),
        options,
        fraction=0.5,
    )
    details = outcome.record['extra']['details']
    assert details['heads/held_out_images'] == 2  # of 20
    assert outcome.record['data']['images'] == 20


def test_nothing_of_the_backbone_can_be_trained():
    for train in ('lora:2', 'last:1', 'frozen'):
        with pytest.raises(UserError, match='head on a frozen backbone'):
            make_plan('mini_attentive', train=train)


def test_bfloat16_changes_the_features_alone(build):
    images = torch.randn(1, 3, 28, 42)
    exact, mixed = (
        build('in1k_linear_dinov2', FOUR, **{'model.compute': compute})[0]
        for compute in ('float32', 'bfloat16')
    )
    one, other = (
        model.extract_feat(images)['cls_mean_4'] for model in (exact, mixed)
    )
    assert one.dtype == other.dtype == torch.float32
    difference = (one - other).norm() / one.norm()
    assert 1e-4 < difference < 0.05


def test_some_head_must_be_finite():
    heads = heads_of([FeatureSource('mean', 1)], [4], rates=[0.1, 0.2])
    heads.heads[0].weight.data.fill_(float('nan'))
    head_choice.require_finite(heads)
    heads.heads[1].bias.data.fill_(float('inf'))
    with pytest.raises(UserError, match='every head has diverged'):
        head_choice.require_finite(heads)


def test_a_finished_run_is_tested_again(registered, mini_root, tmp_path):
    source = backbones()['resnet']()
    go = (source, 'mini_attentive', 0, tmp_path, str(mini_root), dict(SHORT))
    first = run_task(*go, visualize=1)
    again = run_task(*go, eval_only=True)
    assert not again.fresh and again.retested == first.record['metrics']
    assert list(first.folder.rglob('*.png')) or list(
        first.folder.rglob('*.jpg')
    )
