"""A pretraining leaves a picture of its views, and is the same run."""

import random

import numpy as np
import pytest
import torch

from ssl_bench.engine import view_sheet
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.engine.view_hook import FILE_NAME, painted
from ssl_bench.errors import UserError
from ssl_bench.results.embedding import contents, decode


def weights(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_a_run_leaves_its_views_and_is_the_same(config, tmp_path):
    config.train_cfg.max_epochs = 1
    last = {}
    for name, count in (('with', 2), ('without', 0)):
        config.view_sheet = count
        last[name] = weights(pretrain(config, tmp_path / name, seed=3))
    assert not (tmp_path / 'without' / FILE_NAME).exists()
    path = str(tmp_path / 'with' / FILE_NAME)
    said = contents(path)
    assert (said.kind, said.seed) == ('views', 3)
    assert said.legend[0][1] == '2 views of each image:'
    assert np.asarray(decode(path)).std() > 10
    for name, value in last['with'].items():
        assert torch.equal(value, last['without'][name]), name


@pytest.mark.parametrize('value', [-1, '8', True, 2.5])
def test_settings_that_are_no_number_of_images(config, tmp_path, value):
    config.view_sheet = value
    with pytest.raises(UserError, match='view_sheet=.*or 0 for none'):
        pretrain(config, tmp_path)
    assert not list(tmp_path.glob('*.pth'))


def test_what_goes_wrong_is_a_warning(config, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError('no such colour')

    monkeypatch.setattr(view_sheet, 'draw_views', fail)
    config.train_cfg.max_epochs = 1
    assert pretrain(config, tmp_path).is_file()
    assert not (tmp_path / FILE_NAME).exists()
    [log] = tmp_path.glob('*/*.log')
    assert 'no picture of the views: RuntimeError: no such colour' in (
        log.read_text()
    )


def test_random_numbers_and_marks_stay(config, tmp_path):
    from mmpretrain.registry import DATASETS

    dataset = DATASETS.build(config.train_dataloader.dataset)
    dataset.full_init()
    view_sheet.paint_in_worker(config)
    copied = painted(dataset, config)
    copied.unreadable[0] = True
    assert not dataset.unreadable.any()
    before = random.random(), np.random.rand(), float(torch.rand(1))
    for seeded in (False, True):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        if seeded:
            view_sheet.draw_views(config, copied, 2)
        after = random.random(), np.random.rand(), float(torch.rand(1))
        if seeded:
            assert after == before
        before = after


def test_another_kind_of_data_set_is_named(config):
    with pytest.raises(TypeError, match='a list is not a PretrainDataset'):
        painted([], config)
