"""The task table: what one config says, and who uses it."""

import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.config import config_dir
from ssl_bench.errors import UserError
from ssl_bench.results import write_record
from ssl_bench.tasks.table import _table, find_task, task_config, tasks
from ssl_bench.transfer.run import run_task
from tests.results.factory import make_record

LITERAL = """
TASK = dict(
    id='flowers', title='Flowers kNN', group='features', toolbox='probe',
    dataset='mini_imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'], source='nobody')
_base_ = '%s'
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A further folder of configs; returns a function that adds a task."""
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path / 'more'))
    (tmp_path / 'more/transfer').mkdir(parents=True)

    def add(text=LITERAL, name='flowers'):
        path = tmp_path / f'more/transfer/{name}.py'
        base = config_dir() / 'transfer/mini_knn.py'
        path.write_text(text % base if '%s' in text else text)
        _table.cache_clear()
        return path

    yield add
    _table.cache_clear()


@pytest.mark.parametrize('name', tasks())
def test_every_config_says_what_its_task_is(name):
    task = tasks()[name]
    assert task.id == task_config(name).stem
    assert set(task.shown) <= set(task.metrics)
    assert all(rule.tolerance > 0 for rule in task.metrics.values())
    assert task.trained_by == '' or task.trained_by in tasks()


def test_every_config_is_a_task():
    files = {path.stem for path in (config_dir() / 'transfer').glob('*.py')}
    assert files == set(tasks()) and tasks().broken == {}


@pytest.mark.parametrize(
    'metric, known',
    [
        ('top1', True),
        ('top1_k200', True),
        ('top1_ms_flip', True),
        ('top', False),
        ('top_1', False),
        ('', False),
    ],
)
def test_varieties_of_a_metric(metric, known):
    assert (find_task('mini_knn').metric(metric) is not None) == known


def test_one_file_is_a_task(folder, source, mini_root, tmp_path, capsys):
    """Listed, checked, run, recorded and shown; nothing else is edited."""
    folder()
    assert main(['tasks', 'flowers']) == 0
    assert 'Flowers kNN' in capsys.readouterr().out
    assert (
        main(['data', 'check', 'flowers', '--data-root', str(mini_root)]) == 0
    )
    assert capsys.readouterr().out == 'flowers: fine\n'
    outcome = run_task(source, 'flowers', 0, tmp_path / 'runs', str(mini_root))
    assert set(outcome.record['metrics']) == {'top1', 'top1_k5', 'top1_k20'}
    output = tmp_path / 'board.csv'
    assert main(
        ['leaderboard', str(tmp_path / 'runs'), '-o', str(output)]
    ) in (0, 3)
    assert ',flowers,top1,' in output.read_text()
    assert 'Flowers kNN (flowers)' in capsys.readouterr().out


OWN = """
TASK = dict(
    id='flowers', title='Flowers kNN', group='features', toolbox='probe',
    dataset=dict(
        layout='class_folders', title='My flowers',
        train='flowers/train', test='flowers/val'),
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'], source='nobody')
_base_ = '%s'
probe = dict(neighbours=[1, 3], headline=3)
train_dataloader = dict(dataset=dict(data_root='data/flowers/train'))
test_dataloader = dict(dataset=dict(data_root='data/flowers/val'))
"""


def test_one_file_is_a_task_on_own_data(
    folder, source, tmp_path, photo, capsys
):
    """The same with a data set that only this file knows."""
    folder(OWN)
    root = tmp_path / 'mine'
    check = ['data', 'check', 'flowers', '--data-root', str(root)]
    assert main(['tasks', 'flowers', '--data-root', str(root)]) == 0
    assert 'My flowers: flowers/train, flowers/val' in capsys.readouterr().out
    assert main(check) == 1
    assert f'{root}/flowers/train is missing' in capsys.readouterr().out
    with pytest.raises(UserError, match='needs My flowers.*copy your files'):
        run_task(source, 'flowers', 0, tmp_path / 'runs', str(root))
    for index in range(12):
        corner = 30 * index
        path = root / 'flowers' / ('train' if index < 8 else 'val')
        path = path / ('daisy', 'rose')[index % 2] / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo[corner : corner + 99, :120]).save(path)
    assert main(check) == 0
    assert capsys.readouterr().out == 'flowers: fine\n'
    outcome = run_task(source, 'flowers', 0, tmp_path / 'runs', str(root))
    record = outcome.record
    assert record['data']['name'] == 'My flowers'
    assert record['data']['images'] == 8
    assert record['departures'] == [] and 'top1_k3' in record['metrics']
    output = tmp_path / 'board.csv'
    assert main(
        ['leaderboard', str(tmp_path / 'runs'), '-o', str(output)]
    ) in (0, 3)
    assert ',flowers,top1,' in output.read_text()
    (root / 'flowers/val/daisy/8.png').write_text('no image')
    assert main([*check, '--decode', 'all']) == 1
    assert '8.png: cannot identify image file' in capsys.readouterr().out


def test_a_record_outlives_its_task(folder, tmp_path, capsys):
    """Without the config: readable, shown as such, not ranked."""
    path = folder()
    for seed, value in ((0, 50.0), (1, 60.0)):
        write_record(
            tmp_path / f'runs/{seed}',
            make_record(task='flowers', seed=seed, metrics={'top1': value}),
        )
    path.unlink()
    _table.cache_clear()
    assert main(['leaderboard', str(tmp_path / 'runs')]) == 3
    shown = capsys.readouterr()
    assert 'flowers, not installed' in shown.out
    assert 'flowers has no config here' in shown.err
    with pytest.raises(UserError, match='unknown task .flowers'):
        write_record(tmp_path / 'x', make_record(task='flowers'))


def test_a_name_that_no_probe_reports(folder, source, tmp_path, mini_root):
    text = LITERAL.replace("'top1'", "'acc'")
    folder(text)
    with pytest.raises(UserError, match="acc is 'acc' of knn, which reports"):
        run_task(source, 'flowers', 0, tmp_path / 'runs', str(mini_root))
    assert not (tmp_path / 'runs').exists()


def test_an_evaluator_without_the_numbers(source, tmp_path, mini_root):
    """Refused before training, which takes days at full size."""
    options = {'test_evaluator.metric': 'bbox'}
    with pytest.raises(UserError, match="segm_AP is 'coco/segm_mAP' of Exact"):
        run_task(
            source, 'mini_coco_mrcnn_fpn', 0, tmp_path, str(mini_root), options
        )
    assert list(tmp_path.iterdir()) == []
