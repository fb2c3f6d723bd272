"""Depth on frozen maps, by the rules of the protocols."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.heads import LinearMap, depth_bins, depth_of
from ssl_bench.frozen_dense.maps import concatenate, up
from ssl_bench.frozen_dense.schedules import dinov2_depth
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone, tiny_vit
from tests.timm_tiny import TINY, source_of

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'
FULL = (
    'nyu_depth_lin1_dinov2',
    'nyu_depth_lin4_dinov2',
    'nyu_depth_lin_dinov3',
)
SHORT = {
    'train_cfg.max_iters': 3,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
}
NEAR = dict(rtol=0, atol=1e-9)


@cache
def pack():
    with np.load(PACK) as file:
        return {name: file[name] for name in file.files}


def get(name):
    return torch.from_numpy(np.asarray(pack()[name]))


@pytest.fixture
def mmseg(registered):
    import ssl_bench.toolbox.depth_errors
    import ssl_bench.toolbox.depth_pairs
    import ssl_bench.toolbox.depth_transforms
    import ssl_bench.toolbox.frozen_depther  # noqa: F401  register

    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture
def build(mmseg):
    """A depth estimator of a task around a network."""
    from mmseg.registry import MODELS

    def build(task, net, **options):
        plan = make_plan(task, to_header(net), overrides=options)
        model = MODELS.build(plan.config.model)
        load_backbone(model, source_of(net))
        return model, plan

    return build


def sample(truth, depth=None):
    from mmseg.structures import SegDataSample

    found = SegDataSample(metainfo=dict(ori_shape=tuple(truth.shape)))
    found.gt_depth_map = PixelData(data=truth[None])
    if depth is not None:
        found.pred_depth_map = PixelData(data=depth[None])
    return found


def test_every_field_of_the_protocols_is_said():
    first, four, third = (load_config(f'transfer/{name}') for name in FULL)
    assert first.model.maps == dict(
        layers='last',
        stages=(4,),
        final_norm=False,
        class_token=True,
        padding='around',
    )
    assert four.model.maps == dict(
        first.model.maps, layers='four', stages=(1, 2, 3, 4)
    )
    assert third.model.maps == dict(
        first.model.maps, final_norm=True, class_token=False
    )
    head = dict(
        type='LinearDepthHead',
        bins=256,
        lowest=0.001,
        highest=10.0,
        space='linear',
        rule='linear',
        upsample=4,
        norm_cfg=None,
        std=None,
    )
    assert first.model.decode_head == four.model.decode_head == head
    assert third.model.decode_head == dict(
        head,
        upsample=1,
        norm_cfg=dict(type='SyncBN', eps=1e-5, momentum=0.1),
        std=0.01,
    )
    for config in (first, four, third):
        assert config.model.loss_depth == dict(
            type='DepthLoss', warmup=100, images=2, gradient='none'
        )
        assert config.test_evaluator == dict(
            type='DepthErrors', lowest=0.001, highest=10.0, rectangle='eigen'
        )
        assert config.checkpoint_choice == dict(
            best=False, by='AbsRel', every=800
        )
        assert config.default_hooks.checkpoint.save_best is None
        assert config.optim_wrapper.clip_grad == dict(max_norm=35)
        assert config.train_cfg.max_iters == 38400
        assert config.train_dataloader.batch_size == 16
        steps = config.train_dataloader.dataset.pipeline
        assert [step.type for step in steps] == [
            'LoadImageFromFile',
            'LoadDepthAnnotation',
            'CropNyuBorder',
            'RandomRotate',
            'RandomFlip',
            'RandomCrop',
            'GammaAndColours',
            'PackSegInputs',
        ]
        assert steps[5].crop_size == (416, 544)
        for row, kind in zip(
            config.param_scheduler, ('OfficialRate', 'OfficialMomentum')
        ):
            assert row == dict(
                type=kind,
                rule='dinov3_depth' if config is third else 'dinov2_depth',
                warmup=12800,
                begin=0,
                end=38400,
                by_epoch=False,
            )
    assert first.model.test_cfg == dict(flip='image', clamp='map')
    assert third.model.test_cfg == dict(flip='map', clamp='image')
    assert first.optim_wrapper.optimizer == dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.01
    )
    assert third.optim_wrapper.optimizer == dict(
        type='AdamW', lr=3e-4, betas=(0.9, 0.99), weight_decay=1e-4
    )


@pytest.mark.parametrize(
    'case, rule, highest',
    [
        ('dv2d1', 'linear', 10.0),
        ('dv2d4', 'linear', 10.0),
        ('dv2dsig', 'sigmoid', 10.0),
        ('dv2dsoft', 'softmax', 80.0),
    ],
)
def test_the_dinov2_head_has_the_official_numbers(mmseg, case, rule, highest):
    """Depth, losses and gradients, by the classes that a run builds."""
    from mmseg.registry import MODELS

    layers = sum(f'{case}/feat{i}' in pack() for i in range(4))
    parts = {
        f'{kind}{i}': get(f'{case}/{kind}{i}').requires_grad_()
        for i in range(layers)
        for kind in ('feat', 'cls')
    }
    settings = load_config('transfer/nyu_depth_lin1_dinov2').model
    widths = [2 * parts[f'feat{i}'].shape[1] for i in range(layers)]
    bins = len(pack()[f'{case}/bins'])
    head = MODELS.build(
        dict(
            settings.decode_head,
            in_channels=widths,
            bins=bins,
            rule=rule,
            highest=highest,
        )
    ).double()
    head.linear.conv.load_state_dict(
        dict(weight=get(f'{case}/conv_weight'), bias=get(f'{case}/conv_bias'))
    )
    depth = head(
        tuple(
            [parts[f'{k}{i}'] for i in range(layers)] for k in ('feat', 'cls')
        )
    )
    torch.testing.assert_close(depth, get(f'{case}/depth'), **NEAR)
    truth = get(f'{case}/gt')
    large = up(depth, truth.shape[-2:])

    def losses(**options):
        loss = MODELS.build(dict(settings.loss_depth, images=None, **options))
        return loss(large, truth)

    sig = losses(warmup=0)['loss_sig']
    assert sig.item() == pytest.approx(float(get(f'{case}/sigloss')), abs=1e-9)
    gradients = torch.autograd.grad(
        sig, [head.linear.conv.weight], retain_graph=True
    )
    torch.testing.assert_close(
        gradients[0], get(f'{case}/grad_conv_weight'), **NEAR
    )
    shipped = losses(gradient='as_shipped')['loss_gradient']
    assert shipped.item() == pytest.approx(
        float(get(f'{case}/gradloss_4d_as_called')), abs=1e-9
    )
    meant = losses(gradient='per_image')['loss_gradient']
    assert meant.item() == pytest.approx(
        float(get(f'{case}/gradloss_2d_per_sample').mean()), abs=1e-9
    )
    assert set(losses()) == {'loss_sig'}


def depther(mmseg, **test_cfg):
    """A depth estimator whose test chain alone is used."""
    from ssl_bench.toolbox.frozen_depther import FrozenDepther

    model = FrozenDepther.__new__(FrozenDepther)
    torch.nn.Module.__init__(model)
    model.flip, model.clamp = test_cfg['flip'], test_cfg['clamp']
    model.decode_head = torch.nn.Module()
    model.decode_head.lowest, model.decode_head.highest = 0.001, 10.0
    return model


def test_the_test_chains(mmseg):
    """Clamp before or after the resize; mean at either size."""
    wanted = get('dv2clamp/encode_decode')
    size, depth = wanted.shape[-2:], get('dv2clamp/depth')
    second = depther(mmseg, flip='none', clamp='map')
    torch.testing.assert_close(second.full_size([depth], size), wanted, **NEAR)
    third = depther(mmseg, flip='none', clamp='image')
    clamped = third.full_size([depth], size)
    torch.testing.assert_close(clamped, up(depth, size).clamp(0.001, 10))
    assert not torch.allclose(clamped, wanted)
    plain, mirrored = get('dmet/tta_pair').split(1)
    merged = get('dmet/tta_merged')
    for flip in ('map', 'image'):
        model = depther(mmseg, flip=flip, clamp='image')
        model.decode_head.lowest = -10.0  # the arrays are not depths
        found = model.full_size([plain, mirrored], merged.shape[-2:])
        torch.testing.assert_close(found, merged.reshape(found.shape))


@pytest.mark.parametrize('case', ['dv3d', 'dv3dcls'])
def test_the_dinov3_head_has_the_official_numbers(mmseg, case):
    from mmseg.registry import MODELS

    settings = load_config('transfer/nyu_depth_lin_dinov3').model
    features = get(f'{case}/feat').double()
    tokens = [get(f'{case}/cls').double()] if case == 'dv3dcls' else None
    width = features.shape[1] * (2 if tokens else 1)
    head = MODELS.build(
        dict(
            settings.decode_head,
            in_channels=[width],
            bins=pack()[f'{case}/logits'].shape[1],
            norm_cfg=dict(settings.decode_head.norm_cfg, type='BN'),
        )
    ).double()
    assert (head.linear.conv.bias == 0).all()
    head.linear.conv.load_state_dict(
        dict(weight=get(f'{case}/conv_weight'), bias=get(f'{case}/conv_bias'))
    )
    with torch.no_grad():
        head.linear.norm.weight.copy_(get(f'{case}/bn_weight'))
        head.linear.norm.bias.copy_(get(f'{case}/bn_bias'))
    depth = head.train()(([features], tokens))
    near = dict(rtol=0, atol=2e-6)  # float32 inside
    torch.testing.assert_close(depth, get(f'{case}/depth').double(), **near)


def test_the_convolution_before_the_enlargement_is_the_same(mmseg):
    """Three layers of different sizes, with and without class tokens."""
    from ssl_bench.toolbox.frozen_depther import LinearDepthHead

    torch.manual_seed(0)
    maps = [
        torch.randn(2, width, *size, dtype=torch.float64)
        for width, size in ((5, (6, 7)), (4, (3, 4)), (3, (6, 7)))
    ]
    for tokens in (None, [torch.randn(2, x.shape[1]).double() for x in maps]):
        widths = [x.shape[1] * (1 if tokens is None else 2) for x in maps]
        head = LinearDepthHead(
            widths,
            bins=8,
            lowest=0.001,
            highest=10.0,
            space='linear',
            rule='linear',
            upsample=4,
            norm_cfg=None,
            std=1.0,
        ).double()
        wide = LinearMap(sum(widths), 8, norm=False).double()
        wide.conv.load_state_dict(head.linear.conv.state_dict())
        wanted = depth_of(
            wide(concatenate(maps, tokens, 4)), depth_bins(8, 0.001, 10.0)
        )
        found = head((maps, tokens))
        assert found.shape == (2, 1, 24, 28)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def depths(count=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    depth, truth = (
        torch.rand(count, 1, 9, 8, generator=generator) * 9 + 0.5
        for _ in range(2)
    )
    truth[torch.rand(truth.shape, generator=generator) < 0.2] = 0
    return depth, truth


def test_losses_are_of_pairs_as_on_the_official_devices(mmseg):
    """So the number of processes and of accumulated batches is no matter."""
    from ssl_bench.toolbox.frozen_depther import DepthLoss

    depth, truth = depths()

    def loss(part, **options):
        settings = dict(warmup=0, images=2, gradient='as_shipped') | options
        return DepthLoss(**settings)(depth[part], truth[part])['loss_sig']

    whole = loss(slice(0, 4))
    halves = [loss(slice(0, 2)), loss(slice(2, 4))]
    assert whole.item() == pytest.approx(sum(halves).item() / 2)
    assert abs(whole - loss(slice(0, 4), images=None)) > 1e-3
    found = DepthLoss(warmup=0, images=2, gradient='as_shipped')(depth, truth)
    assert found['loss_gradient'] == 0


def test_the_first_calls_have_no_variance_also_after_a_resumption(mmseg):
    from ssl_bench.toolbox.frozen_depther import DepthLoss

    depth, truth = depths()
    settings = dict(warmup=3, images=2, gradient='none')
    loss = DepthLoss(**settings)
    found = [loss(depth, truth)['loss_sig'].item() for _ in range(2)]
    resumed = DepthLoss(**settings)
    resumed.load_state_dict(loss.state_dict())
    found += [resumed(depth, truth)['loss_sig'].item() for _ in range(3)]
    assert found[0] == found[1] == found[2] < found[3] == found[4]


def test_a_pair_without_valid_pixels_adds_nothing(mmseg):
    from ssl_bench.toolbox.frozen_depther import DepthLoss

    depth, truth = depths()
    truth[2:] = 0
    depth.requires_grad_()
    loss = DepthLoss(warmup=0, images=2, gradient='per_image')
    losses = loss(depth, truth)
    sum(losses.values()).backward()
    assert depth.grad[:2].abs().sum() > 0 and (depth.grad[2:] == 0).all()
    one = loss(depth[:2], truth[:2])
    for name, value in losses.items():
        assert value.item() == pytest.approx(one[name].item() / 2)


@pytest.mark.parametrize('batch, warmup', [(16, 100), (8, 200), (12, 134)])
def test_calls_without_variance_are_those_of_as_many_images(batch, warmup):
    """8: gradients of two batches are accumulated; 12: more updates."""
    plan = make_plan(FULL[0], overrides={'train_dataloader.batch_size': batch})
    assert plan.config.model.loss_depth.warmup == warmup


def test_every_process_has_whole_pairs():
    assert (
        make_plan(FULL[2], processes=8).config.train_dataloader['batch_size']
        == 2
    )
    with pytest.raises(UserError, match='batch_size=1 .* over 2 images'):
        make_plan(FULL[2], processes=16)
    with pytest.raises(UserError, match='batch_size=3 .* over 2 images'):
        make_plan('mini_depth', overrides={'train_dataloader.batch_size': 3})


@pytest.mark.parametrize('rule', ['dinov2_depth', 'dinov3_depth'])
def test_the_optimizer_has_the_official_rates_and_momenta(registered, rule):
    from mmengine.registry import PARAM_SCHEDULERS

    import ssl_bench.toolbox.official_rate  # noqa: F401  registers

    base = 3e-4
    optimizer = torch.optim.AdamW(
        [torch.nn.Parameter(torch.zeros(1))], lr=base, betas=(0.5, 0.99)
    )
    schedulers = [
        PARAM_SCHEDULERS.build(
            dict(
                type=kind, rule=rule, warmup=12800, end=38400, by_epoch=False
            ),
            default_args=dict(optimizer=optimizer),
        )
        for kind in ('OfficialRate', 'OfficialMomentum')
    ]
    wanted = {
        int(i): values for i, *values in pack()['sched/dv3depth'].tolist()
    }
    seen = {}
    (group,) = optimizer.param_groups
    optimizer.step()
    for i in range(max(wanted) + 1):
        if i in wanted:
            seen[i] = [group['lr'], group['betas'][0]]
        assert group['betas'][1] == 0.99
        for scheduler in schedulers:
            scheduler.step()
    if rule == 'dinov2_depth':
        wanted = {i: [*dinov2_depth(i, base)] for i in wanted}
    for i, values in wanted.items():
        assert seen[i] == pytest.approx(values, rel=1e-9, abs=1e-15)


def test_a_resumed_training_goes_on_with_rate_and_momentum(registered):
    from mmengine.registry import PARAM_SCHEDULERS

    import ssl_bench.toolbox.official_rate  # noqa: F401  registers

    def start():
        value = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.AdamW([value], lr=1e-3)
        return optimizer, [
            PARAM_SCHEDULERS.build(
                dict(
                    type=kind,
                    rule='dinov3_depth',
                    warmup=4,
                    end=12,
                    by_epoch=False,
                ),
                default_args=dict(optimizer=optimizer),
            )
            for kind in ('OfficialRate', 'OfficialMomentum')
        ]

    def go_on(optimizer, schedulers, steps):
        found = []
        for _ in range(steps):
            (group,) = optimizer.param_groups
            found.append((group['lr'], group['betas'][0]))
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()
        return found

    whole = go_on(*start(), 12)
    optimizer, schedulers = start()
    parts = go_on(optimizer, schedulers, 6)
    again, others = start()
    again.load_state_dict(optimizer.state_dict())
    for scheduler, other in zip(schedulers, others):
        other.load_state_dict(scheduler.state_dict())
    assert parts + go_on(again, others, 6) == whole
    assert len({momentum for _, momentum in whole}) == 9


def test_the_rate_and_momentum_of_dinov2():
    """Hand values of the rate; torch's own one-cycle rule for beta1."""
    assert dinov2_depth(0)[0] == pytest.approx(1e-7)
    assert dinov2_depth(12800)[0] == pytest.approx(0.75e-4)
    assert dinov2_depth(6400)[0] == pytest.approx(
        1e-4 * (1 + np.cos(np.pi / 6)) / 2 * (1 - 0.5 * 0.999), rel=1e-6
    )
    assert dinov2_depth(38400)[0] == pytest.approx(1e-12)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=50, pct_start=0.3
    )
    found = []
    for i in range(50):
        found.append(dinov2_depth(i, total=50, warmup=10)[1])
        assert found[-1] == pytest.approx(
            optimizer.param_groups[0]['betas'][0], abs=1e-12
        )
        optimizer.step()
        if i < 49:
            cycle.step()
    assert found[0] == found[-1] == 0.95
    assert min(found) == pytest.approx(0.85)


