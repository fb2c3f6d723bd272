"""The baselines against numbers of their released programs."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmpretrain.models.utils import CosineEMA
from mmpretrain.registry import MODELS
from torch import nn

from ssl_bench.config import load_config
from ssl_bench.engine.optim import set_precision
from ssl_bench.engine.schedules import warmup_cosine
from ssl_bench.methods.simclr import contrast_views
from tests.processes import run_in_processes

# read whole: forked processes would share the open file's position
PACK = dict(np.load(Path(__file__).parents[1] / 'data' / 'baselines.npz'))


TOLERANCE = {
    torch.float64: dict(rtol=1e-9, atol=1e-11),
    torch.float32: dict(rtol=5e-5, atol=5e-6),
}


@pytest.fixture(autouse=True)
def _double():
    """Tests are in float64, unless they ask for `precision`."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=TOLERANCE, ids=['float64', 'float32'])
def precision(request, _double):
    """Both precisions, of new tensors and of the pack's."""
    torch.set_default_dtype(request.param)


def array(key):
    value = torch.tensor(PACK[key])  # a copy: optimizers change it
    if value.is_floating_point():
        value = value.to(torch.get_default_dtype())
    return value


def group(prefix):
    """Arrays below a prefix, by the rest of their names."""
    return {
        key[len(prefix) :]: array(key)
        for key in PACK
        if key.startswith(prefix)
    }


def close(actual, expected, name=''):
    torch.testing.assert_close(
        actual.detach(),
        expected,
        **TOLERANCE[torch.get_default_dtype()],
        msg=lambda text: f'{name}: {text}',
    )


class Features(nn.Module):
    """A backbone that hands its input on."""

    def forward(self, x):
        return (x,)


