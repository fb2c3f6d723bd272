"""Runs whose colours change on the device."""

import copy

import pytest
import torch

from ssl_bench.config import parse_config
from ssl_bench.data.painting import PaintViews
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from tests.engine.test_resume import assert_same_weights, read

COLOURS = [
    dict(
        type='ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
    ),
    dict(type='RandomGrayscale', p=0.3),
    dict(type='RandomSolarize', threshold=128, p=0.3),
]


@pytest.fixture
def painted(config):
    """A config with colours that both executions change alike."""
    view = config.train_dataloader.dataset.pipeline[0].views[0]
    view.photometric = COLOURS
    config.photometric = 'device'
    return config


def test_the_weights_are_those_of_a_run_with_painting_workers(
    painted, tmp_path, monkeypatch
):
    batches = []
    paint = PaintViews.painted
    monkeypatch.setattr(
        PaintViews,
        'painted',
        lambda self, *args: batches.append(1) or paint(self, *args),
    )
    device = pretrain(copy.deepcopy(painted), tmp_path / 'device')
    assert len(batches) == 6
    painted.photometric = 'worker'
    worker = pretrain(copy.deepcopy(painted), tmp_path / 'worker')
    assert len(batches) == 6
    assert_same_weights(worker, device)
    del painted.train_dataloader.dataset.pipeline[0].views[0].photometric
    plain = read(pretrain(painted, tmp_path / 'plain'))['state_dict']
    assert any(
        not torch.equal(value, plain[name])
        for name, value in read(device)['state_dict'].items()
    )


@pytest.mark.slow
def test_a_resumed_run_is_the_run_without_a_break(painted, tmp_path):
    painted.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=2, max_keep_ckpts=9
    )
    view = painted.train_dataloader.dataset.pipeline[0].views[0]
    view.photometric.append(dict(type='RandomGaussianBlur'))
    straight = pretrain(copy.deepcopy(painted), tmp_path / 'straight')
    resumed = pretrain(
        painted, tmp_path / 'on', resume=str(tmp_path / 'straight/iter_4.pth')
    )
    assert_same_weights(straight, resumed)


@pytest.mark.parametrize(
    'setting, said',
    [('device', ['colours of views changed on cpu']), ('auto', [])],
)
def test_the_checkpoint_says_where_colours_changed(
    painted, tmp_path, setting, said
):
    painted.photometric = setting
    painted.train_cfg.max_epochs = 1
    meta = read(pretrain(painted, tmp_path))['meta']
    assert list(parse_config(meta['cfg'])['method']['changes']) == said


def test_a_users_step_stops_a_run_before_it_starts(painted, tmp_path):
    pipeline = painted.train_dataloader.dataset.pipeline
    pipeline[0].views[0].photometric = [dict(type='RandomPosterize', bits=4)]
    with pytest.raises(UserError, match='photometric = .worker'):
        pretrain(painted, tmp_path)
    assert not list(tmp_path.glob('*.pth'))
