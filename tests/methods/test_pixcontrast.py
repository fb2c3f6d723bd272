"""PixContrast against the formula's vectors, and its limits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.engine.lars import PaperLARS
from ssl_bench.errors import UserError
from ssl_bench.layers.precision import unit
from ssl_bench.methods.pixcontrast import (
    PixContrast,
    contrast_loss,
    contrast_terms,
)
from tests.devices import here
from tests.methods.test_pixpro import TinyEncoder, random_batch, train

PACK = np.load(Path(__file__).parents[1] / 'data' / 'pixpro.npz')


def get(name, dtype=torch.float64):
    return here(torch.from_numpy(np.array(PACK[name])).to(dtype))


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(
    'dtype, atol', [(torch.float64, 1e-10), (torch.float32, 2e-6)]
)
@pytest.mark.parametrize('grid', ['7x7', '5x8'])
def test_losses(grid, dtype, atol):
    """Both directions, every image, both averages, and gradients."""
    coords = [get(f'b.coord_{side}', torch.float32) for side in 'qk']
    q1, k1, q2, k2 = (
        get(f'g.{grid}.{name}', dtype) for name in ('q1', 'k1', 'q2', 'k2')
    )
    q1.requires_grad_(), q2.requires_grad_()
    directions = dict(
        zip(('12', '21'), ((q1, k2, *coords), (q2, k1, *coords[::-1])))
    )

    def compare(actual, name):
        np.testing.assert_allclose(
            actual.detach().cpu(), PACK[f'g.{grid}.{name}'], 0, atol, name
        )

    losses, undivided = [], []
    for name, arguments in directions.items():
        terms, count = contrast_terms(*arguments)
        compare(terms, f'per_pair_{name}')
        assert np.array_equal(count.cpu(), PACK[f'g.{grid}.npix_{name}'])
        assert np.array_equal(count.cpu() > 0, PACK[f'g.{grid}.valid'])
        losses.append(contrast_loss(*arguments))
        compare(losses[-1], f'loss_{name}')
        undivided.append(contrast_loss(*arguments, average='all'))
    loss = sum(losses) / 2
    compare(loss, 'loss')
    compare(sum(undivided) / 2, 'loss_div_all')
    loss.backward()
    compare(q1.grad, 'grad_q1')
    compare(q2.grad, 'grad_q2')


def test_one_positive_is_cross_entropy():
    """Equal crops: the positives are the diagonal, the loss InfoNCE."""
    torch.manual_seed(0)
    q, k = (unit(torch.randn(2, 5, 4, 4)) for _ in range(2))
    crop = torch.tensor([[0.1, 0.1, 0.7, 0.7]]).expand(2, 4)
    logits = q.flatten(2).transpose(1, 2) @ k.flatten(2) / 0.3
    expected = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), torch.arange(16).expand(2, 16)
    )
    torch.testing.assert_close(contrast_loss(q, k, crop, crop), expected)


def test_blind_features_and_everything_positive():
    """Constant maps cost log n for one positive of n, and 0 for n of n."""
    q = unit(torch.ones(1, 3, 4, 4))
    crop = torch.tensor([[0.1, 0.1, 0.7, 0.7]])
    torch.testing.assert_close(
        contrast_loss(q, q, crop, crop), torch.tensor(math.log(16))
    )
    assert contrast_loss(q, q, crop, crop, threshold=100.0) == 0


def test_no_overlap_at_all_is_zero_with_zero_gradient():
    q = unit(torch.randn(2, 3, 4, 4)).requires_grad_()
    left = torch.tensor([[0.0, 0.0, 0.2, 0.2]]).expand(2, 4)
    loss = contrast_loss(q, q.detach(), left, left + 0.7)
    loss.backward()
    assert loss == 0 and torch.equal(q.grad, torch.zeros_like(q))


def tiny(**kwargs):
    return PixContrast(
        TinyEncoder(),
        dict(in_channels=16, hid_channels=32, out_channels=8),
        momentum_steps=30,
        **kwargs,
    )


def test_gradient_reaches_all_of_the_online_side_and_none_of_the_target():
    torch.manual_seed(0)
    model = tiny()
    losses = model.loss(*random_batch())
    assert list(losses) == ['loss_pixel']
    losses['loss_pixel'].backward()
    for name, parameter in model.named_parameters():
        if name.startswith('target.'):
            assert parameter.grad is None and not parameter.requires_grad
        else:
            silent = name.endswith('conv1.bias')
            assert silent or parameter.grad.abs().max() > 1e-6, name


def test_model_averages_the_two_directions():
    torch.manual_seed(0)
    model = tiny(temperature=0.5).eval()
    views, fields = random_batch()
    loss = model.loss(views, fields)['loss_pixel']
    swapped = {
        **fields,
        'crops': fields['crops'].flip(1),
        'flips': fields['flips'].flip(1),
    }
    torch.testing.assert_close(
        model.loss(views[::-1], swapped)['loss_pixel'], loss
    )
    assert 0 < loss < math.log(49) + 2 / 0.5


def test_resume_is_exact():
    def fresh():
        torch.manual_seed(0)
        model = tiny()
        return model, PaperLARS(
            [p for p in model.parameters() if p.requires_grad], lr=1.0
        )

    straight, first, second = fresh(), fresh(), fresh()
    train(*straight, range(4))
    train(*first, range(2))
    for old, new in zip(first, second):
        new.load_state_dict(old.state_dict())
    train(*second, range(2, 4))
    for name, value in straight[0].state_dict().items():
        assert torch.equal(value, second[0].state_dict()[name]), name


def test_bfloat16_autocast_stays_close():
    torch.manual_seed(0)
    model = tiny().eval()
    with torch.autocast('cpu', torch.bfloat16):
        half = model.loss(*random_batch())['loss_pixel']
    full = model.loss(*random_batch())['loss_pixel']
    torch.testing.assert_close(half, full, rtol=0, atol=0.05)


def test_overfits_a_batch():
    torch.manual_seed(0)
    model = tiny()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    batch, losses = random_batch(8), []
    for _ in range(25):
        loss = model.loss(*batch)['loss_pixel']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_refuses_an_unknown_average():
    with pytest.raises(UserError, match='Known: all, valid'):
        tiny(average='some')
