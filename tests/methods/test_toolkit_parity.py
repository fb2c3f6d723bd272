"""Our forms of mmpretrain's models: same names, same numbers, no waiting."""

import copy
from functools import partial

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from ssl_bench.config import load_config
from tests.methods.test_baseline_data import SMALL

CASES = [
    'mocov1_r50_200e',
    'mocov2_r50_200e',
    'densecl_r50_200e',
    'byol_r50_200e',
    'mocov3_r50_100e',
]


def trained(model, steps, seed):
    """Losses of some steps of SGD on random views."""
    MessageHub.get_current_instance().update_info('max_iters', 10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    random = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(steps):
        views = torch.randn(2, 4, 3, 64, 64, generator=random).double()
        loss, _ = model.parse_losses(model.loss(list(views), []))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


@pytest.mark.parametrize('name', CASES)
def test_steps_and_checkpoints_are_those_of_mmpretrain(registered, name):
    """Two steps by mmpretrain's model; then two more by each."""
    config = load_config(name, SMALL[name]).model
    paper = config.type
    models = []
    for config.type in (paper.removeprefix('Paper'), paper):
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            models.append(MODELS.build(copy.deepcopy(config)).double())
    stock, ours = models
    # mmpretrain computes the cosine of its moving average in float32
    close = partial(
        torch.testing.assert_close,
        rtol=1e-9 if hasattr(ours, 'queue') else 1e-6,
        atol=1e-9,
    )
    start = copy.deepcopy(stock.state_dict())
    ours.load_state_dict(start)
    one, two = (trained(model, 2, 0) for model in models)
    close(two, one)
    ours.load_state_dict(copy.deepcopy(stock.state_dict()))
    one, two = (trained(model, 2, 1) for model in models)
    close(two, one)
    after = ours.state_dict()
    for key, value in stock.state_dict().items():
        close(after[key], value, atol=1e-7, msg=lambda m, k=key: f'{k}: {m}')
    stock.load_state_dict(after)


def test_densecl_takes_maps_with_channels_last(registered):
    """mmpretrain's neck cannot flatten them."""
    config = load_config('densecl_r50_200e', SMALL['densecl_r50_200e']).model
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(config)
    maps = torch.randn(2, 32, 2, 3)
    last = dict(memory_format=torch.channels_last)
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
        expected = model.neck([maps])
        model.neck.to(**last)
        got = model.neck([maps.contiguous(**last)])
        assert model.encoder_k.module[1].mlp2._forward_hooks
    for one, two in zip(got, expected, strict=True):
        torch.testing.assert_close(one, two)
