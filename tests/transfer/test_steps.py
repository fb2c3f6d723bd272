"""A training step of every task: which ones wait for the device.

`tests/methods/test_steps.py` explains the two ways of looking.
"""

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, DefaultScope

from ssl_bench.config_edits import edit
from ssl_bench.engine.optim import set_precision
from ssl_bench.tasks.table import find_task, tasks
from ssl_bench.toolbox.load_images import read_with_care
from ssl_bench.transfer.plan import make_plan
from tests.devices import GPU
from tests.methods.test_steps import NoCopies, NoNumbers

pytestmark = pytest.mark.slow

MINI = [
    name
    for name in tasks()
    if name.startswith('mini_')
    and find_task(name).toolbox != 'probe'
    and not find_task(name).trained_by
]
# in docs/performance.md, "Transfers and scoring", with the reasons
WAIT = {name for name in MINI if find_task(name).toolbox in ('mmdet', 'mmseg')}


def step(model, wrapper, data):
    """One training step without hooks and log; the loss."""
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    wrapper.update_params(loss)
    return loss.detach()


def prepared(name, root, device):
    """Model, optimizer's wrapper and a batch of a small task."""
    config = make_plan(name, data_root=str(root)).config
    read_with_care(config, None)
    edit(config, {'train_dataloader.num_workers': 0})
    set_precision(config.optim_wrapper, 'OptimWrapper')
    # mmengine reads the norm for its log, as it reads the losses
    config.optim_wrapper.pop('clip_grad', None)
    if 'data_preprocessor' in config:
        config.model.setdefault('data_preprocessor', config.data_preprocessor)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        torch.manual_seed(0)
        model = MODELS.build(config.model)
        model.init_weights()
        dataset = DATASETS.build(config.train_dataloader.dataset)
        items = [dataset[index] for index in range(2)]
        model.to(device)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        data = model.data_preprocessor(pseudo_collate(items), True)
    return model, wrapper, data, config.default_scope


@pytest.mark.parametrize('name', MINI)
def test_which_steps_wait_for_the_device(registered, mini_root, name):
    """On a device whose tensors have no numbers that could be read."""
    model, wrapper, data, scope = prepared(name, mini_root, 'meta')
    with DefaultScope.overwrite_default_scope(scope), NoCopies(), NoNumbers():
        if name in WAIT:
            with pytest.raises((RuntimeError, NotImplementedError)):
                step(model, wrapper, data)
            return
        for _ in range(2):
            assert step(model, wrapper, data).device.type == 'meta'


@pytest.mark.parametrize('device', [GPU])
@pytest.mark.parametrize('name', MINI)
def test_steps_three_to_six_on_a_gpu(registered, mini_root, name, device):
    """Those that never wait are not allowed to; the others are finite."""
    model, wrapper, data, scope = prepared(name, mini_root, device)
    with DefaultScope.overwrite_default_scope(scope):
        for _ in range(2):
            step(model, wrapper, data)
        torch.cuda.synchronize()
        mode = 'default' if name in WAIT else 'error'
        torch.cuda.set_sync_debug_mode(mode)
        try:
            losses = [step(model, wrapper, data) for _ in range(4)]
        finally:
            torch.cuda.set_sync_debug_mode('default')
    assert torch.stack(losses).isfinite().all()
