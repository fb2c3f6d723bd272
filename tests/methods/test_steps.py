"""A training step of every method: no waiting for the device, bfloat16.

An accelerator runs behind the program. Reading a number from it, and copying
one to it from memory that is not pinned, makes the program wait until it has
caught up.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, DefaultScope
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssl_bench.catalog import methods
from ssl_bench.engine.hooks import FiniteLossHook
from ssl_bench.engine.late_log import keep_norm, read_late
from ssl_bench.engine.optim import set_precision
from ssl_bench.engine.pretrain import pretrain
from tests.devices import GPU
from tests.methods import test_baseline_data, test_mini_runs
from tests.methods.test_mini_runs import built

pytestmark = pytest.mark.slow

NAMES = [*test_mini_runs.CASES, *sorted(test_baseline_data.SMALL)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return test_mini_runs.forty_images(tmp_path_factory.mktemp('images'))


def prepared(name, folder, device):
    """Model, optimizer's wrapper and a batch of a small recipe."""
    from mmpretrain.registry import DATASETS

    if name in test_mini_runs.CASES:
        config = test_mini_runs.small(name, folder)
    else:
        config = test_baseline_data.small(name, folder, 1)
    set_precision(config.optim_wrapper, 'OptimWrapper')
    hub = read_late(MessageHub.get_instance(f'step_of_{name}_on_{device}'))
    hub.update_info('max_iters', 200)
    model, _ = built(config)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    items = [dataset[i] for i in range(8)]
    model.to(device)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        keep_norm(wrapper)
        model.hooks_of_its_step = [
            HOOKS.build(hook)
            for hook in config.get('custom_hooks') or []
            if hook.type == 'SwAVScheduleHook'
        ]
    return (
        model,
        wrapper,
        model.data_preprocessor(default_collate(items), True),
    )


def step(model, wrapper, data, number):
    """One training step, with its hooks and its part of the log; the loss."""
    runner = SimpleNamespace(model=model, iter=number, epoch=0)
    for hook in model.hooks_of_its_step:
        hook.before_train_iter(runner, number)
    loss, terms = model.parse_losses(model(**data, mode='loss'))
    wrapper.update_params(loss)
    for key, value in terms.items():
        wrapper.message_hub.update_scalar(f'train/{key}', value)
    return loss.detach()


def test_every_method_is_here():
    trained = [each for each in methods().values() if each.files]
    assert len(trained) > 10
    for method in trained:
        assert {path.stem for path in method.files} & {*NAMES}, method.name


class NoCopies(TorchDispatchMode):
    """Refuse copies between devices and operands of two devices."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tensors = [
            leaf
            for leaf in tree_leaves((args, kwargs, out))
            if isinstance(leaf, torch.Tensor)
        ]
        copied = func.overloadpacket in (
            torch.ops.aten._to_copy,
            torch.ops.aten.copy_,
        )
        kinds = {t.device.type for t in tensors if copied or t.ndim}
        if len(kinds) > 1:
            raise RuntimeError(f'{func} between {sorted(kinds)}')
        return out


class NoNumbers(TorchFunctionMode):
    """Refuse tensors made from Python's numbers on the device."""

    MAKERS = (torch.tensor, torch.as_tensor, torch.Tensor.new_tensor)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in self.MAKERS and out.device.type == 'meta':
            raise RuntimeError(f'{func.__name__} copies from the host')
        return out


@pytest.mark.parametrize('name', NAMES)
def test_a_step_never_waits_for_the_device(
    registered, folder, monkeypatch, name
):
    """On a device whose tensors have no numbers that could be read."""
    monkeypatch.setattr(torch, 'autocast', lambda *a, **k: nullcontext())
    model, wrapper, data = prepared(name, folder, 'meta')
    with NoCopies(), NoNumbers():
        for number in range(3):
            loss = step(model, wrapper, data, number)
            assert loss.device.type == 'meta'


