"""InsLoc against the golden vectors of the official implementation.

Tolerances are five times the difference that the reference itself shows
between float32 and float64 runs.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ssl_bench.layers import FeatureQueue, MomentumEncoder
from ssl_bench.methods.insloc.roi_head import level_rois
from tests.devices import DEVICES, here, on_device
from tests.processes import run_in_processes


class Pack(dict):
    """Arrays by name, on the device of `on_device`."""

    def __getitem__(self, name):
        return here(super().__getitem__(name))


GOLDEN = Pack(
    (name, torch.from_numpy(array))
    for name, array in np.load(
        Path(__file__).parents[1] / 'data/insloc.npz'
    ).items()
    if array.dtype != np.dtype('O')
)
LEVELS = 4


def group(prefix):
    """Tensors whose names start with a prefix, without it."""
    return {
        name[len(prefix) :]: GOLDEN[name]
        for name in GOLDEN
        if name.startswith(prefix)
    }


def close(got, name, tol):
    torch.testing.assert_close(
        got.detach(),
        GOLDEN[name].to(got),
        rtol=0,
        atol=5 * tol,
        msg=lambda message: f'{name}: {message}',
    )


# (b) RoI features: Sec. 3.2, "RoI features of every level".
def maps():
    return [GOLDEN[f'roi_map{i}'].clone() for i in range(LEVELS)]


@pytest.mark.usefixtures('device')
def test_query_rois_use_the_augmented_box_on_the_last_level_only():
    levels = maps()
    levels[3].requires_grad_()
    exact, augmented = GOLDEN['roi_gt'], GOLDEN['roi_aug']
    rois = level_rois(
        levels,
        GOLDEN['roi_strides'].tolist(),
        [exact, exact, exact, augmented],
        7,
    )
    close(rois, 'roi_out_q', 1.3e-6)
    (rois * GOLDEN['roi_cot']).sum().backward()
    close(levels[3].grad, 'roi_grad_last', 9e-7)


@pytest.mark.usefixtures('device')
def test_key_rois_are_exact_on_all_levels():
    rois = level_rois(
        maps(), GOLDEN['roi_strides'].tolist(), [GOLDEN['roi_gt']] * LEVELS, 7
    )
    close(rois, 'roi_out_k', 1.5e-6)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('size', [14, 7])
def test_c4_rois(size):
    rois = level_rois([GOLDEN['c4_map']], [16], [GOLDEN['c4_box']], size)
    close(rois, f'c4_out{size}', 1.9e-6)


# (c) the embedding head: Sec. 4, "4 conv + 2 fc".
@pytest.mark.usefixtures('device')
def test_head(registered):
    from ssl_bench.methods.insloc.roi_head import InsLocConvFCHead

    head = InsLocConvFCHead(
        4,
        3,
        num_convs=4,
        conv_channels=5,
        num_fcs=2,
        fc_channels=8,
        out_channels=6,
    )
    load_all(head, group('head_p.'))
    x = GOLDEN['head_x'].clone().requires_grad_()
    out = head(x)
    close(out, 'head_out', 7e-7)
    (out * GOLDEN['head_cot']).sum().backward()
    close(x.grad, 'head_grad_x', 4e-7)
    for name in group('head_g.'):
        close(head.get_parameter(name).grad, f'head_g.{name}', 2e-6)
    for name in group('head_after.'):
        close(head.get_buffer(name), f'head_after.{name}', 7e-8)


def load_all(module, state):
    """Every given tensor fits, and only BN statistics are not given."""
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(
        'running_' in name or 'num_batches' in name for name in missing
    ), missing


# (d) the contrastive step: InfoNCE per level, queue per level.
def contrast(raw_q, raw_k, queue, temperature, own=slice(None)):
    """One step from raw rows ``sample * levels + level``."""
    from torch.nn.functional import normalize

    from ssl_bench.methods.insloc.model import level_losses

    query = normalize(raw_q, dim=1).unflatten(0, (-1, LEVELS))
    keys = normalize(raw_k, dim=1).unflatten(0, (-1, LEVELS))
    losses, accuracy = level_losses(
        query, keys[own], queue.snapshot(), temperature
    )
    queue.enqueue(keys)
    return losses, accuracy


def golden_queue(prefix):
    features = GOLDEN[f'{prefix}_queues0']
    queue = FeatureQueue(features.shape[2], features.shape[1], LEVELS)
    queue.features.copy_(features)
    queue.pointer.copy_(GOLDEN[f'{prefix}_ptr0'])
    return queue


@pytest.mark.usefixtures('device')
def test_two_contrastive_steps_and_the_wrap_of_the_queue():
    queue = golden_queue('con')
    samples = len(GOLDEN['con1_q']) // LEVELS
    assert GOLDEN['con_dims'].tolist() == [samples, *queue.features.shape]
    for step in ('con1', 'con2'):
        raw = GOLDEN[f'{step}_q'].clone().requires_grad_()
        losses, accuracy = contrast(
            raw, GOLDEN[f'{step}_k'], queue, GOLDEN['con_T'].item()
        )
        total = (losses * GOLDEN['con_w']).sum()
        total.backward()
        close(losses, f'{step}_loss', 3e-7)
        close(accuracy, f'{step}_acc', 3e-7)
        close(total[None], f'{step}_total', 3e-7)
        close(raw.grad, f'{step}_grad_q', 6e-8)
        close(queue.features, f'{step}_queues', 6e-8)
        assert torch.equal(queue.pointer, GOLDEN[f'{step}_ptr'])


def contrastive_rank(rank):
    """One process's share of the step with shuffled keys."""
    from ssl_bench.layers import BatchShuffle

    queue = golden_queue('ddp')
    raw_q = GOLDEN['ddp_q'][rank].clone().requires_grad_()
    # the encoder is left out: a key row is looked up by its sample
    samples = torch.arange(2 * rank, 2 * rank + 2)
    shuffle = BatchShuffle(2, permutation=GOLDEN['ddp_perm'])
    (encoded,) = shuffle.shuffle(samples)
    table = GOLDEN['ddp_k'].flatten(0, 1).unflatten(0, (-1, LEVELS))
    raw_k = shuffle.restore_all(table[encoded]).flatten(0, 1)
    losses, accuracy = contrast(
        raw_q, raw_k, queue, 0.2, slice(2 * rank, 2 * rank + 2)
    )
    losses.sum().backward()
    return dict(
        rows=encoded,
        loss=losses.detach(),
        acc=accuracy,
        grad=raw_q.grad,
        queues=queue.features,
        ptr=queue.pointer,
    )


