"""InsLoc as a model: weights, gradients, resume, processes, refusals."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from ssl_bench.errors import UserError
from tests.processes import run_in_processes

N, SIDE = 4, 64


def settings(**changes):
    """A tiny InsLoc; ``changes`` are dotted settings of it."""
    from mmengine.config import ConfigDict

    config = ConfigDict(
        type='InsLoc',
        queue_length=16,
        momentum=0.9,
        backbone=dict(
            type='mmdet.ResNet',
            depth=18,
            base_channels=4,
            norm_eval=False,
            zero_init_residual=False,
        ),
        neck=dict(
            type='mmdet.FPN',
            in_channels=[4, 8, 16, 32],
            out_channels=4,
            num_outs=4,
            norm_cfg=dict(type='BN'),
        ),
        roi_head=dict(
            type='InsLocRoIHead',
            roi_size=3,
            bbox_head=dict(
                type='InsLocConvFCHead',
                in_channels=4,
                roi_size=3,
                num_convs=1,
                conv_channels=4,
                fc_channels=16,
                out_channels=8,
            ),
        ),
    )
    for name, value in changes.items():
        *folders, last = name.split('__')
        target = config
        for folder in folders:
            target = target[folder]
        target[last] = value
    return config


C4 = dict(
    neck=None,
    augmented_levels=(0,),
    backbone__num_stages=3,
    backbone__strides=(1, 2, 2),
    backbone__dilations=(1, 1, 1),
    backbone__out_indices=(2,),
    roi_head__strides=(16,),
    roi_head__shared_head=dict(type='InsLocRes5', depth=18, base_channels=4),
    roi_head__bbox_head=dict(
        type='InsLocConvFCHead',
        in_channels=32,
        pool=True,
        num_convs=0,
        num_fcs=1,
        fc_channels=16,
        out_channels=8,
    ),
)


def build(seed=0, **changes):
    from mmpretrain.registry import MODELS

    torch.manual_seed(seed)
    model = MODELS.build(settings(**changes))
    model.init_weights()
    return model.train()


def batch(rows=N, seed=0, dtype=torch.float32):
    """Views and samples of ``rows`` images, boxes well inside."""
    generator = torch.Generator().manual_seed(seed)
    views = list(
        torch.randn(2, rows, 3, SIDE, SIDE, generator=generator, dtype=dtype)
    )
    corners = torch.rand(rows, 3, 2, generator=generator) * 20 + 4
    sides = torch.rand(rows, 3, 2, generator=generator) * 20 + 16
    boxes = torch.cat([corners, corners + sides], -1)  # (N, 3, 4)
    return views, dict(boxes=boxes[:, :2], augmented_box=boxes[:, 2])


def total(terms):
    return sum(value for name, value in terms.items() if 'loss' in name)


@pytest.fixture(params=['fpn', 'c4'])
def variant(request, registered):
    return C4 if request.param == 'c4' else {}


def test_a_fresh_key_equals_the_query(variant):
    model = build(**variant)
    key = model.key_encoder.module.state_dict()
    query = model._query().state_dict()
    assert list(key) == list(query)
    assert all(torch.equal(key[name], query[name]) for name in key)


def test_initialisation(registered):
    model = build(
        backbone__base_channels=16,
        neck__in_channels=[16, 32, 64, 128],
        neck__out_channels=32,
        roi_head__bbox_head__in_channels=32,
        roi_head__bbox_head__conv_channels=32,
        roi_head__bbox_head__fc_channels=256,
    )
    conv = model.backbone.layer3[0].conv2.weight
    assert conv.std().item() == pytest.approx(
        math.sqrt(2 / (9 * 64)), rel=0.03
    )
    assert (model.backbone.layer3[0].bn2.weight == 1).all()
    bound = math.sqrt(6 / (9 * 32 + 9 * 32))
    fpn = model.neck.fpn_convs[0].conv.weight
    assert 0.99 * bound < fpn.abs().max() <= bound
    head = model.roi_head.bbox_head
    assert head.shared_convs[0].conv.weight.std().item() == pytest.approx(
        math.sqrt(2 / (9 * 32)), rel=0.05
    )
    bound = math.sqrt(6 / (32 * 9 + 256))
    assert 0.99 * bound < head.shared_fcs[0].weight.abs().max() <= bound
    assert head.fc_cls.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert (head.fc_cls.bias == 0).all()


def test_gradient_reaches_the_query_and_never_the_key(variant):
    model = build(**variant)
    terms = model(*batch(), mode='loss')
    levels = 1 if variant else 4
    assert sorted(terms) == sorted(
        f'{kind}_level{i}'
        for kind in ('accuracy', 'loss')
        for i in range(levels)
    )
    total(terms).backward()
    online = {id(p) for p in model._query().parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in online:
            assert parameter.grad.abs().sum() > 0, name
        else:
            assert not parameter.requires_grad and parameter.grad is None


def test_the_augmented_box_matters_on_its_levels_only(registered):
    model = build().eval()
    views, samples = batch()
    before = model(views, samples, mode='loss')
    model = build().eval()
    samples['augmented_box'] += 3
    after = model(views, samples, mode='loss')
    changed = [
        not torch.equal(before[f'loss_level{i}'], after[f'loss_level{i}'])
        for i in range(4)
    ]
    assert changed == [False, False, False, True]


def test_weights_of_levels_scale_their_losses(registered):
    plain = build()(*batch(), mode='loss')
    weighted = build(level_weights=[1, 2, 0, 0.5])(*batch(), mode='loss')
    for i, weight in enumerate([1, 2, 0, 0.5]):
        assert torch.equal(
            weighted[f'loss_level{i}'], weight * plain[f'loss_level{i}']
        )


def test_identical_views_and_an_orthogonal_queue_give_the_least_loss(
    registered,
):
    """Positive cosine 1, negatives 0: log(1 + K exp(-1 / T)) per level."""
    model = build(augmented_levels=())
    model.queue.features.zero_()
    views, samples = batch()
    samples['boxes'][:, 1] = samples['boxes'][:, 0]
    terms = model([views[0], views[0]], samples, mode='loss')
    least = math.log(1 + 16 * math.exp(-1 / 0.2))
    for i in range(4):
        assert terms[f'loss_level{i}'].item() == pytest.approx(least, 1e-4)
        assert terms[f'accuracy_level{i}'] == 100


def train(model, optimizer, steps, data=None):
    """Steps on their own batches; losses, and accuracies over levels."""
    losses, accuracies = [], []
    for step in steps:
        views, samples = (data or (lambda seed: batch(seed=seed)))(step % 4)
        terms = model(views, samples, mode='loss')
        optimizer.zero_grad()
        total(terms).backward()
        optimizer.step()
        losses.append(total(terms).item())
        accuracies.append(
            torch.stack(
                [value for name, value in terms.items() if 'accuracy' in name]
            )
            .mean()
            .item()
        )
    return losses, accuracies


def sgd(model, lr=0.1):
    return torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad],
        lr=lr,
        momentum=0.9,
        nesterov=True,
    )


def test_two_and_two_resumed_steps_equal_four(variant):
    straight = build(**variant)
    train(straight, sgd(straight), range(4))
    first = build(**variant)
    optimizer = sgd(first)
    train(first, optimizer, range(2))
    saved = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    resumed = build(seed=1, **variant)
    optimizer = sgd(resumed)
    resumed.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    train(resumed, optimizer, range(2, 4))
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert straight.queue.pointer == 0  # 4 steps of 4, K 16


def test_finite_under_bfloat16_autocast(variant):
    model = build(**variant)
    full = total(build(**variant)(*batch(), mode='loss'))
    with torch.autocast('cpu', torch.bfloat16):
        half = total(model(*batch(), mode='loss'))
    half.backward()
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(full.item(), rel=0.05)
    assert all(p.grad.isfinite().all() for p in model._query().parameters())


def pairs(seed):
    """Views that share their coarse content and differ by noise."""
    views, samples = batch(seed=seed)
    coarse = torch.randn(
        N, 3, 4, 4, generator=torch.Generator().manual_seed(seed)
    )
    content = F.interpolate(coarse, size=SIDE, mode='bilinear')
    samples['boxes'][:, 1] = samples['boxes'][:, 0]
    samples['augmented_box'] = samples['boxes'][:, 0].clone()
    return [content + 0.2 * view for view in views], samples


def test_sixteen_instances_are_told_apart(registered):
    """Once the queue holds real keys the loss is at chance; then it falls."""
    model = build(
        queue_length=12, momentum=0.5, roi_head__bbox_head__out_channels=16
    )
    losses, accuracies = train(model, sgd(model, 0.03), range(44), pairs)
    chance = 4 * math.log(1 + 12)
    assert max(losses) == pytest.approx(chance, rel=0.05)
    assert sum(losses[-8:]) / 8 < 0.85 * chance
    assert sum(accuracies[-8:]) / 8 > 50  # chance: 7.7


def joined_loss(rank, world):
    """Loss and gradients of a rank's rows, statistics not of the batch."""
    from ssl_bench import register_all_modules

    register_all_modules()
    model = build().double().eval()
    views, samples = batch(dtype=torch.float64)
    rows = slice(rank * N // world, (rank + 1) * N // world)
    torch.manual_seed(5)
    loss = total(
        model(
            [view[rows] for view in views],
            {name: value[rows] for name, value in samples.items()},
            mode='loss',
        )
    )
    loss.backward()
    gradients = [p.grad for p in model._query().parameters()]
    return dict(
        loss=loss.detach(),
        gradients=gradients,
        queue=model.queue.state_dict(),
        key=model.key_encoder.state_dict(),
    )


def test_two_processes_equal_one(registered):
    one = joined_loss(0, 1)
    ranks = run_in_processes(joined_loss, 2, 2)
    torch.testing.assert_close(
        (ranks[0]['loss'] + ranks[1]['loss']) / 2, one['loss']
    )
    for whole, *parts in zip(
        one['gradients'], ranks[0]['gradients'], ranks[1]['gradients']
    ):
        torch.testing.assert_close(sum(parts) / 2, whole)
    for out in ranks:
        torch.testing.assert_close(out['queue'], one['queue'])
        torch.testing.assert_close(out['key'], one['key'])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(roi_head__strides=(4, 8, 16)), 'strides is 3.*maps is 4'),
        (dict(augmented_levels=(4,)), r'\[4\] must be in 0 .. 3'),
        (dict(level_weights=[1, 1]), 'level_weights is 2.*levels is 4'),
        (
            dict(roi_head__bbox_head__in_channels=5),
            'in_channels is 5.*maps is 4',
        ),
        (
            dict(neck__in_channels=[4, 8, 16, 64]),
            'last of neck.in_channels is 64.*backbone is 32',
        ),
        (
            dict(neck__in_channels=[4, 8, 16]),
            'length of neck.in_channels is 3.*out_indices is 4',
        ),
        (
            dict(roi_head__bbox_head__roi_size=7),
            'bbox_head.roi_size is 7.*roi_head.roi_size is 3',
        ),
        (
            {
                **C4,
                'roi_head__roi_size': 7,
                'roi_head__bbox_head': dict(
                    type='InsLocConvFCHead', in_channels=32, roi_size=7
                ),
            },
            'bbox_head.roi_size is 7.*behind the shared head is 4',
        ),
        (dict(backbone__norm_eval=True), 'norm_eval is True'),
        (
            {
                **C4,
                'roi_head__shared_head': dict(
                    type='InsLocRes5', depth=18, base_channels=8
                ),
            },
            'in_channels is 32.*channels is 64',
        ),
        ({**C4, 'backbone__out_indices': (1, 2)}, 'strides is 1.*maps is 2'),
    ],
)
def test_parts_that_do_not_fit_are_refused_at_build(
    registered, changes, message
):
    with pytest.raises(UserError, match=message):
        build(**changes)


