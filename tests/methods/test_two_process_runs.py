"""Every method through the runner: two CPU processes against one.

Whole runs in float64: two processes, killed after the first of two epochs and
resumed, and one process on the joined batch without a break. Losses, averaged
gradients of both steps, and weights and buffers at the end are equal.

What is made equal first: norm layers that are each process's own (MoCo,
DenseCL, InsLoc, LEWEL) see the batch of all processes, MAE draws its masks
from the images (it draws them for each process), and two processes put a
batch into a queue in another order.
"""

from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmpretrain.models import MAEViT
from torch import nn

from ssl_bench.engine import runner as engine_runner
from ssl_bench.engine.distributed import unwrapped
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.layers.collectives import mean_over_processes
from ssl_bench.layers.global_bn import GlobalBatchNorm
from tests.methods import test_baseline_data as baselines
from tests.methods import test_mini_runs as mini
from tests.processes import run_in_processes, under_torchrun

pytestmark = pytest.mark.slow

# the small MoCo v2 is the large one's method
NAMES = [*baselines.SMALL, *(n for n in mini.CASES if n != 'mocov2_r18')]
PROCESSES, BATCH, EPOCHS = 2, 8, 2
PER_PROCESS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
seen = {}


class Killed(Exception):
    """The end of the first part of a run."""


@HOOKS.register_module()
class Witness(Hook):
    """Keep losses, gradients and the last state; perhaps end a run early."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at

    def before_train(self, runner):
        names = {
            id(p): n for n, p in unwrapped(runner.model).named_parameters()
        }

        def keep(optimizer, *_):
            seen.setdefault('gradients', []).append(
                {
                    names[id(p)]: p.grad.detach().clone()
                    for group in optimizer.param_groups
                    for p in group['params']
                    if p.grad is not None
                }
            )

        runner.optim_wrapper.optimizer.register_step_pre_hook(keep)

    def before_train_epoch(self, runner):
        if runner.epoch == self.stop_at:
            barrier()  # the first process may still write its checkpoint
            raise Killed

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        loss = float(mean_over_processes(outputs['loss']))
        seen.setdefault('losses', []).append(loss)

    def after_train(self, runner):
        state = unwrapped(runner.model).state_dict()
        seen['state'] = {k: v.detach().clone() for k, v in state.items()}


def config_of(name, folder, processes, stop_at):
    """Small, one global batch of eight an epoch."""
    if name in mini.CASES:
        config = mini.small(name, folder)
        config.log_level = 'ERROR'
        config.default_hooks.checkpoint.interval = 1
        config.train_dataloader.sampler.drop_last = True
    else:
        config = baselines.small(name, folder, EPOCHS)
    config.train_cfg.max_epochs = EPOCHS
    config.train_dataloader.batch_size = BATCH // processes
    config.custom_hooks = [
        *config.get('custom_hooks', []),
        dict(type='Witness', stop_at=stop_at),
    ]
    return config


def global_norms(model):
    """Every batch norm over all processes."""
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, PER_PROCESS):
                ours = GlobalBatchNorm(
                    norm.num_features, norm.eps, norm.momentum, norm.affine
                )
                ours._parameters, ours._buffers = (
                    norm._parameters,
                    norm._buffers,
                )
                setattr(parent, name, ours.train(norm.training))


draw_masks = MAEViT.random_masking


def masks_of_images(self, x, mask_ratio=0.75):
    noise = x.detach().sum(-1) * 1000 % 1
    with mock.patch('torch.rand', lambda *_, **__: noise):
        return draw_masks(self, x, mask_ratio)


def run(name, folder, work_dir, processes, interrupted):
    """What a run computes; if interrupted, also from its second part."""
    seen.clear()
    if interrupted:
        with pytest.raises(Killed):
            pretrain(config_of(name, folder, processes, 1), work_dir)
    config = config_of(name, folder, processes, None)
    pretrain(config, work_dir, resume=interrupted)
    return dict(seen)


def run_all(rank, folder, work_dir, processes, interrupted):
    """All methods, in float64."""
    under_torchrun(rank, processes)
    torch.set_default_dtype(torch.float64)
    with (
        mock.patch.object(engine_runner, 'replace_sync_bn', global_norms),
        mock.patch.object(MAEViT, 'random_masking', masks_of_images),
        # what is laid out for people takes longer than the training
        mock.patch.object(engine_runner.FormattedOnce, 'pretty_text', ''),
    ):
        return {
            name: run(
                name, folder, f'{work_dir}/{name}', processes, interrupted
            )
            for name in NAMES
        }


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Eight images: one step an epoch."""
    folder = mini.forty_images(tmp_path_factory.mktemp('images'))
    for path in sorted(Path(folder).iterdir())[BATCH:]:
        path.unlink()
    return folder


@pytest.fixture(scope='module')
def imports(registered):
    """What runs import, before processes are forked: it takes seconds."""
    import_module('matplotlib.pyplot')
    import_module('torch._dynamo')  # optimizers do


@pytest.fixture(scope='module')
def two(imports, folder, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('two')
    return run_in_processes(
        run_all, PROCESSES, folder, work_dir, PROCESSES, True
    )


@pytest.fixture(scope='module')
def one(imports, folder, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('one')
    (result,) = run_in_processes(run_all, 1, folder, work_dir, 1, False)
    return result


def in_order(name, value):
    """A queue's keys sorted, since processes bring them in another order."""
    if name.endswith('queue') and value.ndim == 3:  # (crops, L, D) of SwAV
        return torch.stack([rows[rows[:, 0].argsort()] for rows in value])
    if 'queue' in name and value.ndim > 1:  # keys are columns
        columns = value.flatten(0, -2)
        return columns[:, columns[0].argsort()]
    return value


def equal(actual, expected, name, floor=1e-13):
    """To 1e-9 of the largest entry; below ``floor`` anything is equal."""
    if not expected.is_floating_point():
        assert torch.equal(actual, expected), name
        return
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(
        actual,
        expected,
        rtol=1e-9,
        atol=1e-9 * largest + floor,
        msg=lambda text: f'{name}: {text}',
    )


@pytest.mark.parametrize('name', NAMES)
def test_two_processes_equal_one(two, one, name):
    """Losses, gradients of both steps, and the last state."""
    whole, parts = one[name], [rank[name] for rank in two]
    assert len(whole['losses']) == EPOCHS
    for part in parts:
        assert part['losses'] == pytest.approx(whole['losses'], rel=1e-10)
        for step in range(EPOCHS):
            expected = whole['gradients'][step]
            assert part['gradients'][step].keys() == expected.keys()
            for key, grad in expected.items():
                equal(part['gradients'][step][key], grad, f'{step} {key}')
        assert part['state'].keys() == whole['state'].keys()
        for key, value in whole['state'].items():
            # Adam divides rounding errors by rounding errors
            actual, expected = (
                in_order(key, state) for state in (part['state'][key], value)
            )
            equal(actual, expected, key, floor=1e-10)
    for key in whole['gradients'][-1]:
        first, second = (part['state'][key] for part in parts)
        assert torch.equal(first, second), key
    assert any(
        float(grad.abs().max()) > 1e-4
        for grad in whole['gradients'][0].values()
    )
