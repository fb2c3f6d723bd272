import pytest

from ssl_bench.cli import main
from ssl_bench.config import config_dir
from ssl_bench.errors import UserError
from ssl_bench.results.tasks import base_metric, is_known_task, task_info
from ssl_bench.tasks.datasets import DATASETS
from ssl_bench.tasks.table import TASKS, find_task, require_data
from ssl_bench.transfer.plan import make_plan


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
    head, *lines, foot = capsys.readouterr().out.splitlines()
    assert head.split('  ')[0] == 'task' and 'GPU hours*' in head
    assert foot.startswith('* estimates:') and 'no SyncBN' in foot
    assert len(lines) == len(TASKS)
    for line, (name, task) in zip(lines, TASKS.items(), strict=True):
        assert line.startswith(f'{name} ') and line.endswith(task.source)
        assert DATASETS[task.dataset].title in line
        assert ('not known' in line) == (task.gpu_hours is None)
    assert main(['tasks', 'voc0712_det_c4']) == 0
    out = capsys.readouterr().out
    assert 'recipes    barlowtwins, vicreg' in out
    assert 'GPU hours* about 29\n' in out
    assert out.rstrip().endswith('no SyncBN')


def test_hours_are_the_zoos_speed_times_our_iterations(registered):
    seconds = {
        'voc0712_det_c4': 0.537,
        'coco_mrcnn_c4_1x': 0.584,
        'coco_mrcnn_c4_2x': 0.584,
        'coco_mrcnn_fpn_1x': 0.261,
        'coco_mrcnn_fpn_2x': 0.261,
    }
    assert {
        name for name, task in TASKS.items() if task.gpu_hours is not None
    } == set(seconds)
    for name, value in seconds.items():
        config = make_plan(name, processes=8).config
        assert config.auto_scale_lr.base_batch_size == 16
        assert TASKS[name].gpu_hours == pytest.approx(
            value * config.train_cfg.max_iters * 8 / 3600
        )
    assert TASKS['coco_mrcnn_fpn_1x'].gpu_hours == pytest.approx(52.2)
