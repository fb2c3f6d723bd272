"""The momentum encoder: formula, statistics, schedule, resume, refusals."""

import math

import pytest
import torch
from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.layers import (
    MomentumEncoder,
    constant_momentum,
    cosine_momentum,
)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def perturb(module):
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.add_(torch.randn_like(tensor))
        for tensor in module.buffers():
            tensor.add_(2)


def test_cosine_momentum_runs_from_base_to_one():
    assert cosine_momentum(0, 100, 0.99) == pytest.approx(0.99, abs=1e-15)
    assert cosine_momentum(50, 100, 0.995) == pytest.approx(0.9975)
    assert cosine_momentum(100, 100, 0.99) == 1
    expected = 1 - 0.01 * (math.cos(math.pi * 0.25) + 1) / 2
    assert cosine_momentum(25, 100, 0.99) == pytest.approx(expected)
    assert constant_momentum(7, 10, 0.9) == 0.9


@pytest.mark.parametrize('statistics', ['own', 'average', 'copy'])
def test_update_moves_by_exactly_the_formula(statistics):
    source = network()
    key = MomentumEncoder(source, 0.9, statistics=statistics)
    perturb(source)
    before = {k: v.clone() for k, v in key.module.state_dict().items()}
    parameters = dict(source.named_parameters())
    key.update(source)
    for name, after in key.module.state_dict().items():
        new = source.state_dict()[name]
        averaged = 0.9 * before[name] + 0.1 * new
        if name in parameters:
            expected = averaged
        elif statistics == 'own':
            expected = before[name]
        elif statistics == 'copy' or not after.is_floating_point():
            expected = new
        else:
            expected = averaged
        torch.testing.assert_close(after, expected, msg=name)


def test_nothing_takes_gradient_and_the_source_still_does():
    source = network()
    key = MomentumEncoder(source)
    assert not any(p.requires_grad for p in key.parameters())
    assert all(p.requires_grad for p in source.parameters())
    assert not key(torch.randn(5, 3, requires_grad=True)).requires_grad


def test_schedule_counts_updates_and_goes_on_after_a_resume():
    source = network()
    key = MomentumEncoder(source, 0.9, schedule='cosine')
    key.set_total_steps(10)
    seen = []
    for _ in range(4):
        seen.append(key.momentum)
        key.update(source)
    assert seen == [cosine_momentum(k, 10, 0.9) for k in range(4)]
    resumed = MomentumEncoder(source, 0.9, schedule='cosine')
    resumed.load_state_dict(key.state_dict())
    resumed.set_total_steps(10)
    assert resumed.momentum == cosine_momentum(4, 10, 0.9)
    assert resumed.step.item() == 4


def test_a_given_momentum_wins():
    source = network()
    key = MomentumEncoder(source, 0.9)
    perturb(source)
    before = key.module[0].weight.clone()
    key.update(source, momentum=0.5)
    torch.testing.assert_close(
        key.module[0].weight, (before + source[0].weight) / 2
    )


def test_copy_from_makes_weights_and_statistics_equal():
    source = network()
    key = MomentumEncoder(source)
    perturb(source)
    key.copy_from(source)
    for a, b in zip(
        key.module.state_dict().values(), source.state_dict().values()
    ):
        assert torch.equal(a, b)


def test_evaluation_mode_for_ever():
    key = MomentumEncoder(network(), evaluate=True)
    assert not nn.ModuleList([key]).train()[0].module[1].training
    assert MomentumEncoder(network()).train().module[1].training


def test_refusals():
    source = network()
    with pytest.raises(UserError, match='schedule .cosin.*mean cosine'):
        MomentumEncoder(source, schedule='cosin')
    with pytest.raises(UserError, match='policy .averag.*mean average'):
        MomentumEncoder(source, statistics='averag')
    with pytest.raises(ValueError, match='do not match'):
        MomentumEncoder(source).update(nn.Linear(3, 4))
    with pytest.raises(ValueError, match='positive, got 0'):
        MomentumEncoder(source).set_total_steps(0)
    with pytest.raises(RuntimeError, match='set_total_steps'):
        MomentumEncoder(source, schedule='cosine').update(source)