class Convolution(nn.Module):
    """The backbone of the pack's DenseCL."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 3, 2, 1)

    def forward(self, x):
        return (self.conv(x).relu(),)


LAYERS = dict(
    simsiam=[
        *((f'encoder.fc.{3 * i}.', f'neck.fc{i}.') for i in range(3)),
        *((f'encoder.fc.{3 * i + 1}.', f'neck.bn{i}.') for i in range(3)),
        *(
            (f'predictor.{i}.', f'head.predictor.{name}.')
            for i, name in ((0, 'fc0'), (1, 'bn0'), (3, 'fc1'), (4, 'bn1'))
        ),
    ],
    mocov1=[
        ('encoder_q.fc.', 'neck.fc.'),
        ('encoder_k.fc.', 'encoder_k.module.1.fc.'),
        ('queue', 'queue'),
    ],
    mocov2=[
        ('encoder_q.fc.', 'neck.mlp.'),
        ('encoder_k.fc.', 'encoder_k.module.1.mlp.'),
        ('queue', 'queue'),
    ],
    densecl=[
        ('encoder_q.0.', 'backbone.'),
        ('encoder_q.1.', 'neck.'),
        ('encoder_k.', 'encoder_k.module.'),
        ('queue', 'queue'),
    ],
)
for kind, part in (('vit', 'head'), ('resnet', 'fc')):
    LAYERS[f'mocov3_{kind}'] = [
        (f'{side}.{part}.{3 * i + j}.', f'{ours}{layer}{i}.')
        for side, ours in (
            ('base_encoder', 'neck.'),
            ('momentum_encoder', 'momentum_encoder.module.1.'),
        )
        for i in range(3)
        for j, layer in enumerate(('fc', 'bn'))
    ] + LAYERS['simsiam'][-4:]
# config, and the pack's sizes
CASES = dict(
    simsiam=(
        'simsiam_r50_100e',
        {
            'neck.in_channels': 10,
            'neck.hid_channels': 10,
            'neck.out_channels': 10,
            'head.predictor.in_channels': 10,
            'head.predictor.hid_channels': 5,
            'head.predictor.out_channels': 10,
        },
    ),
    mocov1=(
        'mocov1_r50_200e',
        {'neck.in_channels': 10, 'neck.out_channels': 6},
    ),
    mocov2=(
        'mocov2_r50_200e',
        {
            'neck.in_channels': 10,
            'neck.hid_channels': 10,
            'neck.out_channels': 6,
        },
    ),
    densecl=(
        'densecl_r50_200e',
        {
            'neck.in_channels': 10,
            'neck.hid_channels': 8,
            'neck.out_channels': 6,
        },
    ),
)
for kind, config in (('vit', 'vitb16_300e'), ('resnet', 'r50_100e')):
    CASES[f'mocov3_{kind}'] = (
        f'mocov3_{config}',
        {
            'neck.in_channels': 10,
            'neck.hid_channels': 9,
            'neck.out_channels': 6,
            'head.predictor.in_channels': 6,
            'head.predictor.hid_channels': 9,
            'head.predictor.out_channels': 6,
        },
    )
QUEUED = ('mocov1', 'mocov2', 'densecl')


def our_name(case, name):
    """A name of the released program in our model; None if it has none."""
    found = [
        new + name[len(old) :]
        for old, new in LAYERS[case]
        if name.startswith(old)
    ]
    return found[0] if found else None


def build(case, prefix):
    """The config's model on vectors, with the pack's sizes and weights."""
    name, sizes = CASES[case]
    sizes = {f'model.{key}': value for key, value in sizes.items()}
    if case in QUEUED:
        sizes |= {'model.queue_len': 32, 'model.feat_dim': 6}
    model = copy.deepcopy(load_config(name, sizes).model)
    model.backbone = Convolution() if case == 'densecl' else Features()
    for part in (model.neck, model.head.get('predictor', {})):
        if part.get('type') == 'NonLinearNeck':
            part.norm_cfg = dict(type='BN1d')
    model = MODELS.build(model).train()
    state = {
        our_name(case, key): value
        for key, value in group(f'{prefix}w/').items()
    }
    # the shift before the last norm of SimSiam, which undoes it; the second
    # name of DenseCL's backbone
    for name in ('neck.fc2.bias', None):
        state.pop(name, None)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert unexpected == []
    assert all(key.endswith('.steps') for key in missing)
    for average in ('encoder_k', 'momentum_encoder'):
        if hasattr(model, average):  # mmengine copies in the first step
            getattr(model, average).steps.fill_(1)
    return model


def views(case, prefix):
    """Both views as leaves of the graph."""
    if case == 'densecl':
        images = array(f'{prefix}img')
        return [images[:, i].clone().requires_grad_() for i in (0, 1)]
    return [
        array(f'{prefix}x{i}')[..., None, None].requires_grad_()
        for i in (1, 2)
    ]


def run(case, prefix):
    """Loss, gradients and state of one step of our model."""
    MessageHub.get_current_instance().update_info('max_iters', 10**9)
    model = build(case, prefix)
    inputs = views(case, prefix)
    losses = model.loss(inputs, [])
    sum(losses.values()).backward()
    grads = {
        name: p.grad
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    return dict(
        losses={name: loss.detach() for name, loss in losses.items()},
        grads=grads,
        inputs=[x.grad for x in inputs],
        state=dict(model.state_dict()),
    )


def check(case, prefix, result):
    """Every number that the pack has of this model."""
    close(sum(result['losses'].values()), array(f'{prefix}loss'), 'loss')
    for name in ('loss_single', 'loss_dense'):
        if f'{prefix}{name}' in PACK:  # with their weights of a half
            close(result['losses'][name], array(f'{prefix}{name}'), name)
    for name, expected in group(f'{prefix}grad/').items():
        if name == 'img':
            for i, grad in enumerate(result['inputs']):
                if grad is not None:
                    close(grad, expected[:, i], name)
        elif name in ('x1', 'x2'):
            grad = result['inputs'][int(name[1]) - 1]
            close(grad[..., 0, 0], expected, name)
        else:
            close(result['grads'][our_name(case, name)], expected, name)
    for name, expected in group(f'{prefix}after/').items():
        ours = our_name(case, name)
        if re.match(r'momentum_encoder.*\.(running|num_batches)', name):
            continue  # never read in training; mmpretrain copies them
        if name == 'encoder.fc.7.running_mean':  # the shift, in two passes
            shift = array(f'{prefix}w/encoder.fc.6.bias')
            expected = expected - (0.9 * 0.1 + 0.1) * shift
        close(result['state'][ours], expected, name)


@pytest.mark.usefixtures('device', 'precision')
@pytest.mark.parametrize('case', CASES)
def test_models(case):
    """Loss, all gradients, key encoders, queues and statistics."""
    check(case, f'{case}/', run(case, f'{case}/'))


def assignments(prefix, world):
    """Step after step: what the loss computes from the pack's inputs."""
    crops = [int(n) for n in PACK[f'{prefix}crops']]
    length = int(PACK[f'{prefix}queue_length']) * world
    settings = load_config('swav_r50_200e').model.head.loss
    loss = MODELS.build(
        dict(settings)
        | dict(
            feat_dim=6, num_prototypes=7, num_crops=crops, queue_length=length
        )
    )
    weight = loss.prototypes.weight
    start, steps = array(f'{prefix}w'), []
    for t in range(int(PACK[f'{prefix}iters'])):
        weight.data.copy_(start)
        weight.grad = None
        frozen = t < int(PACK[f'{prefix}freeze'])
        weight.requires_grad_(not frozen)
        x = array(f'{prefix}{t}/x').requires_grad_()
        shares, assign = [], loss._assign
        loss._assign = lambda *a: shares.append(assign(*a)) or shares[-1]
        value = loss(F.normalize(x, dim=-1).flatten(0, 1))
        loss._assign = assign
        value.backward()
        steps.append(
            dict(
                loss=value.detach(),
                q=torch.stack(shares),
                grad_x=x.grad,
                queue_after=loss.queue.clone(),
            )
        )
        if not frozen:
            steps[-1]['grad_prototypes'] = weight.grad.clone()
            weight.data -= float(PACK[f'{prefix}lr']) * weight.grad
        steps[-1]['prototypes_after'] = weight.detach().clone()
        start = array(f'{prefix}{t}/prototypes_after')
    return steps


