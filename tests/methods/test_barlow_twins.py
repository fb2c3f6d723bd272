"""Barlow Twins as a model: limits, gradients, processes, resume, refusals."""

import copy

import pytest
import torch
from mmpretrain.registry import MODELS
from torch import nn

from ssl_bench.methods.barlow_twins import cross_correlation, redundancy_terms
from tests.processes import run_in_processes


def tiny(width=16, **overrides):
    """A small convolutional model with synchronised norms."""
    model = MODELS.build(
        dict(
            type='PaperBarlowTwins',
            backbone=dict(
                type='ResNet',
                depth=18,
                stem_channels=4,
                base_channels=4,
                norm_cfg=dict(type='GlobalBN'),
            ),
            neck=dict(
                type='NonLinearNeck',
                in_channels=32,
                hid_channels=24,
                out_channels=width,
                num_layers=3,
                with_last_bn=False,
                norm_cfg=dict(type='GlobalBN'),
            ),
            head=dict(
                type='CrossCorrelationHead', in_channels=16, **overrides
            ),
        )
    )
    model.init_weights()
    return model.train()


def draw(seed, size=8):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 3, 32, 32, generator=g) for _ in range(2)]


def standardise(z):
    return (z - z.mean(0)) / z.std(0, unbiased=False)


def test_correlation_is_numpys():
    import numpy as np

    z1, z2 = (torch.randn(10, 4, dtype=torch.float64) for _ in range(2))
    expected = np.corrcoef(z1.T.numpy(), z2.T.numpy())[:4, 4:]
    actual = cross_correlation(standardise(z1), standardise(z2))
    torch.testing.assert_close(actual, torch.from_numpy(expected))


def test_terms_by_hand():
    c = torch.tensor([[1.0, 0.5], [-1.0, 0.0]])
    on, off = redundancy_terms(c)
    assert on == 1.0 and off == 1.25
    assert torch.equal(c, torch.tensor([[1.0, 0.5], [-1.0, 0.0]]))


def test_identity_is_the_only_zero():
    on, off = redundancy_terms(torch.eye(5))
    assert on == 0 and off == 0
    equal = standardise(torch.randn(6, 1)).expand(6, 3)
    on, off = redundancy_terms(cross_correlation(equal, equal))
    torch.testing.assert_close(on, torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(off, torch.tensor(6.0))


def test_invariances():
    """Views may change places; columns may be rescaled and shifted."""
    head = tiny().head.double()
    z1, z2 = (torch.randn(8, 16, dtype=torch.float64) for _ in range(2))
    loss = head.loss(z1, z2)
    torch.testing.assert_close(head.loss(z2, z1), loss)
    scale = torch.rand(16, dtype=torch.float64) + 1
    torch.testing.assert_close(
        head.loss(z1 * scale + 3, z2), loss, atol=1e-3, rtol=1e-4
    )  # eps of the norm


def test_equals_mmpretrains_on_one_process():
    ours, theirs = (
        tiny().head,
        MODELS.build(
            dict(
                type='LatentCrossCorrelationHead',
                in_channels=16,
                loss=dict(type='CrossCorrelationLoss'),
            )
        ),
    )
    z1, z2 = torch.randn(8, 16), torch.randn(8, 16)
    torch.testing.assert_close(ours.loss(z1, z2), theirs.loss(z1, z2))


def test_gradient_reaches_every_parameter():
    model = tiny()
    with torch.no_grad():  # the last scales of residual blocks start at 0
        for p in model.parameters():
            if p.ndim == 1:
                p.add_(torch.rand_like(p))
    model.loss(draw(0), [])['loss'].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def rank_step(rank):
    torch.manual_seed(0)
    model = tiny().double()
    views = [v.double()[4 * rank : 4 * rank + 4] for v in draw(0)]
    loss = model.loss(views, [])['loss']
    loss.backward()
    return dict(
        loss=loss.detach(),
        grad={name: p.grad for name, p in model.named_parameters()},
        buffers=dict(model.named_buffers()),
    )


def test_two_processes_equal_one():
    """Loss, averaged gradient and statistics of the joined batch."""
    ranks = run_in_processes(rank_step, 2)
    torch.manual_seed(0)
    model = tiny().double()
    loss = model.loss([v.double() for v in draw(0)], [])['loss']
    loss.backward()
    for out in ranks:  # every process sees the loss of the whole batch
        torch.testing.assert_close(out['loss'], loss.detach())
    for name, parameter in model.named_parameters():
        mean = (ranks[0]['grad'][name] + ranks[1]['grad'][name]) / 2
        torch.testing.assert_close(mean, parameter.grad)
    for name, value in model.named_buffers():
        torch.testing.assert_close(ranks[1]['buffers'][name], value)


def train(model, optimizer, steps):
    for step in steps:
        optimizer.zero_grad()
        model.loss(draw(step), [])['loss'].backward()
        optimizer.step()


def lars(model):
    from ssl_bench.engine.lars import PaperLARS

    return PaperLARS(model.parameters(), lr=0.1, weight_decay=1e-6, eps=0.0)


def test_resume_is_bit_identical():
    """2 + 2 steps equal 4."""
    straight = tiny()
    first = copy.deepcopy(straight)
    train(straight, lars(straight), range(4))
    optimizer = lars(first)
    train(first, optimizer, range(2))
    second = tiny()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = lars(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(second, resumed, range(2, 4))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_bfloat16_autocast_is_finite():
    model = tiny()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = model.loss(draw(0), [])['loss']
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    torch.testing.assert_close(
        loss.detach(),
        model.loss(draw(0), [])['loss'].detach(),
        rtol=0.05,
        atol=0.05,
    )


def test_overfits_and_does_not_collapse():
    torch.manual_seed(0)
    model = tiny()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    views, losses = draw(0, 32), []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.loss(views, [])['loss']
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
    z = model.neck(model.backbone(views[0]))[0]
    assert nn.functional.normalize(z, dim=1).std(0).mean() > 0.5 / 16**0.5


def test_refusals():
    with pytest.raises(ValueError, match='neck gives 12 .* expects 16'):
        tiny(width=12)
    with pytest.raises(ValueError, match='at least 2 images .* got 1'):
        tiny().head.loss(torch.randn(1, 16), torch.randn(1, 16))