def large(name, index):
    pixels = get(name)[index]
    return pixels.repeat_interleave(8, 0).repeat_interleave(8, 1)


def evaluator(task=FULL[0]):
    from mmseg.registry import METRICS

    return METRICS.build(load_config(f'transfer/{task}').test_evaluator)


def test_errors_are_those_of_the_official_program(mmseg):
    """Also with an image without a valid pixel, which does not count."""
    metric = evaluator()
    rows = [
        sample(large('dmet/gt_8x', i), large('dmet/pred_8x', i)).to_dict()
        for i in range(3)
    ]
    nothing = torch.zeros(480, 640)
    nothing[:40] = 5.0  # above the rectangle
    nothing[100:200] = 10.0  # the limit itself
    rows.insert(1, sample(nothing, torch.full((480, 640), 3.0)).to_dict())
    metric.process(None, rows[:2])
    metric.process(None, rows[2:])
    found = metric.evaluate(4)
    names = 'a1 a2 a3 AbsRel RMSE log10 RMSElog SILog SqRel'.split()
    for name, value in zip(names, pack()['dmet/mde_mean']):
        assert found[name] == pytest.approx(value, rel=1e-4)
    assert set(found) == set(names)
    alone = evaluator()
    alone.process(None, rows[1:2])
    with pytest.raises(UserError, match='no depth map .* valid pixel'):
        alone.evaluate(1)