def test_two_processes_with_shuffled_keys():
    for rank, out in enumerate(run_in_processes(contrastive_rank, 2)):
        assert torch.equal(out['rows'], GOLDEN['ddp_key_rows'][rank])
        for key, name in (
            ('loss', 'ddp_loss'),
            ('acc', 'ddp_acc'),
            ('grad', 'ddp_grad_q'),
        ):
            torch.testing.assert_close(
                out[key], GOLDEN[name][rank], rtol=0, atol=5 * 3e-7
            )
        close(out['queues'], 'ddp_queues', 6e-8)
        assert torch.equal(out['ptr'], GOLDEN['ddp_ptr'])


# (e) the momentum update: Sec. 3.1.
@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('momentum, name', [(0.999, 'mom999'), (0.9, 'mom9')])
def test_momentum_update(momentum, name):
    def module(kind):
        out = nn.Module()
        for i in range(3):
            out.register_parameter(
                f'p{i}', nn.Parameter(GOLDEN[f'mom_{kind}_{i}'].clone())
            )
        out.register_buffer(
            'running_mean', GOLDEN[f'mom_{kind}_bn_running_mean'].clone()
        )
        return out

    query, key = module('q'), MomentumEncoder(module('k'), momentum)
    for step in range(1, 4):
        key.update(query)
        if step != 2:
            for i in range(3):
                close(
                    key.module.get_parameter(f'p{i}'),
                    f'{name}_after{step}_{i}',
                    3e-7,
                )
    assert torch.equal(
        key.module.running_mean, GOLDEN['mom_k_bn_running_mean_after']
    )


# (g) the learning rate: mmengine's scheduler as the configs set it.
def test_learning_rate_schedule():
    from mmengine.optim import CosineAnnealingLR

    for (epochs, epoch), (base, expected) in zip(
        GOLDEN['lr_epochs'].tolist(), GOLDEN['lr_values'].tolist()
    ):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=base)
        scheduler = CosineAnnealingLR(
            optimizer, T_max=epochs, by_epoch=True, begin=0, end=epochs
        )
        optimizer.step()
        for _ in range(epoch):
            scheduler.step()
        assert abs(optimizer.param_groups[0]['lr'] - expected) < 5 * 2e-9


