"""Numbers of the log that stay on the device until the log is written."""

import pickle

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from ssl_bench.engine.late_log import LateHub, keep_norm, read_late

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