def check_assignments(prefix, steps, rank=0, world=1):
    assert len(steps) == PACK[f'{prefix}iters']
    for t, step in enumerate(steps):
        for name, expected in group(f'{prefix}{t}/').items():
            if name == 'x':
                continue
            actual = step[name]
            if name == 'queue_after':  # batches of all processes, in order
                rows = actual.unflatten(1, (-1, world, 4))
                actual = rows[:, :, rank].flatten(1, 2)
            close(actual, expected, f'{t}/{name}')


@pytest.mark.usefixtures('device', 'precision')
@pytest.mark.parametrize('case', ['swav', 'swav_queue'])
def test_swav(case):
    """Assignments, losses, gradients and the queue, five steps."""
    check_assignments(f'{case}/', assignments(f'{case}/', 1))


def contrast(prefix):
    hidden = array(f'{prefix}hidden').requires_grad_()
    loss = contrast_views(*hidden.chunk(2), float(PACK['simclr/temperature']))
    loss.backward()
    return loss.detach(), hidden.grad


@pytest.mark.usefixtures('device', 'precision')
def test_simclr():
    loss, grad = contrast('simclr/')
    close(loss, array('simclr/loss'))
    close(grad, array('simclr/grad'))
    head = load_config('simclr_r50_200e').model.head
    assert head.temperature == float(PACK['simclr/temperature'])


TWO = ('mocov1', 'mocov2', 'densecl', 'mocov3_vit', 'mocov3_resnet')


def pair(case, prefix):
    """One direction of MoCo v3's loss from embeddings."""
    name, sizes = CASES[case]
    head = MODELS.build(load_config(name).model.head)
    head.predictor = Features()
    head.predictor.forward = lambda inputs: inputs
    query = array(f'{prefix}pair/q').requires_grad_()
    loss = head.loss(query, array(f'{prefix}pair/k'))
    loss.backward()
    return loss.detach(), query.grad


def two(rank):
    """What this process computes in every case."""
    torch.set_default_dtype(torch.float64)
    results = {}
    for case in TWO:
        prefix = f'two/r{rank}/{case}/'
        compute = pair if case.startswith('mocov3') else run
        results[case] = compute(case, prefix)
    for case in ('swav', 'swav_queue'):
        results[case] = assignments(f'two/r{rank}/{case}/', 2)
    results['simclr'] = contrast(f'simclr/two/r{rank}/')
    return results


@pytest.fixture(scope='module')
def ranks():
    return run_in_processes(two, 2)


@pytest.mark.parametrize('rank', [0, 1])
@pytest.mark.parametrize('case', [*TWO, 'swav', 'swav_queue', 'simclr'])
def test_two_processes(ranks, case, rank):
    """Each process of two, as the released programs on two."""
    result, prefix = ranks[rank][case], f'two/r{rank}/{case}/'
    if case == 'simclr':
        loss, grad = result
        close(loss, array(f'simclr/two/r{rank}/loss'))
        # that of the sum of both losses; data-parallel training averages
        close(grad / 2, array(f'simclr/two/r{rank}/grad'))
    elif case.startswith('swav'):
        check_assignments(prefix, result, rank, 2)
    elif case.startswith('mocov3'):
        close(result[0], array(f'{prefix}pair/loss'))
        close(result[1], array(f'{prefix}pair/grad_q'))
    else:
        check(case, prefix, result)


