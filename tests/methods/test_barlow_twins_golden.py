"""Barlow Twins against the official implementation's numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from torch import nn

import ssl_bench.methods  # noqa: F401  (registers the model)
from ssl_bench.config import load_config
from ssl_bench.engine.lars import PaperLARS
from ssl_bench.engine.schedules import warmup_cosine
from ssl_bench.layers.global_bn import GlobalBatchNorm
from ssl_bench.methods.barlow_twins import cross_correlation, redundancy_terms
from tests.devices import here

# read whole: forked processes would share the open file's position
PACK = dict(np.load(Path(__file__).parents[1] / 'data' / 'barlow_twins.npz'))


def array(key, dtype=torch.float64):
    value = here(torch.from_numpy(np.asarray(PACK[key])))
    return value.to(dtype) if value.is_floating_point() else value


def keys(prefix):
    return [key[len(prefix) :] for key in PACK if key.startswith(prefix)]


def close(actual, key, rtol=1e-9, atol=1e-11):
    """Equal to an array of the pack; float32 where ``actual`` is."""
    torch.testing.assert_close(
        actual.detach(), array(key, actual.dtype), rtol=rtol, atol=atol
    )


TOLERANCE = {
    torch.float64: dict(rtol=1e-9, atol=1e-11),
    torch.float32: dict(rtol=1e-5, atol=1e-6),
}


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
@pytest.mark.parametrize('case', ['loss0', 'loss1', 'loss2'])
def test_loss(case, dtype):
    """Equation 1: correlation, both terms, gradients, running statistics."""
    z1, z2 = (array(f'{case}/z{i}', dtype).requires_grad_() for i in (1, 2))
    bn = GlobalBatchNorm(z1.shape[1], affine=False).to(dtype)
    c = cross_correlation(bn(z1), bn(z2), int(PACK[f'{case}/divisor']))
    on, off = redundancy_terms(c)
    loss = on + float(PACK[f'{case}/lambda']) * off
    loss.backward()
    tolerance = TOLERANCE[dtype]
    close(c, f'{case}/c', **tolerance)
    close(on, f'{case}/on_diag', **tolerance)
    close(off, f'{case}/off_diag', **tolerance)
    close(loss, f'{case}/loss', **tolerance)
    close(z1.grad, f'{case}/grad_z1', **tolerance)
    close(z2.grad, f'{case}/grad_z2', **tolerance)
    close(bn.running_mean, f'{case}/after_running_mean', **tolerance)
    close(bn.running_var, f'{case}/after_running_var', **tolerance)
    assert int(bn.num_batches_tracked) == PACK[f'{case}/after_num_batches']


def our_name(name):
    """The official projector's and norm's names in our model."""
    for theirs, ours in (
        ('projector.0', 'neck.fc0'),
        ('projector.1', 'neck.bn0'),
        ('projector.3', 'neck.fc1'),
        ('projector.4', 'neck.bn1'),
        ('projector.6', 'neck.fc2'),
    ):
        name = name.replace(theirs, ours)
    return f'head.{name}' if name.startswith('bn.') else name


def build(backbone, case):
    """The pack's tiny model: 16 -> 24 -> 24 -> 12."""
    assert PACK[f'{case}/divisor'] == len(
        PACK[{'projector': 'projector/h1', 'step': 'step/step0/view1'}[case]]
    )
    return MODELS.build(
        dict(
            type='PaperBarlowTwins',
            backbone=backbone,
            neck=dict(
                type='NonLinearNeck',
                in_channels=16,
                hid_channels=24,
                out_channels=12,
                num_layers=3,
                with_last_bn=False,
                with_avg_pool=False,
                norm_cfg=dict(type='GlobalBN'),
            ),
            head=dict(
                type='CrossCorrelationHead',
                in_channels=12,
                lambd=float(PACK[f'{case}/lambda']),
            ),
        )
    ).train()


def load(model, prefix):
    """Fill every tensor of the model from the pack."""
    model.load_state_dict(
        {our_name(name): array(prefix + name) for name in keys(prefix)}
    )