def test_a_map_of_a_middle_stage_is_not_held_against_the_last(registered):
    middle = {
        **C4,
        'backbone__num_stages': 4,
        'backbone__strides': (1, 2, 2, 2),
        'backbone__dilations': (1, 1, 1, 1),
    }
    model = build(**middle)
    assert model.roi_head.in_channels == 16
    assert total(model(*batch(), mode='loss')).isfinite()


def test_a_batch_that_does_not_divide_the_queue_is_refused(registered):
    model = build()
    with pytest.raises(UserError, match='queue of 16 .* batch of 5'):
        model.check_batch(5)
    with pytest.raises(UserError, match='queue of 16 .* batch of 3'):
        model(*batch(3), mode='loss')


COUNTS = dict(backbone=23_508_032, neck=3_346_432, roi_head=16_388_224)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['insloc_r50_fpn', 'insloc_r50_c4'])
def test_paper_configs(registered, name):
    from mmpretrain.registry import MODELS

    from ssl_bench.config import load_config

    config = load_config(name)
    assert config.auto_scale_lr.base_batch_size == 256
    assert config.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    longer = load_config(f'{name}_400e')
    assert longer.train_cfg.max_epochs == 400
    assert longer.param_scheduler[0].T_max == 400
    assert longer.model == config.model
    model = MODELS.build(config.model)
    assert model.queue.features.shape == (1 if 'c4' in name else 4, 128, 65536)
    sizes = {
        part: sum(p.numel() for p in module.parameters())
        for part, module in model._query().items()
    }
    if 'fpn' in name:
        assert sizes == COUNTS
    else:  # the same ResNet-50, cut before res5, and 2048 -> 2048 -> 128
        res5 = model.roi_head.shared_head
        projection = 2048 * 2049 + 2049 * 128
        assert sizes['roi_head'] == projection + sum(
            p.numel() for p in res5.parameters()
        )
        assert sum(sizes.values()) == COUNTS['backbone'] + projection


