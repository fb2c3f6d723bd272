"""A pretraining on files that hold images, and what a resumed one reads."""

import copy

import pytest
import torch

from ssl_bench.data.storage import Storage
from ssl_bench.data.storage.archives import Zip
from ssl_bench.data.storage.folder import Folder
from ssl_bench.data.storage.pack import pack
from ssl_bench.engine.pretrain import pretrain


def counted(monkeypatch, kind: type[Storage]) -> list[int]:
    """The numbers of the images that are read from now on."""
    read, source = [], kind.source

    def count(self, images, index):
        read.append(index)
        return source(self, images, index)

    monkeypatch.setattr(kind, 'source', count)
    return read


@pytest.mark.slow
def test_a_run_is_the_same_and_goes_on_without_reading_again(
    config, image_folder, tmp_path, monkeypatch
):
    """Twelve images, three iterations an epoch: two of six are left."""
    config.view_sheet = 0  # which reads images, too
    config.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=9
    )
    from_folder = pretrain(copy.deepcopy(config), tmp_path / 'folder')
    root = tmp_path / 'set.zip'
    pack(str(image_folder), str(root))
    config.train_dataloader.dataset.data_root = str(root)
    read = counted(monkeypatch, Zip)
    resumed = pretrain(
        config, tmp_path / 'zip', resume=str(tmp_path / 'folder/iter_4.pth')
    )
    assert len(read) == len(set(read)) == 8
    one, two = (
        torch.load(path, weights_only=False) for path in (from_folder, resumed)
    )
    assert resumed.name == 'iter_6.pth'
    for name, value in one['state_dict'].items():
        assert torch.equal(value, two['state_dict'][name]), name
    # the set has another place, and the same fingerprint: nothing departs
    assert f'custom: {root} (12 images)' in two['meta']['cfg']
    assert 'begun on' not in two['meta']['cfg']


@pytest.mark.slow
def test_a_run_without_epochs_goes_on_without_reading_again(
    config, tmp_path, monkeypatch
):
    config.view_sheet = 0  # which reads images, too
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=8)
    config.param_scheduler = []
    config.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=9
    )
    straight = pretrain(copy.deepcopy(config), tmp_path / 'one')
    read = counted(monkeypatch, Folder)
    resumed = pretrain(
        config, tmp_path / 'two', resume=str(tmp_path / 'one/iter_7.pth')
    )
    assert len(read) == 4
    one, two = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (straight, resumed)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