def score_share(rank):
    """Each process scores what its padded sampler gives it, of 3 images."""
    from mmengine.dataset import DefaultSampler

    from ssl_bench.toolbox.depth_errors import DepthErrors

    metric = DepthErrors(lowest=0.001, highest=10.0, rectangle='whole')
    for index in DefaultSampler([0, 1, 2], shuffle=False):
        truth = torch.full((4, 4), 5.0)
        depth = truth + index + 1
        metric.process(None, [sample(truth, depth).to_dict()])
    assert len(metric.results) == 2  # four rows of three images
    return metric.evaluate(3)['RMSE']


def test_images_that_fill_the_sampler_do_not_count_twice(mmseg):
    from tests.processes import run_in_processes

    assert run_in_processes(score_share, 2) == pytest.approx([2.0, 2.0])


def test_images_and_depth_stay_together(mmseg, tmp_path):
    """The image shows the depth; both are cropped, turned and mirrored."""
    from mmseg.registry import DATASETS
    from PIL import Image

    rows, columns = np.mgrid[:480, :640]
    metres = 1 + rows / 200 + columns / 400
    grey = np.repeat(np.uint8(metres * 50)[..., None], 3, -1)
    Image.fromarray(grey).save(tmp_path / 'a.png')
    Image.fromarray(np.uint16(metres * 1000)).save(tmp_path / 'd.png')
    (tmp_path / 'nyu_train.txt').write_text('/a.png /d.png 518.8\n')
    settings = load_config('transfer/nyu_depth_lin1_dinov2').train_dataloader
    steps = [dict(step) for step in settings.dataset.pipeline]
    steps[1]['type'] = 'ReadDepth'
    steps[6]['prob'] = 0.0
    dataset = DATASETS.build(
        dict(settings.dataset, data_root=str(tmp_path), pipeline=steps)
    )
    np.random.seed(0)
    ends, filled, mirrored = set(), 0, 0
    for _ in range(12):
        found = dataset[0]
        image = found['inputs'][0].float() / 50
        depth = found['data_samples'].gt_depth_map.data[0]
        assert image.shape == depth.shape == (416, 544)
        assert depth.dtype == torch.float32
        valid = depth > 0
        filled += int(not valid.all())
        # at turned edges the image is mixed with what is filled in
        apart = (image - depth)[valid].abs() > 0.05
        assert apart.float().mean() < 0.005
        mirrored += int(depth[200, 100] > depth[200, 400])
        ends.add(round(depth[200, 300].item(), 2))
        # no pixel of the border of 45 rows and 43 columns
        assert depth[valid].min() > 1 + 45 / 200 + 43 / 400 - 0.1
    assert len(ends) > 6 and 0 < filled < 12 and 0 < mirrored < 12


