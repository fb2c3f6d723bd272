"""What a pretraining cost, from its checkpoints to the record."""

import time
from types import SimpleNamespace

import pytest
import torch

from ssl_bench.checkpoints import SUFFIX
from ssl_bench.checkpoints.convert import convert
from ssl_bench.cli import main
from ssl_bench.engine import cost
from ssl_bench.engine.cost import PretrainCostHook, added
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from ssl_bench.results import read_records, validate
from ssl_bench.transfer.source import open_source
from tests.results.factory import make_record

DAY = 86_400.0


def test_parts_add_up(monkeypatch):
    monkeypatch.setattr(cost, 'device_name', lambda: 'A card')
    monkeypatch.setattr(cost, 'gpu_hours', lambda s, n: s * n / 3600)
    first = added({}, 1800.0, 3600, 900.0, 4)
    assert first == dict(
        train_seconds=1800.0,
        images_per_second=2.0,
        peak_memory_mib=900.0,
        gpu_hours=2.0,
        device='A card',
        world_size=4,
        images=3600,
    )
    both = added(first, 3600.0, 7200, 500.0, 2)
    assert both['train_seconds'] == 5400.0
    assert both['images_per_second'] == 2.0
    assert both['peak_memory_mib'] == 900.0
    assert both['gpu_hours'] == 4.0  # 0.5 h on four, 1 h on two
    assert both['world_size'] == 2
    monkeypatch.setattr(cost, 'gpu_hours', lambda s, n: None)  # on a CPU
    assert added({}, 10.0, 5, 1.0, 1)['gpu_hours'] is None
    assert added(first, 10.0, 5, 1.0, 1)['gpu_hours'] == 2.0


def test_a_part_is_not_the_whole():
    hook = PretrainCostHook()
    hook.after_load_checkpoint(SimpleNamespace(), dict(meta=dict(epoch=1)))
    hook.before_train(SimpleNamespace(iter=3))
    checkpoint = dict(meta=dict(iter=6))
    hook.before_save_checkpoint(SimpleNamespace(), checkpoint)
    assert 'cost' not in checkpoint['meta']


@pytest.mark.slow
def test_from_two_parts_to_the_record(config, tmp_path, mini_root):
    run = tmp_path / 'run'
    began = time.perf_counter()
    last = pretrain(config, run)
    took = time.perf_counter() - began
    found = open_source(last, tmp_path).pretrain()['cost']
    assert 0 < found['train_seconds'] < took
    assert found['images_per_second'] == pytest.approx(
        24 / found['train_seconds']
    )
    assert found['peak_memory_mib'] > 50
    assert (found['world_size'], found['gpu_hours']) == (1, None)
    assert found['device'].startswith('cpu')
    # the first half took a day, as it says; the second one is repeated
    half = torch.load(run / 'epoch_1.pth', weights_only=False)
    assert half['meta']['cost']['images'] == 12
    half['meta']['cost']['train_seconds'] = DAY
    torch.save(half, run / 'epoch_1.pth')
    last.unlink()
    began = time.perf_counter()
    last = pretrain(config, run, resume=True)
    took = time.perf_counter() - began
    small = tmp_path / f'small{SUFFIX}'
    assert main(['convert', str(last), str(small)]) == 0
    asked = f'transfer {small} --task mini_knn --data-root {mini_root}'
    assert main([*asked.split(), '--work-dir', str(tmp_path / 'to')]) in (0, 3)
    (record,) = read_records(tmp_path / 'to')
    whole = record['pretrain']['cost']
    assert DAY < whole['train_seconds'] < DAY + took
    assert whole['images_per_second'] == pytest.approx(24 / DAY, rel=1e-2)
    assert set(whole) == set(make_record()['pretrain']['cost'])
    # a checkpoint of before, and a damaged one
    meta = torch.load(last, weights_only=False)
    meta['meta']['cost']['train_seconds'] = 'long'
    torch.save(meta, last)
    with pytest.raises(UserError, match="train_seconds of the cost is 'long'"):
        convert(last)
    del meta['meta']['cost']
    torch.save(meta, last)
    group = open_source(last, tmp_path).pretrain()
    assert 'cost' not in group
    record['pretrain'] = group
    record.pop('record_sha256')
    validate(record)
