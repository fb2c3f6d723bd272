"""LARS against the steps of the papers' programs."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ssl_bench.engine.lars import MMPRETRAIN, PaperLARS, scaled_updates

DATA = Path(__file__).parents[1] / 'data'


def load(name, prefix):
    pack = np.load(DATA / f'{name}.npz')
    return {
        key[len(prefix) :]: pack[key]
        for key in pack.files
        if key.startswith(prefix)
    }


def parameters(arrays, dtype):
    return {
        name[3:]: nn.Parameter(torch.from_numpy(value).to(dtype))
        for name, value in arrays.items()
        if name.startswith('p0')
    }


@pytest.mark.parametrize(
    'dtype, rtol, atol',
    [(torch.float64, 1e-9, 1e-11), (torch.float32, 1e-6, 1.5e-6)],
)
def test_pixpro_steps(dtype, rtol, atol):
    """Decay before the norm, lr outside the velocity (PixPro group j)."""
    pack = load('pixpro', 'j.')
    weights = parameters(pack, dtype)
    decay, momentum, trust, eps = pack['wd_mom_trust_eps']
    optimizer = PaperLARS(
        weights.values(),
        lr=1.0,
        momentum=momentum,
        weight_decay=decay,
        trust=trust,
        eps=eps,
    )
    for step, lr in enumerate(pack['lr']):
        optimizer.param_groups[0]['lr'] = lr
        for name, weight in weights.items():
            weight.grad = torch.from_numpy(pack[f'grad.{name}'][step]).to(
                dtype
            )
            if weight.ndim > 1:
                scaled = scaled_updates(
                    [weight.detach()], [weight.grad], decay, trust, eps
                )
                norm = scaled[0].norm()
                expected = pack[f'scaled_grad_norm.{name}'][step]
                np.testing.assert_allclose(
                    norm, expected, rtol=1e-5, atol=1.5e-8
                )
        optimizer.step()
        for name, weight in weights.items():
            np.testing.assert_allclose(
                weight.detach(), pack[f'p.{name}'][step], rtol, atol, name
            )


@pytest.mark.parametrize(
    'dtype, rtol, atol',
    [(torch.float64, 1e-9, 1e-11), (torch.float32, 1e-5, 1e-6)],
)
def test_lewel_steps(dtype, rtol, atol):
    """Norms of raw gradient and decay apart, lr inside the velocity."""
    pack = load('lewel', 'lars/')
    weights = parameters(pack, dtype)
    groups = [dict(params=[w]) for w in weights.values()]
    for group, name in zip(groups, weights):
        if name == 'gamma_not_excluded':
            group['lars_exclude'] = False
    decay = float(pack['weight_decay'])
    optimizer = PaperLARS(
        groups,
        lr=1.0,
        weight_decay=decay,
        eps=0.0,
        lr_in_velocity=True,
        split_norm=True,
    )
    for step, lr in enumerate(pack['lr']):
        for group in optimizer.param_groups:
            group['lr'] = lr
        for name, weight in weights.items():
            weight.grad = torch.from_numpy(pack[f'grad{step}/{name}']).to(
                dtype
            )
        optimizer.step()
        for name, weight in weights.items():
            np.testing.assert_allclose(
                weight.detach(), pack[f'p{step + 1}/{name}'], rtol, atol
            )
            np.testing.assert_allclose(
                optimizer.state[weight]['momentum_buffer'],
                pack[f'buf{step + 1}/{name}'],
                rtol,
                atol,
            )


def test_step_length_ignores_the_gradient_scale():
    """Without decay the first step is lr * trust * |w|, whatever |g|."""
    for scale in (1.0, 1e4):
        weight = nn.Parameter(torch.arange(1.0, 7.0).reshape(2, 3))
        before = weight.detach().clone()
        weight.grad = torch.ones(2, 3) * scale
        PaperLARS([weight], lr=2.0, eps=0.0).step()
        moved = (weight.detach() - before).norm()
        torch.testing.assert_close(moved, 2 * 0.001 * before.norm())


def test_zero_weight_and_zero_gradient():
    """Wrapped: plain SGD step. Split: a zero weight never moves, no 0/0."""
    for split, expected in ((False, -0.5), (True, 0.0)):
        weight = nn.Parameter(torch.zeros(2, 2))
        optimizer = PaperLARS([weight], lr=0.5, eps=0.0, split_norm=split)
        weight.grad = torch.zeros(2, 2)
        optimizer.step()
        assert torch.equal(weight.detach(), torch.zeros(2, 2))
        weight.grad = torch.ones(2, 2)
        optimizer.step()
        assert torch.equal(weight.detach(), torch.full((2, 2), expected))


def test_resume_is_exact():
    """2 steps, state saved and loaded, 2 steps: equal to 4 steps."""

    def run(steps, weight, optimizer):
        for step in steps:
            weight.grad = torch.randn(
                3, 4, generator=torch.Generator().manual_seed(step)
            )
            optimizer.step()

    def fresh():
        weight = nn.Parameter(torch.ones(3, 4))
        return weight, PaperLARS([weight], lr=0.1, weight_decay=1e-3)

    straight = fresh()
    run(range(4), *straight)
    first, second = fresh(), fresh()
    run(range(2), *first)
    second[0].data.copy_(first[0].data)
    second[1].load_state_dict(first[1].state_dict())
    run(range(2, 4), *second)
    assert torch.equal(straight[0], second[0])


@pytest.mark.parametrize('inside', [False, True])
def test_older_states_resume_with_their_norms(inside):
    """Saved before ``split_norm``, which was where the rate was inside."""
    optimizer = PaperLARS(
        [nn.Parameter(torch.ones(1))], lr=0.1, lr_in_velocity=inside
    )
    state = optimizer.state_dict()
    del state['param_groups'][0]['split_norm']
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]['split_norm'] is inside


def test_refuses_a_negative_setting():
    with pytest.raises(ValueError, match='trust >= 0, got -1'):
        PaperLARS([nn.Parameter(torch.ones(1))], lr=0.1, trust=-1)


@pytest.mark.parametrize('inside', [False, True])
@pytest.mark.parametrize('split', [False, True])
def test_operations_do_not_grow_with_the_tensors(inside, split):
    """Launches, not arithmetic, took most of a step on an accelerator."""

    class Count(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen += 1
            return func(*args, **(kwargs or {}))

    def operations(tensors):
        weights = [nn.Parameter(torch.ones(2, 2)) for _ in range(tensors)]
        weights += [nn.Parameter(torch.ones(2)) for _ in range(tensors)]
        optimizer = PaperLARS(
            weights, lr=0.1, lr_in_velocity=inside, split_norm=split
        )
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        optimizer.step()  # makes the velocities
        with Count() as count:
            optimizer.step()
        return count.seen

    assert 0 < operations(3) == operations(30)


@pytest.mark.parametrize('resumed', [False, True])
def test_steps_of_mmpretrain_and_of_a_run_that_it_began(resumed):
    """With zero weights and gradients, which take a plain step."""
    from mmpretrain.engine.optimizers import LARS

    def model():
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)
        ).double()
        torch.nn.init.zeros_(model[1].bias)
        return model

    common = dict(lr=0.3, momentum=0.9, weight_decay=0.01)
    stock, ours = model(), model()
    theirs = LARS(stock.parameters(), eta=0.02, **common)
    here = PaperLARS(ours.parameters(), trust=0.02, **common, **MMPRETRAIN)
    x = torch.randn(4, 5, 4, dtype=torch.float64)
    for number, batch in enumerate(x):
        if resumed and number == 2:
            # of other settings than the checkpoint's, which win
            here = PaperLARS(ours.parameters(), lr=0.1)
            here.load_state_dict(copy.deepcopy(theirs.state_dict()))
            ours.load_state_dict(stock.state_dict())
        for net, optimizer in ((stock, theirs), (ours, here)):
            optimizer.zero_grad()
            net(batch).square().mean().backward()
            if number == 3:
                net[0].weight.grad.zero_()
            optimizer.step()
        for one, two in zip(stock.parameters(), ours.parameters()):
            torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)
