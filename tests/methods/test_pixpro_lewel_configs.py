"""Every config of PixPro, PixContrast and LEWEL builds what the paper has."""

import pytest
from mmengine.optim import build_optim_wrapper

from ssl_bench.config import config_dir, load_config
from ssl_bench.layers.global_bn import GlobalBatchNorm

NAMES = sorted(
    str(path.relative_to(config_dir()))
    for method in ('pixpro', 'pixcontrast', 'lewel')
    for path in config_dir().glob(f'**/{method}*.py')
    if '_base_' not in path.parts
)


def build(config):
    """The model as configured, but for the length of its queues."""
    from mmpretrain.registry import MODELS

    if config.model.get('base') == 'moco':
        config.model.queue_len = min(config.model.queue_len, 1024)
    return MODELS.build(config.model)


def test_all_are_here():
    assert len(NAMES) == 13


@pytest.mark.parametrize('name', NAMES)
def test_builds_and_batch_fits(name, registered):
    config = load_config(name)
    queue_len = config.model.get('queue_len', 0)
    model = build(config)
    processes = 1 if 'mini' in name else 8
    batch = config.train_dataloader.batch_size * processes
    assert config.auto_scale_lr.base_batch_size == batch
    assert queue_len % batch == 0
    step = config.train_dataloader.dataset.pipeline[0]
    assert step.type == 'MakeViews'
    assert sum(view.get('repeat', 1) for view in step.views) == 2
    (scheduler,) = config.param_scheduler
    end = scheduler.get('end')
    assert end == config.train_cfg.max_epochs
    synchronised = any(
        isinstance(module, GlobalBatchNorm) for module in model.modules()
    )
    eman = config.model.get('eman') or config.model.get('base') == 'moco'
    assert synchronised != eman


def optimizer_of(name):
    config = load_config(name)
    config.optim_wrapper.type = 'OptimWrapper'
    model = build(config)
    optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    names = {id(p): n for n, p in model.named_parameters()}
    return optimizer, names


@pytest.mark.parametrize(
    'name, decayed, excluded',
    [
        # as the released programs group them
        ('pixpro_r50_100e.py', 56, 111),
        ('lewel_b_r50_400e.py', 65, 110),
        ('lewel_b_eman_r50_100e.py', 61, 114),
    ],
)
def test_lars_groups(name, decayed, excluded, registered):
    """Which tensors have decay and adaptation, by the optimiser's rule."""
    optimizer, names = optimizer_of(name)
    counts = [0, 0]
    for group in optimizer.param_groups:
        for parameter in group['params']:
            if not parameter.requires_grad:
                continue
            out = group.get(
                'lars_exclude', group['exclude_1d'] and parameter.ndim <= 1
            )
            counts[out] += 1
            if not out and parameter.ndim == 1:
                assert names[id(parameter)].endswith('norm1.weight')
    assert counts == [decayed, excluded]


def test_recipes():
    """Rates and lengths of the papers' runs."""
    rates = {
        name: load_config(name).optim_wrapper.optimizer.lr
        for name in NAMES
        if 'mini' not in name
    }
    assert rates.pop('lewel_m_r50_200e.py') == 0.03
    assert rates.pop('lewel_b_r50_400e.py') == 7.2
    for name, rate in rates.items():
        assert rate == (3.6 if 'lewel' in name else 4.0)
    for name in NAMES:
        if 'mini' not in name:
            epochs = load_config(name).train_cfg.max_epochs
            assert name.endswith(f'{epochs}e.py')
