"""Learning rates against the papers' programs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

from ssl_bench.config import config_dir, load_config
from ssl_bench.engine.schedules import (
    WarmupCosineLR,
    refuse_absolute_rates,
    warmup_cosine,
)
from ssl_bench.errors import UserError

DATA = Path(__file__).parents[1] / 'data'


@pytest.mark.parametrize('case', ['k.0.', 'k.1.'])
def test_pixpro_rates(case):
    """Warm-up from 1/100 at every iteration, cosine to 1e-6."""
    pack = np.load(DATA / 'pixpro.npz')
    epochs, warm, n, base, multiplier, final = pack[
        case + 'cfg_epochs_warm_niter_base_mult_etamin'
    ]
    rates = [
        warmup_cosine(
            int(t),
            base,
            warm * n,
            epochs * n,
            start_factor=1 / multiplier,
            final=final,
        )
        for t in pack[case + 'iter']
    ]
    np.testing.assert_allclose(rates, pack[case + 'lr'], 1e-12, 1e-15)


@pytest.mark.parametrize('case', ['eman100', 'eman200', 'syncbn400', 'tiny'])
def test_lewel_rates(case):
    """Warm-up at every iteration, cosine at every epoch."""
    pack = np.load(DATA / 'lewel.npz')
    base, warm, epochs, n = (
        float(pack[f'sched/{case}/cfg_{name}'])
        for name in ('base_lr', 'warmup_epochs', 'epochs', 'iters_per_epoch')
    )
    rates = [
        warmup_cosine(
            int(t), base, warm * n, epochs * n, offset=1, hold=int(n)
        )
        for t in pack[f'sched/{case}/iter']
    ]
    np.testing.assert_allclose(rates, pack[f'sched/{case}/lr'], 1e-12)


def build(optimizer, **settings):
    return PARAM_SCHEDULERS.build(
        dict(
            type='WarmupCosineLR',
            warmup=2,
            by_epoch=True,
            convert_to_iter_based=True,
            **settings,
        ),
        default_args=dict(optimizer=optimizer, epoch_length=7, end=5),
    )


def sgd(lr=1.0):
    return torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=lr)


def test_scheduler_follows_the_formula_and_resumes():
    """All 35 rates of LEWEL's 'tiny' run, with a restart after ten."""
    expected = np.load(DATA / 'lewel.npz')['sched/tiny/lr']
    optimizer = sgd()
    scheduler = build(optimizer, offset=1, hold='epoch')
    rates = []
    for iteration in range(35):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
        if iteration == 9:
            saved, state = scheduler.state_dict(), optimizer.state_dict()
            optimizer = sgd()
            optimizer.load_state_dict(state)
            scheduler = build(optimizer, offset=1, hold='epoch')
            scheduler.load_state_dict(saved)
            optimizer.load_state_dict(state)
    np.testing.assert_allclose(rates, expected, 1e-12)


def test_final_factor_is_relative_to_each_group():
    optimizer = torch.optim.SGD(
        [
            dict(params=[nn.Parameter(torch.ones(1))], lr=lr)
            for lr in (1.0, 10.0)
        ],
        lr=1.0,
    )
    scheduler = build(optimizer, final_factor=0.001)
    for _ in range(35):
        optimizer.step()
        scheduler.step()
    rates = [group['lr'] for group in optimizer.param_groups]
    np.testing.assert_allclose(rates, [0.001, 0.01], 1e-12)


def test_the_floor_decays_with_the_layers():
    """MAE's ``lr_sched.py``: the whole rate times the layer's factor."""
    base, floor, factors = 1e-3, 1e-6, (1.0, 0.65, 0.65**12)
    optimizer = torch.optim.SGD(
        [
            dict(params=[nn.Parameter(torch.ones(1))], lr=base * factor)
            for factor in factors
        ],
        lr=base,
    )
    scheduler = PARAM_SCHEDULERS.build(
        dict(
            type='LayerCosineLR',
            T_max=4,
            begin=1,
            end=6,
            eta_min=floor,
            convert_to_iter_based=True,
        ),
        default_args=dict(optimizer=optimizer, epoch_length=5),
    )
    for step in range(1, 26):
        optimizer.step()
        scheduler.step()
        part = (1 + math.cos(math.pi * max(step - 5, 0) / 20)) / 2
        wanted = [
            (floor + (base - floor) * part) * factor for factor in factors
        ]
        rates = [group['lr'] for group in optimizer.param_groups]
        np.testing.assert_allclose(rates, wanted, 1e-9)
    assert rates[2] == pytest.approx(floor * factors[2])


ABSOLUTE = {
    'simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k': (
        r'custom_hooks.SimSiamHook.lr=0.05, .* Use FixedRateHook'
    ),
    'swav/swav_resnet50_8xb32-mcrop-coslr-200e_in1k-224px-96px': (
        r'param_scheduler.CosineAnnealingLR.eta_min=0.0006, .*eta_min_ratio'
    ),
}


@pytest.mark.parametrize('recipe', ABSOLUTE)
def test_rates_that_scaling_does_not_reach_are_refused(recipe):
    config = get_config(f'mmpretrain::{recipe}.py')
    config.auto_scale_lr = dict(base_batch_size=256)
    refuse_absolute_rates(config)
    config.auto_scale_lr.enable = True
    with pytest.raises(UserError, match=ABSOLUTE[recipe]):
        refuse_absolute_rates(config)


@pytest.mark.slow
def test_no_config_has_such_a_rate():
    """Of those that pretrain: the released schedules, scaled or not."""
    found = sorted(config_dir().glob('*.py'))
    assert len(found) > 30
    for path in found:
        config = load_config(path)
        config.auto_scale_lr.enable = True
        refuse_absolute_rates(config)


def test_refusals():
    with pytest.raises(ValueError, match='35 iterations does not fit .* 35'):
        WarmupCosineLR(sgd(), warmup=35, end=35, by_epoch=False)
    with pytest.raises(ValueError, match='by_epoch=True'):
        WarmupCosineLR(sgd(), warmup=2, end=5)
