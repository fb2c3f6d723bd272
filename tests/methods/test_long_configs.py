"""Configs that are a shorter one with another length."""

import pytest

from ssl_bench.config import load_config


@pytest.mark.parametrize(
    'name, short, epochs, warm_up, changes',
    [
        ('pixpro_ins_r50_400e', 'pixpro_ins_r50_100e', 400, 5, {}),
        ('simsiam_r50_800e', 'simsiam_r50_200e', 800, 0, {}),
        ('simclr_r50_1000e', 'simclr_r50_200e', 1000, 10, {}),
        (  # Grill et al., NeurIPS 2020, Sec. 3.3: 0.2 x 4096 / 256
            'byol_r50_1000e',
            'byol_r50_300e',
            1000,
            10,
            {'lr': 3.2, 'weight_decay': 1.5e-6, 'base_momentum': 1 - 0.996},
        ),
    ],
)
def test_only_the_length_differs(name, short, epochs, warm_up, changes):
    longer, shorter = load_config(name), load_config(short)
    assert longer.train_cfg.max_epochs == epochs
    last = longer.param_scheduler[-1]
    assert last.get('T_max', last.end) == epochs
    assert last.get('warmup', 0) == warm_up
    for config in (longer, shorter):
        config.pop('train_cfg')
        config.pop('param_scheduler')
    for key, value in changes.items():
        part = 'model' if key == 'base_momentum' else 'optim_wrapper.optimizer'
        holder = longer
        for step in part.split('.'):
            holder = holder[step]
        assert holder.pop(key) == pytest.approx(value)
        holder = shorter
        for step in part.split('.'):
            holder = holder[step]
        assert holder.pop(key) != pytest.approx(value)
    assert longer.to_dict() == shorter.to_dict()