def test_the_border_is_that_of_the_official_program(mmseg):
    from mmseg.registry import TRANSFORMS

    step = TRANSFORMS.build(dict(type='CropNyuBorder'))
    for height, width in ((480, 640), (240, 320)):
        index = np.arange(height * width).reshape(height, width)
        found = step(dict(img=index, d=index, seg_fields=['d']))
        first, last, *shape = pack()[
            f'dmet/nyucrop_{height}x{width}_first_last_shape'
        ].tolist()
        for part in (found['img'], found['d']):
            assert (part[0, 0], part[-1, -1]) == (first, last)
            assert list(part.shape) == shape == list(found['img_shape'])


def test_colours_change_on_values_up_to_255(mmseg):
    from mmseg.registry import TRANSFORMS

    settings = dict(
        type='GammaAndColours',
        gamma=(1.05, 1.05),
        brightness=(0.8, 0.8),
        colour=(1.1, 1.1),
    )
    image = np.uint8([[[0, 1, 100], [200, 250, 255]]])
    found = TRANSFORMS.build(dict(settings, prob=1.0))(dict(img=image))['img']
    wanted = np.minimum(image.astype(float) ** 1.05 * 0.88, 255)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    same = TRANSFORMS.build(dict(settings, prob=0.0))(dict(img=image))['img']
    assert same.dtype == np.float32 and np.array_equal(same, image)
    drawn = TRANSFORMS.build(
        dict(settings, prob=0.5, colour=(0.9, 1.1), gamma=(1, 1))
    )
    grey = np.full((1, 1, 3), 100, np.uint8)
    np.random.seed(0)
    many = [drawn(dict(img=grey))['img'].ravel() for _ in range(100)]
    changed = [row for row in many if (row != 100).any()]
    assert 35 < len(changed) < 65
    assert all(len(set(row)) == 3 for row in changed)  # each channel its own


