"""Numbers of the log that stay on the device until the log is written."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from ssl_bench.engine import late_log
from ssl_bench.engine.late_log import (
    LateHub,
    RoomyBuffer,
    keep_norm,
    read_late,
)

VALUES = [
    ('train/loss', torch.tensor(0.1)),
    ('train/loss', torch.tensor([[2.5]])),
    ('train/lr', 0.01),
    ('train/loss', 3.0),  # not a tensor, after some that are
    ('train/loss', torch.tensor(4.0, dtype=torch.bfloat16)),
    ('train/seen', torch.tensor(7)),
    ('train/double', torch.tensor(1 / 3, dtype=torch.float64)),
    ('train/loss', torch.tensor(float('nan'))),
]


def hubs():
    return MessageHub('stock'), read_late(MessageHub('late'))


def written(hub):
    return {
        key: (buffer.data[0].tolist(), buffer.data[1].tolist())
        for key, buffer in hub.log_scalars.items()
    }


def test_every_number_is_the_one_of_mmengine():
    stock, late = hubs()
    for key, value in VALUES:
        for hub in (stock, late):
            hub.update_scalar(key, value, resumed=key != 'train/lr')
    assert str(written(late)) == str(written(stock))  # nan is not nan
    one, two = (hub.state_dict() for hub in (stock, late))
    assert one['resumed_keys'] == two['resumed_keys']
    assert one['log_scalars'].keys() == two['log_scalars'].keys()


def test_a_checkpoint_has_what_is_late():
    _, late = hubs()
    late.update_scalar('train/loss', torch.tensor(2.0))
    state = pickle.loads(pickle.dumps(late.state_dict()))
    again = read_late(MessageHub('again'))
    again.load_state_dict(state)
    assert again.get_scalar('train/loss').current() == 2


def test_a_number_is_that_of_its_time_and_keeps_no_graph():
    _, late = hubs()
    weight = torch.ones((), requires_grad=True)
    late.update_scalar('train/loss', weight * 1)
    late.update_scalar('train/weight', weight)
    assert not any(
        tensor.requires_grad for ((tensor, _),) in late._late.values()
    )
    with torch.no_grad():
        weight.fill_(5)
    assert late.get_scalar('train/weight').current() == 1


def test_only_what_is_asked_for_is_read():
    """A time is read in every iteration."""
    _, late = hubs()
    late.update_scalar('train/loss', torch.zeros(()))
    late.update_scalar('train/time', 0.5)
    assert late.get_scalar('train/time').current() == 0.5
    assert late._late.keys() == {'train/loss'}
    assert late.get_scalar('train/loss').current() == 0
    assert not late._late
    with pytest.raises(KeyError, match='train/other'):
        late.get_scalar('train/other')


def test_a_hub_stays_the_current_one_and_refuses_what_mmengine_refuses():
    hub = read_late(MessageHub.get_instance('late_log'))
    assert MessageHub.get_current_instance() is hub is read_late(hub)
    assert isinstance(hub, LateHub)
    with pytest.raises(AssertionError):
        hub.update_scalar('train/loss', torch.zeros(2))


@pytest.mark.parametrize('kind', ['norm', 'value'])
def test_the_norm_of_the_gradient_is_logged_late(kind):
    hub = read_late(MessageHub.get_instance('late_norm'))
    model = nn.Linear(2, 1, bias=False)
    clip = dict(max_norm=1.0) if kind == 'norm' else dict(clip_value=1.0)
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), 0.0),
        clip_grad=dict(type=kind, **clip),
    )
    keep_norm(wrapper)
    wrapper.update_params(model(torch.tensor([[3.0, 4.0]])).sum())
    if kind == 'norm':
        assert hub._late.keys() == {'train/grad_norm'}
        assert hub.get_scalar('train/grad_norm').current() == pytest.approx(5)
    else:
        assert not hub._late
    keep_norm(OptimWrapper(wrapper.optimizer))  # does not clip


@pytest.mark.parametrize('length', [1, 7, 1000])
def test_a_buffer_with_room_is_mmengine_s(length):
    rng = random.Random(length)
    for start in ([], [3], [0.5] * 5):
        pair = [
            kind(start[-length:], [1] * len(start[-length:]), length)
            for kind in (HistoryBuffer, RoomyBuffer)
        ]
        for _ in range(100):
            number = rng.choice([rng.randrange(9), rng.random(), True])
            for buffer in pair:
                buffer.update(number, 2)
            (one, two), (three, four) = (buffer.data for buffer in pair)
            assert np.array_equal(one, three) and one.dtype == three.dtype
            assert np.array_equal(two, four) and two.dtype == four.dtype
            assert pair[0].mean(3) == pair[1].mean(3)
    plain = copy.deepcopy(pair[1])
    assert type(plain) is HistoryBuffer and plain.max_length == length
    assert np.array_equal(plain.data, pair[0].data)


def test_a_number_costs_the_same_however_many_there_were(monkeypatch):
    """mmengine's copies all of them each time."""
    made = []
    empty = np.empty
    monkeypatch.setattr(
        np, 'empty', lambda *args: made.append(args) or empty(*args)
    )
    _, late = hubs()
    for number in range(5000):
        late.update_scalar('train/time', float(number))
    assert len(made) < 2 * 14


def test_numbers_do_not_wait_without_end(monkeypatch):
    """Also where the log is never written."""
    monkeypatch.setattr(late_log, 'LATE', 5)
    stock, late = hubs()
    for number in range(12):
        for hub in (stock, late):
            hub.update_scalar('train/loss', torch.tensor(float(number)))
            hub.update_scalar('train/other', torch.tensor(number))
        assert max(map(len, late._late.values()), default=0) < 5
    assert written(late) == written(stock)


def test_a_run_that_goes_on_adds_to_mmengine_s_numbers():
    stock, late = hubs()
    for hub in (stock, late):
        hub.load_state_dict(
            dict(
                log_scalars=dict(
                    loss=HistoryBuffer([1, 2], [1, 1]), time=HistoryBuffer()
                ),
                runtime_info={},
                resumed_keys=dict(loss=True, time=True),
            )
        )
        for number in (0.5, torch.tensor(4.0), torch.tensor(7)):
            hub.update_scalar('loss', number)
            hub.update_scalar('time', number)
    assert written(late) == written(stock)
    state = late.state_dict()['log_scalars']
    assert {type(buffer) for buffer in state.values()} == {HistoryBuffer}
