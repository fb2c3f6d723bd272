"""Two gloo processes against one process on the joined batch."""

import pytest
import torch
from torch import nn

from ssl_bench.layers.global_bn import GlobalBatchNorm
from tests.methods import test_lewel, test_pixcontrast, test_pixpro
from tests.processes import run_in_processes

pytestmark = pytest.mark.slow

# exact where norm layers are synchronised; LEWEL_B's EMAN form and LEWEL_M
# have norm layers of their own per process, so theirs stay in evaluation mode
CASES = ['pixpro', 'pixcontrast', 'lewel_b', 'lewel_b_eman', 'lewel_m']


def synchronise(model):
    """Every batch norm over all processes, as in the configs."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                new = GlobalBatchNorm(child.num_features).double()
                new.load_state_dict(child.state_dict())
                new.requires_grad_(child.weight.requires_grad)
                setattr(parent, name, new)


def freeze_statistics(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def build(case):
    torch.manual_seed(0)
    if case == 'pixpro':
        return test_pixpro.tiny(instance=0.5).double()
    if case == 'pixcontrast':
        return test_pixcontrast.tiny().double()
    model = test_lewel.tiny(
        'moco' if case == 'lewel_m' else 'byol', eman=case == 'lewel_b_eman'
    ).double()
    model.target.set_total_steps(10)
    return model


def inputs(case):
    """Views and fields; in the second half no two crops overlap."""
    if case.startswith('pix'):
        views, fields = test_pixpro.random_batch(4, torch.float64)
        fields['crops'][3:] = torch.tensor(
            [[0.0, 0.0, 20.0, 20.0], [60.0, 60.0, 80.0, 80.0]]
        )
        return views, fields
    return test_lewel.views(0, 4, torch.float64), {}


def step(rank, world):
    """Loss, gradients and state of every case after one training loss."""
    results = {}
    for case in CASES:
        model = build(case)
        if case in ('lewel_b_eman', 'lewel_m'):
            freeze_statistics(model)
        else:
            synchronise(model)
        views, fields = inputs(case)
        mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
        losses = model.loss(
            [view[mine] for view in views],
            {name: values[mine] for name, values in fields.items()},
        )
        loss = sum(losses.values())
        loss.backward()
        results[case] = dict(
            loss=loss.detach(),
            state=dict(model.state_dict()),
            grads=[p.grad for p in model.parameters() if p.grad is not None],
        )
    return results


@pytest.fixture(scope='module')
def ranks():
    return run_in_processes(step, 2, 2)


@pytest.mark.parametrize('case', CASES)
def test_two_processes_equal_one(case, ranks):
    """Loss, averaged gradient, statistics, queues and target are equal."""
    one = step(0, 1)[case]
    first, second = (rank[case] for rank in ranks)
    torch.testing.assert_close(
        (first['loss'] + second['loss']) / 2, one['loss']
    )
    for whole, a, b in zip(
        one['grads'], first['grads'], second['grads'], strict=True
    ):
        torch.testing.assert_close((a + b) / 2, whole, rtol=1e-7, atol=1e-11)
    for name, value in one['state'].items():
        torch.testing.assert_close(
            second['state'][name], value, msg=lambda text: f'{name}: {text}'
        )