@pytest.mark.parametrize('name', ['insloc_r18_fpn', 'insloc_r18_c4'])
def test_mini_configs_train_on_their_own_views(registered, name, photo):
    import numpy as np
    from mmengine.dataset import default_collate
    from mmpretrain.registry import MODELS, TRANSFORMS

    from ssl_bench.config import load_config

    config = load_config(f'mini/{name}')
    np.random.seed(0)
    torch.manual_seed(0)
    make, pack = (
        TRANSFORMS.build(step)
        for step in config.train_dataloader.dataset.pipeline
    )
    rows = [
        pack(
            make(
                dict(
                    img=photo[i : i + 200],
                    img_path='',
                    backgrounds=[photo[:, i + 100 : i + 300]] * 2,
                )
            )
        )
        for i in range(4)
    ]
    assert config.model.queue_length % config.train_dataloader.batch_size == 0
    model = MODELS.build(
        {**config.model, 'data_preprocessor': config.data_preprocessor}
    )
    data = model.data_preprocessor(default_collate(rows), True)
    loss = total(model(**data, mode='loss'))
    # a fresh network's two views are alike, the queue's vectors are random
    length = config.model.queue_length
    assert loss.item() >= model.levels * math.log(1 + length * math.exp(-10))
    assert loss.item() <= model.levels * math.log(1 + length) * 1.05
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model._query().parameters())
