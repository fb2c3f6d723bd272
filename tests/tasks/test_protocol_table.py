"""The table of protocols in docs/protocols.md, made from the configs."""

import copy

import pytest

from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.tasks import protocol_table as module
from ssl_bench.tasks.datasets import MINI_ROOT
from ssl_bench.tasks.protocol_table import (
    NOTHING,
    PARTS,
    cell,
    frozen_tasks,
    protocol_table,
)
from ssl_bench.tasks.table import task_config, tasks

MARKS = '<!-- protocols -->\n', '\n<!-- /protocols -->'
PAGE = config_dir().parent / 'docs/protocols.md'
HEAD, TRAINING, TEST = PARTS.values()


@pytest.fixture(scope='module')
def configs(registered):
    return frozen_tasks()


def test_the_page_has_the_present_table(configs, monkeypatch):
    monkeypatch.setattr(module, 'frozen_tasks', lambda: configs)
    text = PAGE.read_text(encoding='utf-8')
    shown = text.partition(MARKS[0])[2].partition(MARKS[1])[0]
    assert shown == protocol_table(), (
        'ssl-bench tasks --protocols --update docs/protocols.md'
    )


def test_every_task_on_frozen_maps_is_in_it(configs):
    """What the issue names is said by the config of each, none by code."""
    assert len(configs) > 15
    assert not any(tasks()[name].root == MINI_ROOT for name in configs)
    for name, config in configs.items():
        for column in ('layers', 'stages', 'final norm', 'class token'):
            assert cell(config, HEAD[column]) != NOTHING, (name, column)
        assert cell(config, HEAD['padding']) != NOTHING, name
        assert cell(config, TEST['score']) != NOTHING, name
        if tasks()[name].group == 'segmentation':
            assert cell(config, TEST['ignored labels']) != NOTHING, name
        if 'decode_head' in config.get('model', {}):
            assert cell(config, HEAD['head norm']) != NOTHING, name
            assert cell(config, TRAINING['loss divided by']) != NOTHING, name


@pytest.mark.parametrize(
    'name, column, said',
    [
        ('ade20k_linseg_dinov2', HEAD['head norm'], 'SyncBN'),
        ('ade20k_linseg_dinov3', HEAD['padding'], 'cut'),
        (
            'ade20k_linseg_dinov3',
            HEAD['head norm'],
            'SyncBN, after dropout 0.1',
        ),
        ('ade20k_linseg_dinov2', TRAINING['loss divided by'], 'all'),
        ('ade20k_linseg_franca', TRAINING['loss divided by'], 'kept'),
        ('voc12_linseg_franca', HEAD['maps are resized'], 'to 100 x 100'),
        ('nyu_depth_lin1_dinov2', HEAD['final norm'], 'no'),
        ('nyu_depth_lin1_dinov2', HEAD['class token'], 'yes'),
        ('nyu_depth_lin1_dinov2', HEAD['head norm'], 'none'),
        ('nyu_depth_lin_dinov3', HEAD['head norm'], 'SyncBN'),
        ('voc12_linseg_dinov2', TEST['image'], 'short side 512'),
        (
            'voc12_linseg_dinov2',
            TEST['window or whole'],
            'slide, 512 x 512, stride 341 x 341',
        ),
        ('spair_probe3d', TRAINING['optimizer'], NOTHING),
    ],
)
def test_cells(configs, name, column, said):
    assert cell(configs[name], column) == said


def test_a_cell_follows_its_config(registered):
    config = load_config(task_config('voc12_linseg_dinov2'))
    other = copy.deepcopy(config)
    other.model.maps.final_norm = False
    other.model.decode_head.map_size = (50, 50)
    other.checkpoint_choice.best = True
    assert cell(config, HEAD['final norm']) == 'yes'
    assert cell(other, HEAD['final norm']) == 'no'
    assert cell(other, HEAD['maps are resized']) == 'to 50 x 50'
    assert 'best on the test set' in cell(other, TEST['checkpoint'])


def test_tasks_that_say_the_same_are_one_line():
    columns = {'norm': {'norm': ''}, 'size': {'size': 'of'}}
    same = dict(norm=None, size=(2, 3))
    configs = dict(a=same, b=dict(norm=True), c=dict(same), d={})
    assert list(module.rows(configs, columns)) == [
        ('`a`, `c`', 'none', 'of 2 x 3'),
        ('`b`', 'yes', NOTHING),
    ]


def test_the_command_prints_and_writes(configs, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(module, 'frozen_tasks', lambda: configs)
    assert main(['tasks', '--protocols']) == 0
    assert capsys.readouterr().out.strip() == protocol_table()
    page = tmp_path / 'page.md'
    page.write_text('a\n<!-- protocols -->\nstale\n<!-- /protocols -->\nb\n')
    assert main(['tasks', '--protocols', '--update', str(page)]) == 0
    assert page.read_text() == protocol_table().join(
        (f'a\n{MARKS[0]}', f'{MARKS[1]}\nb\n')
    )
    for words, reason in (
        (['--protocols', '--update', str(tmp_path / 'none.md')], 'no file'),
        (['--protocols', 'mini_knn'], 'shows every task'),
        (['--update', str(page)], '--update is of --protocols'),
    ):
        assert main(['tasks', *words]) == 2
        assert reason in capsys.readouterr().err
