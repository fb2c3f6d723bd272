"""Every method through the runner on two CPU processes."""

import os

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ssl_bench.engine.pretrain import pretrain
from ssl_bench.layers.collectives import mean_over_processes
from tests.methods import test_baseline_data as baselines
from tests.methods import test_mini_runs as mini
from tests.processes import run_in_processes

pytestmark = pytest.mark.slow

# whose norm layers see the batch of all processes, and whose views and masks
# do not depend on the process: one process has the same first loss
SAME_LOSS = (
    'byol_r50_200e',
    'simclr_r50_200e',
    'simsiam_r50_100e',
    'pixpro_r18',
    'pixcontrast_r18',
    'barlow_twins_r18',
    'siamese_im_vit_tiny',
)
NAMES = [*baselines.SMALL, *mini.CASES]
PROCESSES = 2
seen = {}


@HOOKS.register_module()
class FirstLoss(Hook):
    """The first step's loss over all processes, and the last weights."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.iter == 0:
            seen['loss'] = float(mean_over_processes(outputs['loss']))

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        # not the statistics, which may be each process's own
        seen['weights'] = {
            name: value.detach().clone()
            for name, value in model.named_parameters()
        }


def config_of(name, folder, processes):
    """Small, with a global batch of eight."""
    if name in mini.CASES:
        config = mini.small(name, folder)
        config.train_cfg.max_epochs = 1
        config.log_level = 'ERROR'
    else:
        config = baselines.small(name, folder, 1)
    config.train_dataloader.batch_size = 8 // processes
    if name.startswith('swav'):
        config.custom_hooks[0].batch_size = 8 // processes
    config.custom_hooks = [
        *config.get('custom_hooks', []),
        dict(type='FirstLoss'),
    ]
    return config


def train(rank, folder, work_dir, processes):
    """First loss and last weights of every method."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes)
    )
    results = {}
    for name in NAMES:
        seen.clear()
        pretrain(config_of(name, folder, processes), f'{work_dir}/{name}')
        results[name] = dict(seen)
    return results


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return mini.forty_images(tmp_path_factory.mktemp('images'))


@pytest.fixture(scope='module')
def ranks(registered, folder, tmp_path_factory):
    return run_in_processes(
        train, PROCESSES, folder, tmp_path_factory.mktemp('two'), PROCESSES
    )


@pytest.mark.parametrize('name', NAMES)
def test_two_processes_have_the_same_weights(ranks, name):
    one, two = (rank[name] for rank in ranks)
    assert one['loss'] == two['loss']
    for key, value in one['weights'].items():
        assert torch.equal(value, two['weights'][key]), key
        assert value.isfinite().all(), key


@pytest.mark.parametrize('name', SAME_LOSS)
def test_one_process_has_the_same_first_loss(ranks, folder, tmp_path, name):
    pretrain(config_of(name, folder, 1), tmp_path)
    assert ranks[0][name]['loss'] == pytest.approx(seen['loss'], rel=2e-5)
