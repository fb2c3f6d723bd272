"""The collapse monitor: what it measures, when it warns, what it leaves."""

import copy
import json
import math
from unittest.mock import MagicMock

import pytest
import torch
from mmengine.model import BaseModule
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import nn
from torch.nn import functional as F

from ssl_bench.engine.collapse import CollapseHook, pooled, spread
from ssl_bench.engine.pretrain import pretrain
from tests.processes import run_in_processes


@MODELS.register_module()
class TwoConvs(BaseModule):
    """A backbone without norm layers: nothing keeps images apart."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3)
        )

    def forward(self, x):
        return (self.layers(x),)


@MODELS.register_module()
class PullTogether(BaseSelfSupervisor):
    """Makes the features of all images alike."""

    def loss(self, inputs, data_samples):
        z = F.normalize(self.backbone(inputs[0])[-1].mean((2, 3)), dim=1)
        return dict(loss=-(z @ z.T).mean())


def scalars(folder):
    path = next(folder.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_spread_by_hand():
    corners = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, -4.0]])
    std, rank = spread(corners)
    assert std == pytest.approx(1)  # each coordinate: sqrt(1/2), D = 2
    assert rank == pytest.approx(2)
    std, rank = spread(torch.tensor([[3.0, 4.0]]).expand(5, 2))
    assert (std, rank) == (pytest.approx(0), 1)
    # two directions with singular values 2 : 1
    z = torch.tensor(
        [[1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    )
    p = torch.tensor([2.0, 1.0]).sqrt() / (math.sqrt(2) + 1)
    assert spread(z)[1] == pytest.approx(float(p.pow(-p).prod()))


def test_spread_of_directions_spread_evenly():
    torch.manual_seed(0)
    x = torch.randn(400, 16)
    std, rank = spread(x)
    assert std == pytest.approx(1, abs=0.02)
    assert rank == pytest.approx(16, abs=0.2)
    # the same images in three directions only, far from the origin
    std, rank = spread(x[:, :3] @ torch.randn(3, 16) / 100 + 1)
    assert rank < 3.01 and std < 0.1


@pytest.mark.parametrize(
    'output, shape',
    [
        (torch.rand(2, 3), (2, 3)),
        ((torch.rand(2, 3, 4, 5), torch.rand(2, 6, 2, 2)), (2, 6)),
        ((torch.rand(2, 9, 7), torch.rand(2, 9), torch.arange(4)), (2, 7)),
    ],
)
def test_pooled_vectors(output, shape):
    assert pooled(output).shape == shape


def test_pooled_refuses_to_guess():
    assert pooled((torch.arange(3), None)) is None
    torch.testing.assert_close(
        pooled(torch.ones(1, 2, 3, 3, dtype=torch.bfloat16)), torch.ones(1, 2)
    )


def test_collapse_is_named_with_its_iteration(config, tmp_path):
    config.model = dict(
        type='PullTogether',
        backbone=dict(type='TwoConvs'),
        data_preprocessor=config.model.data_preprocessor,
    )
    config.train_dataloader.batch_size = 12
    config.train_cfg.max_epochs = 12
    config.custom_hooks = [dict(type='CollapseHook', min_std=0.05)]
    pretrain(config, tmp_path)
    rows = scalars(tmp_path)
    assert len(rows) == 12  # the end of every epoch
    low = [row['step'] for row in rows if row['feature_std'] < 0.05]
    assert low and low[0] > 1
    log = next(tmp_path.glob('*/*.log')).read_text()
    first = log.split('the features collapse: at iteration ')[1]
    assert first.startswith(f'{low[0]} their standard deviation')


def test_a_healthy_run_is_not_warned_about(config, tmp_path):
    config.train_dataloader.batch_size = 12
    config.train_cfg.max_epochs = 12
    config.model.queue_len = 12
    pretrain(config, tmp_path)
    assert min(row['feature_std'] for row in scalars(tmp_path)) > 0.1
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'the features collapse' not in log


@pytest.mark.parametrize(
    'images, rows, warnings',
    [
        (
            20,
            [(0.5, 9.0), (0.005, 9.0), (0.004, 9.0), (0.5, 9.0), (0.5, 1.5)],
            [2, 5],
        ),
        (4, [(0.5, 1.5), (0.009, 1.5)], [2]),  # four images cannot have a rank
    ],
)
def test_warns_once_for_each_crossing(images, rows, warnings):
    runner, hook = MagicMock(), CollapseHook()
    for iteration, (std, rank) in enumerate(rows):
        runner.iter = iteration
        hook.judge(runner, std, rank, images)
    said = [call.args[0] for call in runner.logger.warning.call_args_list]
    assert [
        int(text.split('iteration ')[1].split()[0]) for text in said
    ] == warnings


def test_every_run_logs_it_and_none_is_changed(config, tmp_path, monkeypatch):
    """With and without, the checkpoints are equal bit for bit."""
    config.model.backbone.norm_cfg = dict(type='BN')
    watched = pretrain(copy.deepcopy(config), tmp_path / 'watched')
    row = scalars(tmp_path / 'watched')[-1]
    assert 0 < row['feature_std'] < 1.5 and 1 <= row['feature_rank'] <= 4
    config.custom_hooks = [dict(type='CollapseHook', interval=10**6, images=0)]
    monkeypatch.setattr(
        'ssl_bench.engine.collapse.CollapseHook._due', lambda *_: False
    )
    alone = pretrain(config, tmp_path / 'alone')
    assert 'feature_std' not in scalars(tmp_path / 'alone')[-1]
    one, two = (
        torch.load(path, weights_only=False) for path in (watched, alone)
    )
    assert one['state_dict'].keys() == two['state_dict'].keys()
    for name, value in one['state_dict'].items():
        assert torch.equal(value, two['state_dict'][name]), name
    for name, slot in one['optimizer']['state'].items():
        other = two['optimizer']['state'][name]['momentum_buffer']
        assert torch.equal(slot['momentum_buffer'], other)


def test_a_resumed_run_logs_the_same_values(config, tmp_path):
    straight = tmp_path / 'straight'
    pretrain(copy.deepcopy(config), straight)
    first = str(straight / 'epoch_1.pth')
    pretrain(config, tmp_path / 'halves', resume=first)

    def values(folder):
        return {
            row['step']: (row['feature_std'], row['feature_rank'])
            for row in scalars(folder)
        }

    wanted, got = values(straight), values(tmp_path / 'halves')
    assert sorted(got) == [4, 5, 6]
    assert all(wanted[step] == got[step] for step in got)


def joined(rank):
    """What the hook logs in one of two processes."""
    torch.manual_seed(rank)
    model = torch.nn.Module()
    model.backbone = torch.nn.Identity()
    runner = MagicMock(model=model, world_size=2, train_dataloader=[0] * 3)
    hook = CollapseHook(interval=1)
    hook.before_train_iter(runner, 0)
    features = model.backbone(torch.randn(6, 5))
    model.backbone(torch.zeros(6, 5))  # only the first call counts
    hook.after_train_iter(runner, 0)
    calls = [
        call.args for call in runner.message_hub.update_scalar.call_args_list
    ]
    return features, calls


def test_two_processes_log_the_joined_batch():
    (one, first), (two, second) = run_in_processes(joined, 2)
    std, rank = spread(torch.cat([one, two]))
    assert (
        first
        == second
        == [('train/feature_std', std), ('train/feature_rank', rank)]
    )
