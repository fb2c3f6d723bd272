"""A checkpoint says what its pretraining read and changed."""

import copy
import shutil

import pytest

from ssl_bench.checkpoints import SUFFIX
from ssl_bench.checkpoints.convert import convert, to_backbone
from ssl_bench.cli import main
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from ssl_bench.transfer.source import open_source


@pytest.fixture
def folder(image_folder):
    return str(image_folder)


@pytest.mark.slow
def test_from_the_run_to_the_record(config, folder, tmp_path):
    options = {'model.momentum': 0.01, 'train_cfg.max_epochs': 2}
    config.auto_scale_lr = dict(base_batch_size=256)
    whole = pretrain(config, tmp_path / 'run', options=options)
    group = open_source(whole, tmp_path).pretrain()
    departures = [
        'model.momentum=0.01',
        'train_cfg.max_epochs=2',
        'batch 4 instead of 256, rate not scaled',
    ]
    assert group['data'] == f'custom: {folder} (12 images)'
    assert (group['images'], group['epochs'], group['batch']) == (12, 2, 4)
    assert len(group['fingerprint']) == 64
    assert group['departures'] == departures
    assert (group['source'], group['given']) == ('measured', [])
    # the same after a conversion, and of a checkpoint before the end
    half = tmp_path / f'half{SUFFIX}'
    assert main(['convert', f'{tmp_path}/run/epoch_1.pth', str(half)]) == 0
    found = open_source(half, tmp_path).pretrain()
    assert found['departures'] == [*departures, 'epoch 1 of a schedule of 2']
    assert found['data'] == group['data']
    # what the run counted is not replaced by a word
    given = dict(pretrain_data='IN1K')
    for path in (whole, half):
        with pytest.raises(UserError, match='as its pretraining recorded'):
            open_source(path, tmp_path, meta=given)
    assert open_source(half, tmp_path, meta=dict(method='X')).method == 'X'


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_images_says_so(
    config, folder, tmp_path
):
    config.auto_scale_lr = dict(base_batch_size=4)
    first = copy.deepcopy(config)
    pretrain(first, tmp_path / 'run', options={'a': 1})
    assert convert(tmp_path / 'run/epoch_2.pth')[0].meta['departures'] == [
        'a=1'
    ]
    shutil.copytree(folder, tmp_path / 'other')
    next((tmp_path / 'other').rglob('*.jpg')).rename(tmp_path / 'other/x.jpg')
    config.train_dataloader.dataset.data_root = str(tmp_path / 'other')
    (tmp_path / 'run/epoch_2.pth').unlink()
    last = pretrain(config, tmp_path / 'run', f'{tmp_path}/run/epoch_1.pth')
    meta = to_backbone(last).meta
    assert meta['pretrain_data'] == f'custom: {tmp_path}/other (12 images)'
    assert meta['departures'] == [
        f'begun on custom: {folder} (12 images)',
        'a=1',
    ]


def test_a_data_set_that_lists_no_files():
    from ssl_bench.engine.what_was_read import _images_of

    class Mine(list):
        pass

    found = _images_of(Mine([1, 2, 3]))
    assert (found.data, found.fingerprint) == ('custom: Mine (3 images)', '')


def test_the_config_of_the_user_is_named(tmp_path):
    from ssl_bench.config import config_dir, load_config
    from ssl_bench.engine.what_was_read import departures_of

    base = config_dir() / 'pixpro_r50_100e.py'
    assert departures_of(load_config(base), {}, 1024) == []
    own = tmp_path / 'mine.py'
    own.write_text(f'_base_ = {str(base)!r}\n')
    found = departures_of(load_config(own), {}, 1024)
    assert found == ['own config mine.py']