@pytest.mark.usefixtures('device', 'precision')
def test_byol_loss():
    """The released value is higher by 4: 2 - 2 cos in each direction."""
    head = MODELS.build(load_config('byol_r50_300e').model.head)
    head.predictor = Features()
    head.predictor.forward = lambda inputs: inputs
    preds = [array(f'byol/pred{i}').requires_grad_() for i in (1, 2)]
    targets = [array(f'byol/target{i}') for i in (2, 1)]
    loss = 2 * sum(map(head.loss, preds, targets))
    loss.backward()
    close(loss + 4, array('byol/loss'))
    for i, pred in enumerate(preds, 1):
        close(pred.grad, array(f'byol/grad/pred{i}'))


@pytest.mark.usefixtures('device', 'precision')
@pytest.mark.parametrize('case', ['mae', 'mae_raw'])
def test_mae_loss(case):
    head = MODELS.build(
        dict(load_config('mae_vitb16_800e').model.head)
        | dict(patch_size=int(PACK[f'{case}/patch']))
        | (dict(norm_pix=False) if case == 'mae_raw' else {})
    )
    pred = array(f'{case}/pred').requires_grad_()
    images = array(f'{case}/imgs')
    close(head.patchify(images), array(f'{case}/target'))
    loss = head.loss(pred, images, array(f'{case}/mask'))
    loss.backward()
    close(loss, array(f'{case}/loss'))
    close(pred.grad, array(f'{case}/grad/pred'))


@pytest.mark.usefixtures('device', 'precision')
@pytest.mark.parametrize(
    'case, config',
    [
        ('byol', 'byol_r50_300e'),
        ('simclr', 'simclr_r50_200e'),
        ('mocov3', 'mocov3_r50_100e'),
    ],
)
def test_lars(case, config):
    """Four steps of the config's optimizer; norms and biases excluded."""
    prefix = f'{case}_lars/'
    start = group(f'{prefix}p0/')
    model = nn.Module()
    for key, value in start.items():
        # the scales and shifts of haiku have two axes, of which one is 1
        value = value[0] if key.startswith('batchnorm') else value
        name = 'p/' + key.replace('.', '/')
        model.register_parameter(name, nn.Parameter(value))
    settings = load_config(config).optim_wrapper
    set_precision(settings, 'OptimWrapper')
    settings.optimizer.weight_decay = float(PACK[f'{prefix}weight_decay'])
    optimizer = build_optim_wrapper(model, settings).optimizer
    for step, lr in enumerate(PACK[f'{prefix}lr']):
        for entry in optimizer.param_groups:
            entry['lr'] = float(lr)
        for key, p in model.named_parameters():
            grad = array(f'{prefix}grad{step}/{key[2:].replace("/", ".")}')
            p.grad = grad.reshape(p.shape)
        optimizer.step()
        for key, p in model.named_parameters():
            expected = array(
                f'{prefix}p{step + 1}/{key[2:].replace("/", ".")}'
            )
            close(p, expected.reshape(p.shape), f'{step} {key}')


@pytest.mark.parametrize('case', ['e300', 'e1000', 'tiny'])
def test_byol_schedules(case):
    """The rate (computed in float32 there) and the target's momentum."""
    pack = group(f'byol_sched/{case}/')
    total, warmup = int(pack['total']), int(pack['warmup'])
    peak = float(pack['lr'].max())
    if case == 'e300':
        assert load_config('byol_r50_300e').optim_wrapper.optimizer.lr == 4.8
        assert peak == pytest.approx(4.8, rel=1e-6)
    rates = [
        warmup_cosine(int(step), peak, warmup, total) for step in pack['step']
    ]
    np.testing.assert_allclose(rates, pack['lr'], rtol=2e-6, atol=1e-9)
    MessageHub.get_current_instance().update_info('max_iters', total)
    base = float(pack['ema'][0])
    average = CosineEMA(nn.Linear(1, 1), momentum=1 - base)
    for step, expected in zip(pack['step'], pack['ema']):
        weight, source = torch.zeros(()).double(), torch.ones(()).double()
        average.avg_func(weight, source, int(step))
        close(1 - weight, expected)