def test_maps_are_those_of_the_protocols(build):
    net = TINY['dinov2_reg']
    net = replace(net, kwargs=dict(net.kwargs, depth=8))
    image = torch.randn(1, 3, 38, 51)
    placed = torch.zeros(1, 3, 42, 56)
    placed[..., 2:40, 2:53] = image  # the smaller half is before
    for task, indices, norm, factor in (
        (FULL[0], [7], False, 4),
        (FULL[1], [1, 3, 5, 7], False, 4),
        (FULL[2], [7], True, 1),
    ):
        options = {'model.decode_head.norm_cfg.type': 'BN'}
        model, _ = build(task, net, **(options if norm else {}))
        maps, tokens = model.extract_feat(image)
        pairs = model.backbone.net.forward_intermediates(
            placed,
            indices=indices,
            norm=norm,
            return_prefix_tokens=True,
            intermediates_only=True,
        )
        for i, (patches, prefix) in enumerate(pairs):
            assert torch.equal(maps[i], patches)
            if not norm:
                assert torch.equal(tokens[i], prefix[:, 0])
        assert (tokens is None) == norm
        depth = model.eval().encode_decode(image)
        assert depth.shape == (1, 1, 3 * factor, 4 * factor)


def test_the_mirrored_image_goes_through_the_whole_chain(build):
    model, _ = build('mini_depth', deep())
    model.eval()
    torch.nn.init.normal_(model.decode_head.linear.conv.weight)
    image = torch.randn(1, 3, 38, 51)
    with torch.no_grad():
        (found,) = model.predict(image, [sample(torch.ones(38, 51))])
        plain, mirrored = (
            up(model.encode_decode(x), (38, 51))
            for x in (image, image.flip(-1))
        )
        (again,) = model.predict(image.flip(-1), [sample(torch.ones(38, 51))])
    wanted = (plain + mirrored.flip(-1)) / 2
    torch.testing.assert_close(found.pred_depth_map.data, wanted[0])
    torch.testing.assert_close(
        again.pred_depth_map.data, found.pred_depth_map.data.flip(-1)
    )
    assert not torch.allclose(plain, mirrored.flip(-1), atol=1e-3)