class Features(nn.Module):
    """A backbone that hands its input on."""

    def forward(self, x):
        return (x,)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_projector_and_head(dtype):
    """Projector, final norm, loss; gradients and buffers."""
    model = build(Features(), 'projector').to(dtype)
    load(model, 'projector/w/')
    model.to(dtype)
    h1, h2 = (array(f'projector/h{i}', dtype).requires_grad_() for i in (1, 2))
    z = []
    handle = model.neck.register_forward_hook(
        lambda _, inputs, output: z.append(output[0])
    )
    loss = model.loss([h1, h2], [])['loss']
    handle.remove()
    loss.backward()
    single = dtype == torch.float32
    loose = dict(rtol=1e-5, atol=5e-6) if single else {}
    close(z[0], 'projector/z1', **loose)
    close(z[1], 'projector/z2', **loose)
    close(loss, 'projector/loss', **loose)
    close(h1.grad, 'projector/grad_h1', **loose)
    close(h2.grad, 'projector/grad_h2', **loose)
    loose = dict(rtol=1e-4, atol=2e-5) if single else {}
    params = dict(model.named_parameters())
    for name in keys('projector/grad/'):
        close(params[our_name(name)].grad, f'projector/grad/{name}', **loose)
    state = model.state_dict()
    for name in keys('projector/after/'):
        close(state[our_name(name)], f'projector/after/{name}', **loose)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_lars(dtype):
    """Four steps; zero weights and zero gradients among them."""
    params = {
        name: nn.Parameter(array(f'lars/p0/{name}', dtype))
        for name in keys('lars/p0/')
    }
    flat = [p for p in params.values() if p.ndim == 1]
    deep = [p for p in params.values() if p.ndim > 1]
    optimizer = PaperLARS(
        [dict(params=deep), dict(params=flat)],
        lr=0.0,
        eps=0.0,
        weight_decay=float(PACK['lars/weight_decay']),
    )
    for step in range(4):
        for group, kind in zip(optimizer.param_groups, ('weights', 'biases')):
            group['lr'] = float(PACK[f'lars/lr_{kind}'][step])
        for name, p in params.items():
            p.grad = array(f'lars/grad{step}/{name}', dtype)
        optimizer.step()
        for name, p in params.items():
            close(p, f'lars/p{step + 1}/{name}', **TOLERANCE[dtype])
            close(
                optimizer.state[p]['momentum_buffer'],
                f'lars/mu{step + 1}/{name}',
                **TOLERANCE[dtype],
            )


@pytest.mark.parametrize('case', ['official', 'e300', 'tiny'])
def test_learning_rates(case):
    """Both rates at every recorded step."""
    epochs, length, batch = (
        int(PACK[f'lr/{case}/cfg_{name}'])
        for name in ('epochs', 'steps_per_epoch', 'batch')
    )
    for kind, rate in (('weights', 0.2), ('biases', 0.0048)):
        base = rate * batch / 256
        actual = [
            warmup_cosine(
                int(step),
                base,
                10 * length,
                epochs * length,
                final=0.001 * base,
            )
            for step in PACK[f'lr/{case}/step']
        ]
        np.testing.assert_allclose(
            actual, PACK[f'lr/{case}/lr_{kind}'], rtol=1e-12, atol=1e-15
        )


