import copy

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