def deep():
    net = TINY['dinov2_reg']
    return replace(net, kwargs=dict(net.kwargs, depth=4))


def backbones():
    plain = tiny_vit()[1]
    thin = thin_backbone()
    return dict(
        patch14=lambda: source_of(deep(), method='Noise'),
        stages=lambda: source_of(TINY['convnextv2'], method='Noise'),
        vit=lambda: Source(plain, plain.arch, plain.meta['arch_args']),
        resnet=lambda: Source(thin, thin.meta['arch'], thin.meta['arch_args']),
    )


@pytest.mark.parametrize('name', ['patch14', 'stages', 'vit', 'resnet'])
def test_a_run_trains_the_head_alone(registered, mini_root, tmp_path, name):
    source = backbones()[name]()
    options = dict(SHORT)
    if name == 'resnet':
        options['checkpoint_choice.best'] = True
        options['checkpoint_choice.every'] = 1
    outcome = run_task(
        source, 'mini_depth', 0, tmp_path, str(mini_root), options
    )
    record = outcome.record
    assert ('RMSE_best' in record['metrics']) == (name == 'resnet')
    if name == 'resnet':
        assert record['metrics']['AbsRel_best'] <= record['metrics']['AbsRel']
    assert record['metrics']['RMSE'] > 0.1
    assert 0 <= record['metrics']['a1'] <= 1
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
    conv = [state[f'decode_head.linear.conv.{n}'] for n in ('weight', 'bias')]
    assert record['trained_parameters'] == sum(x.numel() for x in conv)
    assert state['loss_depth.sig.calls'] == 3
    notes = ' '.join(record['changes'])
    assert ('no class token' in notes) == (name in ('stages', 'resnet'))
    assert ('stride that patches of 16' in notes) == (
        name in ('stages', 'resnet')
    )
    if name == 'patch14':
        assert '96 pixels padded on both sides to 98' in notes
        assert '128 pixels padded on both sides to 140' in notes


