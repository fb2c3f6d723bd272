import copy

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from ssl_bench.engine.runner import AtomicRunner, FormattedOnce


def test_a_config_is_laid_out_once_until_it_changes(monkeypatch):
    from yapf.yapflib import yapf_api

    calls = []
    real = yapf_api.FormatCode

    def counted(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(yapf_api, 'FormatCode', counted)
    plain = Config(dict(model=dict(type='InsLoc', depth=18), epochs=[1, 2]))
    config = FormattedOnce.of(plain)
    text = config.pretty_text
    assert config.pretty_text == text == copy.deepcopy(config).pretty_text
    assert config.dump() == text
    assert len(calls) == 1

    config.model.depth = 50
    assert 'depth=50' in config.pretty_text
    assert len(calls) == 2
    assert plain.pretty_text == text


def test_checkpoints_are_read_to_the_cpu(monkeypatch):
    """mmengine's resume asks for the device: AdamW's counts stay here."""
    asked = {}
    monkeypatch.setattr(
        Runner,
        'load_checkpoint',
        lambda self, filename, **options: asked.update(options) or {},
    )
    runner = AtomicRunner.__new__(AtomicRunner)
    runner._resume = False
    runner.load_checkpoint('run.pth', map_location='cuda')
    assert asked == dict(map_location='cpu')


@pytest.mark.parametrize('count, rate', [(1, 0.05), (4, 0.2)])
def test_the_scaled_rate_is_that_of_an_update(
    registered, config, tmp_path, count, rate
):
    """0.1 for 8 images: half for four, twice for four times four."""
    config.work_dir = str(tmp_path)
    config.launcher = 'none'
    config.optim_wrapper.accumulative_counts = count
    config.auto_scale_lr = dict(base_batch_size=8, enable=True)
    runner = AtomicRunner.from_cfg(config)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    assert wrapper.optimizer.param_groups[0]['lr'] == pytest.approx(rate)
