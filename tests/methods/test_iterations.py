"""A whole iteration of every method, with its hooks, waits for nothing.

Between two lines of the log, no number of a tensor is read that depends on
the model's, which would be on the accelerator.
"""

from collections import Counter

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssl_bench.engine.distributed import unwrapped
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.layers.no_wait import HostCopy
from tests.methods import test_baseline_data, test_mini_runs
from tests.methods.test_steps import NAMES, folder  # noqa: F401  a fixture

pytestmark = pytest.mark.slow
INTERVAL, BATCHES = 2, 5


def tensors_of(*values):
    return [x for x in tree_leaves(values) if isinstance(x, torch.Tensor)]


class OnDevice:
    """Memory that would be the accelerator's."""

    def __init__(self):
        self.known = {}

    def add(self, tensors):
        for tensor in tensors:
            storage = tensor.untyped_storage()
            self.known[storage._cdata] = StorageWeakRef(storage)

    def remove(self, tensor):
        self.known.pop(tensor.untyped_storage()._cdata, None)

    def __contains__(self, tensor):
        known = self.known.get(tensor.untyped_storage()._cdata)
        return known is not None and not known.expired()


class Followed(TorchDispatchMode):
    """What is made from tensors of the device is there, too."""

    READS = {
        torch.ops.aten._local_scalar_dense,
        torch.ops.aten.equal,
        torch.ops.aten.nonzero,
        torch.ops.aten.masked_select,
    }

    def __init__(self, device, read):
        super().__init__()
        self.device, self.read = device, read

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        there = any(x in self.device for x in tensors_of(args, kwargs))
        if there and func.overloadpacket in self.READS:
            self.read(func)
        out = func(*args, **(kwargs or {}))
        if there:
            self.device.add(tensors_of(out))
        return out


class Lists(TorchFunctionMode):
    """The ways to read that are not operators."""

    READS = {
        torch.Tensor.tolist,
        torch.Tensor.numpy,
        torch.Tensor.cpu,
        torch.Tensor.__array__,
    }

    def __init__(self, device, read):
        super().__init__()
        self.device, self.read = device, read

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in self.READS and args[0] in self.device:
            self.read(func)
        return func(*args, **(kwargs or {}))


@HOOKS.register_module()
class ReadsHook(Hook):
    """Count what each iteration of a run reads of the device."""

    priority = 'VERY_HIGH'
    counts: Counter = Counter()

    def before_train(self, runner):
        device, model = OnDevice(), unwrapped(runner.model)
        device.add([*model.parameters(), *model.buffers()])
        model.data_preprocessor.register_forward_hook(
            lambda module, args, out: device.add(tensors_of(out))
        )
        counts = ReadsHook.counts = Counter()

        def read(how):
            counts[runner.iter] += 1

        self.modes = Followed(device, read), Lists(device, read)
        for mode in self.modes:
            mode.__enter__()
        ReadsHook.device = device

    def after_train(self, runner):
        for mode in reversed(self.modes):
            mode.__exit__(None, None, None)


class Copied(HostCopy):
    """Its numbers have come to the host without waiting."""

    def __init__(self, tensor):
        super().__init__(tensor)
        ReadsHook.device.remove(self.numbers)


def reads_of(config, tmp_path, monkeypatch):
    """The iterations that read a number."""
    monkeypatch.setattr('ssl_bench.engine.hooks.HostCopy', Copied)
    config.default_hooks.logger = dict(type='LoggerHook', interval=INTERVAL)
    config.custom_hooks = [
        *(config.get('custom_hooks') or []),
        dict(type='ReadsHook'),
    ]
    config.train_dataloader.batch_size = 40 // BATCHES
    config.train_cfg.max_epochs = 1
    config.log_level = 'ERROR'
    pretrain(config, tmp_path)
    # after the last one, a checkpoint is written
    return {i for i in range(BATCHES) if ReadsHook.counts[i]}


def small(name, folder):  # noqa: F811
    if name in test_mini_runs.CASES:
        return test_mini_runs.small(name, folder)
    return test_baseline_data.small(name, folder, 1)


@pytest.mark.parametrize('name', NAMES)
def test_only_iterations_with_a_log_line_read(
    registered,
    folder,  # noqa: F811
    tmp_path,
    monkeypatch,
    name,
):
    reads = reads_of(small(name, folder), tmp_path, monkeypatch)
    # the last one looks for collapse
    assert reads == {1, 3, BATCHES - 1}


def test_what_reads_is_found(
    registered,
    folder,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """mmengine's log reads every loss."""
    monkeypatch.setattr('ssl_bench.engine.runner.read_late', lambda hub: hub)
    config = small('mocov2_r18', folder)
    reads = reads_of(config, tmp_path, monkeypatch)
    assert reads == set(range(BATCHES))
