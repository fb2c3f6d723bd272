"""Every method in the forms that speed gives its model."""

import random

import numpy as np
import pytest
import torch

from ssl_bench.engine import compiling, speed
from tests.methods import test_mini_runs, test_steps

# each builds a method twice, and the second follows its Python line by line
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return test_mini_runs.forty_images(tmp_path_factory.mktemp('images'))


def loss_and_gradient(name, folder, change):
    """Of one step of a small recipe, after a change of its model."""
    torch.manual_seed(0)
    model, _, data = test_steps.prepared(name, folder, 'cpu')
    change(model)
    for seeded in (torch.manual_seed, np.random.seed, random.seed):
        seeded(0)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    return loss.detach(), torch.stack(norms).norm()


def assert_close(name, folder, change):
    plain, changed = (
        loss_and_gradient(name, folder, one)
        for one in (lambda model: None, change)
    )
    torch.testing.assert_close(changed, plain, rtol=5e-3, atol=1e-5)


@pytest.mark.parametrize('name', test_steps.NAMES)
def test_channels_last_gives_the_loss_and_its_gradient(
    registered, folder, name
):
    """Without oneDNN, whose kernels for it are not safe on a CPU."""
    on = speed.Speed(channels_last=True)
    with torch.backends.mkldnn.flags(enabled=False):
        assert_close(name, folder, lambda model: speed.convert(model, on))


@pytest.mark.parametrize('name', test_mini_runs.CASES)
def test_compiled_parts_have_no_break_and_the_same_loss(
    registered, folder, name
):
    torch._dynamo.reset()

    def change(model):
        parts = compiling.parts_to_compile(model)
        assert model.backbone in parts
        compiling.compile_parts(parts, backend='eager', fullgraph=True)

    assert_close(name, folder, change)