def test_what_a_network_does_not_have(build):
    with pytest.raises(UserError, match='has 2 maps; write last'):
        build(FULL[1], TINY['dinov2_reg'])
    with pytest.raises(UserError, match='class_token=True has no effect'):
        build(FULL[0], TINY['convnextv2'], **{'model.maps.class_token': True})
    _, plan = build(FULL[0], TINY['xcit'])  # its token comes last
    assert any('no class token' in note for note in plan.changes)


@pytest.mark.parametrize(
    'key, value, message',
    [
        ('model.loss_depth.gradient', 'shipped', 'as_shipped'),
        ('model.loss_depth.images', 0, 'loss_depth.images must be 1'),
        ('model.decode_head.rule', 'relu', 'decode_head.rule.*linear'),
        ('model.decode_head.highest', 0.0, 'lowest < highest'),
        ('model.test_cfg.flip', 'maps', 'test_cfg.flip'),
        ('model.decode_head.upsample', 0, 'upsample must be 1'),
    ],
)
def test_settings_that_cannot_be(build, key, value, message):
    with pytest.raises(UserError, match=message):
        build('mini_depth', deep(), **{key: value})


def test_nothing_of_the_backbone_can_be_trained():
    for train in ('lora:2', 'last:1', 'frozen'):
        with pytest.raises(UserError, match='head on a frozen backbone'):
            make_plan('mini_depth', train=train)


def test_pictures_show_near_pixels_bright(registered, tmp_path, photo):
    from PIL import Image

    from ssl_bench.toolbox.drawing import SIDE, draw_sample

    Image.fromarray(photo[:60, :80]).save(tmp_path / 'a.png')
    truth = torch.full((60, 80), 4.0)
    truth[:, :40], truth[:, 70:] = 1.0, 0.0
    row = sample(truth, torch.full((60, 80), 4.0))
    row.set_metainfo(dict(img_path=str(tmp_path / 'a.png')))
    drawn = draw_sample(row, {}, 0.3, 3)
    truth, found = (np.asarray(i)[SIDE * 60 // 160, :, 0] for i in drawn[:2])
    near, far, none = (int(truth[x]) for x in (36, SIDE * 5 // 8, SIDE - 4))
    assert near > far > none == 0 and found[SIDE // 2] == far
    assert drawn.note == 'darkest grey: 4.0 m'
    assert (f'#{far:02x}{far:02x}{far:02x}') in dict(drawn.legend)
