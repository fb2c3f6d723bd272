"""Groups of an optimizer with the same settings are one."""

import copy

import pytest
import torch
from torch import nn

from ssl_bench.engine.param_groups import MergedGroups


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def grouped(model):
    """A group of each parameter, as mmengine makes them."""
    return torch.optim.AdamW(
        [
            dict(params=[weight], weight_decay=0.1 * (weight.ndim > 1))
            for weight in model.parameters()
        ],
        lr=0.1,
    )


def steps(model, optimizer, count):
    for step in range(count):
        model(torch.full((2, 3), 1.0 + step)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_steps_are_those_of_single_groups():
    wanted, got = network(), network()
    optimizer = grouped(got)
    MergedGroups(optimizer)
    assert [g['weight_decay'] for g in optimizer.param_groups] == [0.1, 0.0]
    assert [len(g['params']) for g in optimizer.param_groups] == [2, 4]
    steps(wanted, grouped(wanted), 3)
    steps(got, optimizer, 3)
    for one, other in zip(wanted.parameters(), got.parameters()):
        assert torch.equal(one, other)


@pytest.mark.parametrize('merged_before', [False, True])
def test_goes_on_from_states_of_either_form(merged_before):
    before = network()
    first = grouped(before)
    if merged_before:
        MergedGroups(first)
    steps(before, first, 2)
    after = network()
    after.load_state_dict(before.state_dict())
    second = grouped(after)
    merged = MergedGroups(second)
    state = copy.deepcopy(first.state_dict())  # its counts are shared
    second.load_state_dict(merged.of_state(state))
    steps(before, first, 2)
    steps(after, second, 2)
    for one, other in zip(before.parameters(), after.parameters()):
        assert torch.equal(one, other)


def test_a_state_of_other_parameters_is_left_to_the_optimizer():
    model = network()
    optimizer = grouped(model)
    merged = MergedGroups(optimizer)
    other = torch.optim.AdamW(nn.Linear(2, 2).parameters()).state_dict()
    with pytest.raises(ValueError):
        optimizer.load_state_dict(merged.of_state(other))
