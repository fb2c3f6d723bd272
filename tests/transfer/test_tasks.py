import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.engine.config import config_dir
from ssl_bench.results.tasks import base_metric, is_known_task, task_info
from ssl_bench.transfer.datasets import DATASETS
from ssl_bench.transfer.tasks import (TASKS, find_task, require_data)


@pytest.mark.parametrize('name', TASKS)
def test_rows_agree_with_results_and_configs(name):
    task = TASKS[name]
    assert is_known_task(name) and task.dataset in DATASETS
    assert (config_dir() / 'transfer' / f'{name}.py').is_file()
    reported = {ours for ours, _ in task.metrics.values()}
    assert all(base_metric(metric) for metric in reported)
    if reported:
        assert set(task_info(name).metrics) <= reported


def test_every_config_is_a_task():
    files = {path.stem for path in (config_dir() / 'transfer').glob('*.py')}
    assert files == set(TASKS)


def test_misspelt_task():
    with pytest.raises(UserError, match='mean mini_voc_det_c4'):
        find_task('mini_voc_det_c5')


def test_missing_data_names_folder_and_command(tmp_path):
    with pytest.raises(UserError) as caught:
        require_data('mini_coco_mrcnn_fpn', tmp_path)
    text = str(caught.value)
    assert f'{tmp_path}/coco/annotations/instances_train2017.json' in text
    assert f'ssl-bench data mini --root {tmp_path}' in text
    with pytest.raises(UserError, match='VOCtrainval_06-Nov-2007.tar'):
        require_data('voc0712_det_c4', tmp_path)


def test_data_that_are_there(mini_root):
    for name, task in TASKS.items():
        if task.dataset.startswith('mini_'):
            require_data(name, mini_root)


def test_list_of_tasks(capsys):
    assert main(['tasks']) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split('  ')[0] == 'task' and 'GPU hours' in head
    assert len(lines) == len(TASKS)
    for line, (name, task) in zip(lines, TASKS.items(), strict=True):
        assert line.startswith(f'{name} ') and line.endswith(task.source)
        assert DATASETS[task.dataset].title in line
    assert main(['tasks', 'voc0712_det_c4']) == 0
    out = capsys.readouterr().out
    assert 'recipes    barlowtwins, vicreg' in out and 'GPU hours' in out