class Encoder(nn.Module):
    """The pack's tiny residual encoder."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.downsample = nn.Sequential(
            nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16)
        )

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(y)) + self.downsample(y)).relu()


class Pooled(nn.Module):
    """Encoder and spatial mean."""

    def __init__(self):
        super().__init__()
        self.enc = Encoder()

    def forward(self, x):
        return (self.enc(x).mean((2, 3)),)


def optimizer_of_configs(model, lr, bias_factor):
    """The optimizer wrapper of the configs, the bias factor replaced."""
    wrapper = load_config('barlow_twins_r50_1000e').optim_wrapper
    wrapper.type = 'OptimWrapper'
    wrapper.optimizer.lr = lr
    # the pack is of one process, the configs are of 16
    wrapper.optimizer.weight_decay = float(PACK['step/weight_decay'])
    for key in wrapper.paramwise_cfg.custom_keys:
        wrapper.paramwise_cfg.custom_keys[key] = dict(lr_mult=bias_factor)
    return build_optim_wrapper(model, wrapper)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_three_steps(dtype):
    """Model and optimizer together: losses, gradients, states."""
    model = build(Pooled(), 'step')
    load(model, 'step/sd0/')
    model.to(dtype)
    epochs, length, batch = (
        int(PACK[f'step/cfg_{name}'])
        for name in ('epochs', 'steps_per_epoch', 'batch')
    )
    wrapper = optimizer_of_configs(model, 0.2 * batch / 256, 0.024)
    groups = wrapper.optimizer.param_groups
    bases = [group['lr'] for group in groups]
    single = dtype == torch.float32
    names = {id(p): name for name, p in model.named_parameters()}
    for k in range(3):
        step = int(PACK[f'step/step{k}/index'])
        for group, base in zip(groups, bases):
            group['lr'] = warmup_cosine(
                step, base, 10 * length, epochs * length, final=0.001 * base
            )
            name = names[id(group['params'][0])]
            kind = 'biases' if group['params'][0].ndim == 1 else 'weights'
            assert group['lr'] == pytest.approx(
                float(PACK[f'step/step{k}/lr_{kind}']), rel=1e-12
            ), name
        views = [array(f'step/step{k}/view{i}', dtype) for i in (1, 2)]
        loss = model.loss(views, [])['loss']
        wrapper.optimizer.zero_grad()
        loss.backward()
        close(
            loss,
            f'step/step{k}/loss',
            **(dict(rtol=1e-4, atol=0) if single else {}),
        )
        params = dict(model.named_parameters())
        for name in keys(f'step/step{k}/grad/'):
            close(
                params[our_name(name)].grad,
                f'step/step{k}/grad/{name}',
                **(dict(rtol=1e-3, atol=2e-4) if single else {}),
            )
        wrapper.step()
        state = model.state_dict()
        for name in keys(f'step/sd{k + 1}/'):
            close(
                state[our_name(name)],
                f'step/sd{k + 1}/{name}',
                **(dict(rtol=1e-4, atol=1e-5) if single else {}),
            )


class Flat(nn.Module):
    """The parameters of the pack's optimizer, by names of the configs."""

    def __init__(self):
        super().__init__()
        for name in keys('lars/p0/'):
            layer = nn.Module()
            value = nn.Parameter(array(f'lars/p0/{name}'))
            kind = 'bn' if name == 'gamma' else name.replace('bias', 'bn_bias')
            layer.register_parameter('values', value)
            self.add_module(f'p_{kind}', layer)


def test_configs_take_the_steps_of_sixteen_processes():
    """The released gradient is a 16th; its optimizer, on that, as ours."""
    ours, theirs = Flat(), Flat()
    settings = load_config('barlow_twins_r50_1000e').optim_wrapper
    settings.type = 'OptimWrapper'
    optimizer = build_optim_wrapper(ours, settings).optimizer
    flat = [p for p in theirs.parameters() if p.ndim == 1]
    deep = [p for p in theirs.parameters() if p.ndim > 1]
    batch = 2048 / 256
    released = PaperLARS(  # its form is held by test_lars
        [
            dict(params=deep, lr=0.2 * batch, weight_decay=1e-6),
            dict(params=flat, lr=0.0048 * batch),
        ],
        lr=1.0,
        eps=0.0,
    )
    names = keys('lars/p0/')
    for step in range(4):
        for p, q, name in zip(
            ours.parameters(), theirs.parameters(), names, strict=True
        ):
            # as small as late in training, where the decay counts
            p.grad = array(f'lars/grad{step}/{name}') * 1e-4
            q.grad = p.grad / 16
        optimizer.step()
        released.step()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-14)
