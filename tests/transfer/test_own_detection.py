"""Every detection task on own data: its protocol, with other classes."""

import json

import pytest

from ssl_bench.cli import main
from ssl_bench.tasks.own import read_own_data
from ssl_bench.tasks.table import on_own_data, tasks
from ssl_bench.transfer.plan import make_plan
from tests.own_objects import SHAPES, coco_files, xml_files

TASKS = [
    row.id
    for row in tasks().values()
    if row.toolbox == 'mmdet' and 'lvis' not in row.id
]
# what may differ from the protocol's config
OWN_KEYS = {
    'data_root',
    'ann_file',
    'data_prefix',
    'img_subdir',
    'ann_subdir',
    'metainfo',
    'whole',
    'datasets',
    'num_classes',
}


def differences(one, other, key=''):
    """Keys under which two configs differ."""
    if key in OWN_KEYS:
        return set() if one == other else {key}
    if isinstance(one, dict) and isinstance(other, dict):
        if 'datasets' in other:  # joined sets become one
            other = other['datasets'][0]
        return {
            name
            for each in {*one, *other}
            for name in differences(one.get(each), other.get(each), each)
        }
    if (
        isinstance(one, (list, tuple))
        and isinstance(other, (list, tuple))
        and len(one) == len(other)
    ):
        return {
            name
            for pair in zip(one, other)
            for name in differences(*pair, key)
        }
    return set() if one == other else {key}


def numbers_of_classes(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == 'num_classes':
                yield item
            elif key != 'rpn_head':
                yield from numbers_of_classes(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers_of_classes(item)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('own')
    return dict(
        coco=read_own_data(*coco_files(root / 'c'), name='c'),
        voc=read_own_data(*xml_files(root / 'v'), name='v'),
    )


@pytest.mark.parametrize('task', TASKS)
def test_the_protocol_stays_and_the_classes_change(data, task):
    own = data['voc' if 'voc' in task else 'coco']
    row = on_own_data(task, own)
    config, protocol = make_plan(row.id).config, make_plan(task).config
    assert set(numbers_of_classes(config.model)) == {len(SHAPES)}
    assert differences(config.to_dict(), protocol.to_dict()) <= OWN_KEYS
    for split, loader in (
        (own.train, config.train_dataloader),
        (own.val, config.test_dataloader),
    ):
        text = json.dumps(loader.dataset, default=str)
        assert split.images in text and split.labels in text
        assert '"classes": ["cross", "disc", "ring"]' in text
    if own.kind == 'coco':
        assert config.test_evaluator.ann_file == own.val.labels
    assert 'own:' not in config.pretty_text


def test_the_digest_of_settings_does_not_tell_the_place(data, tmp_path):
    row = on_own_data('coco_frcnn_fpn_1x', data['coco'])
    there = read_own_data(*coco_files(tmp_path), name='there')
    other = on_own_data('coco_frcnn_fpn_1x', there)
    one, two = make_plan(row.id), make_plan(other.id)
    assert one.config_sha256 == two.config_sha256
    assert one.config.train_dataloader != two.config.train_dataloader


@pytest.mark.slow
@pytest.mark.parametrize(
    'files, task',
    [(xml_files, 'mini_voc_det_c4'), (coco_files, 'mini_coco_dino')],
)
def test_a_run_on_own_data_has_its_record(tmp_path, capsys, files, task):
    train, val = files(tmp_path)
    images = 5
    if files is xml_files:
        names = tmp_path / 'names.txt'
        names.write_text('train 0\nday 1/train 1\ntrain 2\n')
        train, images = [*train, str(names)], 3
    command = ['transfer', 'random', '--arch', 'resnet18-w16', '--tasks', task]
    command += ['--train-data', *train, '--val-data', *val]
    command += ['--data-name', 'shapes', '--work-dir', str(tmp_path / 'work')]
    command += ['--cfg-options', 'train_cfg.max_iters=1']
    assert main(command) == 0
    (path,) = (tmp_path / 'work').glob('*/result.json')
    record = json.loads(path.read_text())
    assert record['task'] == f'custom:shapes/{task}'
    assert record['data']['name'] == 'custom:shapes'
    assert record['data']['images'] == images
    assert record['departures'] == ['train_cfg.max_iters=1']
    capsys.readouterr()
    assert main(command) == 0
    assert '(done before)' in capsys.readouterr().out