# (h) the pyramid: mmdet's FPN with batch normalisation.
@pytest.mark.usefixtures('device')
def test_pyramid(registered):
    from mmdet.models.necks import FPN

    neck = FPN([2, 3, 4, 5], 3, 4, norm_cfg=dict(type='BN')).train()
    load_all(neck, group('fpn_p.'))
    outputs = neck([GOLDEN[f'fpn_x{i}'] for i in range(4)])
    assert len(outputs) == 4
    for i, output in enumerate(outputs):
        close(output, f'fpn_out{i}', 8e-7)


# (i) one whole step of a tiny network, in double precision.
@pytest.fixture(scope='module', params=DEVICES)
def stepped(request, registered):
    """The model and what its heads put out, after one SGD step."""
    with on_device(request.param):
        return one_step()


def one_step():
    from mmpretrain.registry import MODELS

    model = (
        MODELS.build(
            dict(
                type='InsLoc',
                queue_length=12,
                momentum=0.99,
                backbone=dict(
                    type='mmdet.ResNet',
                    depth=50,
                    stem_channels=4,
                    base_channels=2,
                    norm_eval=False,
                    zero_init_residual=False,
                ),
                neck=dict(
                    type='mmdet.FPN',
                    in_channels=[8, 16, 32, 64],
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
                        conv_channels=4,
                        fc_channels=16,
                        out_channels=8,
                    ),
                ),
            )
        )
        .double()
        .train()
    )
    names = [
        name
        for name in model.state_dict()
        if name.startswith(('backbone', 'neck', 'roi_head'))
    ]
    for networks, state in (
        (model._query(), group('e2e_q.')),
        (model.key_encoder.module, group('e2e_k.')),
    ):
        assert len(state) == 201 and set(state) <= set(names)
        load_all(networks, state)
    model.queue.features.copy_(GOLDEN['e2e_queues0'])
    model.queue.pointer.copy_(GOLDEN['e2e_ptr0'])
    raw = {}
    model.roi_head.register_forward_hook(
        lambda module, args, out: raw.update(q=out.detach())
    )
    model.key_encoder.module['roi_head'].register_forward_hook(
        lambda module, args, out: raw.update(k=out.detach())
    )
    optimizer = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad],
        lr=0.03,
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4,
    )
    samples = dict(
        boxes=torch.stack([GOLDEN['e2e_gt_q'], GOLDEN['e2e_gt_k']], 1),
        augmented_box=GOLDEN['e2e_aug'],
    )
    terms = model(
        [GOLDEN['e2e_img_q'].double(), GOLDEN['e2e_img_k'].double()],
        samples,
        mode='loss',
    )
    total, _ = model.parse_losses(terms)
    total.backward()
    optimizer.step()
    return model, raw, terms


def exact(got, name):
    """1e-6 of the largest entry, as the reference asks in float64."""
    expected = GOLDEN[name].double().to(got.device)
    bound = 1e-6 * max(expected.abs().max().item(), 1e-30)
    torch.testing.assert_close(
        got.detach().double(),
        expected,
        rtol=0,
        atol=bound,
        msg=lambda message: f'{name}: {message}',
    )


def test_step_embeddings_losses_and_queue(stepped):
    model, raw, terms = stepped
    exact(raw['q'], 'e2e_raw_q')
    exact(raw['k'], 'e2e_raw_k')
    for kind, name in (('loss', 'e2e_loss'), ('accuracy', 'e2e_acc')):
        exact(
            torch.stack([terms[f'{kind}_level{i}'] for i in range(LEVELS)]),
            name,
        )
    exact(model.queue.features, 'e2e_queues')
    assert torch.equal(model.queue.pointer.cpu(), GOLDEN['e2e_ptr'])


def test_step_gradients_and_new_weights(stepped):
    model, _, _ = stepped
    query, key = model._query(), model.key_encoder.module
    assert len(group('e2e_grad.')) == 8
    for name in group('e2e_grad.'):
        exact(query.get_parameter(name).grad, f'e2e_grad.{name}')
    for state, prefix in (
        (query.state_dict(), 'e2e_new_q.'),
        (key.state_dict(), 'e2e_new_k.'),
    ):
        assert len(group(prefix)) == 10
        for name in group(prefix):
            exact(state[name], f'{prefix}{name}')