def reads(x):
    return x + float(x.sum())


def copies(x):
    return x + torch.arange(3.0).to(x)


def mixes(x):
    return torch.cat([x, torch.zeros(3)])


def makes(x):
    return x.new_tensor(3.0) + x


def selects(x):
    return x[x > 0]


@pytest.mark.parametrize('waits', [reads, copies, mixes, makes, selects])
def test_what_waits_is_found(waits):
    x = torch.zeros(3, device='meta')
    with pytest.raises((RuntimeError, NotImplementedError)):
        with NoCopies(), NoNumbers():
            waits(x)


@pytest.mark.parametrize('device', [GPU])
@pytest.mark.parametrize('name', NAMES)
def test_steps_three_to_ten_never_wait(registered, folder, name, device):
    """Also to look at the losses, one step later."""
    model, wrapper, data = prepared(name, folder, device)
    finite = FiniteLossHook()
    runner = SimpleNamespace(work_dir=str(folder), cfg={}, iter=0)
    losses = []
    for runner.iter in range(10):
        if runner.iter == 2:
            torch.cuda.synchronize()
            torch.cuda.set_sync_debug_mode('error')
        try:
            losses.append(step(model, wrapper, data, runner.iter))
            finite.after_train_iter(runner, 0, outputs=dict(loss=losses[-1]))
        except BaseException:
            torch.cuda.set_sync_debug_mode('default')
            raise
    torch.cuda.set_sync_debug_mode('default')
    finite.after_train(runner)
    assert torch.stack(losses).isfinite().all()


@pytest.mark.parametrize(
    'name, device',
    [(name, 'cpu') for name in test_mini_runs.CASES]
    + [pytest.param(name, *GPU.values, marks=GPU.marks) for name in NAMES],
)
def test_a_step_in_bfloat16_is_close_to_float32(
    registered, folder, name, device
):
    """The loss, and finite gradients of all that is trained."""
    values = []
    for amp in (False, True):
        torch.manual_seed(0)
        model, _, data = prepared(name, folder, device)
        torch.manual_seed(0)
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            terms = model(**data, mode='loss')
        loss, _ = model.parse_losses(terms)
        loss.backward()
        values.append(float(loss.detach()))
        assert loss.device.type == device
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert grads and all(grad.isfinite().all() for grad in grads)
    assert values[1] == pytest.approx(values[0], rel=0.1, abs=0.1)


# RoIAlign's gradient, and that of torch's attention in a ViT of mmpretrain,
# are sums in any order: their runs differ
DIFFER = ('insloc', 'mae', 'mocov3_vit')


@pytest.mark.parametrize('device', [GPU])
@pytest.mark.parametrize(
    'name',
    sorted(
        name
        for name in [*test_mini_runs.CASES, *test_baseline_data.SMALL]
        if not name.startswith(DIFFER)
    ),
)
def test_a_resumed_run_on_a_gpu_equals_one_without_a_break(
    registered, folder, tmp_path, name, device
):
    def config():
        if name in test_mini_runs.CASES:
            config = test_mini_runs.small(name, folder)
        else:
            config = test_baseline_data.small(name, folder, 2)
        config.train_dataloader.batch_size = 8
        config.train_cfg.max_epochs = 2
        config.default_hooks.checkpoint.interval = 1
        config.log_level = 'ERROR'
        # both choose kernels that differ from run to run
        config.speed = dict(channels_last=False, cudnn_benchmark=False)
        return config

    # a warning only: max pooling counts as not deterministic, and is so for
    # channels last alone
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    try:
        straight = pretrain(config(), tmp_path / 'straight')
        first = str(tmp_path / 'straight/epoch_1.pth')
        resumed = pretrain(config(), tmp_path / 'halves', resume=first)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
    one, two = (
        torch.load(path, weights_only=False, map_location='cpu')['state_dict']
        for path in (straight, resumed)
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
