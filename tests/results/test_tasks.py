"""The table of task ids and metrics, also against the transfer station."""

import importlib.util

import pytest

from ssl_bench.errors import UserError
from ssl_bench.results import tasks


def test_metrics_of_tasks_are_known():
    for task in {**tasks.TASKS, **tasks.PUBLISHED_ONLY}.values():
        assert task.metrics
        for metric in task.metrics:
            assert tasks.base_metric(metric) is not None


@pytest.mark.parametrize(
    'metric, base',
    [
        ('top1', 'top1'),
        ('top1_k200', 'top1'),
        ('mIoU_ms_flip', 'mIoU'),
        ('bbox_APr', 'bbox_APr'),
        ('bbox_AP', 'bbox_AP'),
        ('AP', None),
        ('top_1', None),
        ('', None),
    ],
)
def test_base_metric(metric, base):
    assert tasks.base_metric(metric) == base


def test_direction_and_tolerance():
    assert tasks.higher_is_better('1-mCE')
    assert not tasks.higher_is_better('mCE')
    assert tasks.tolerance('bbox_AP') == tasks.tolerance('top1_k20') == 0.5
    assert tasks.tolerance('segm_AP75') == tasks.tolerance('mIoU') == 1.0


def test_any_mini_task_is_known():
    tasks.check_task('mini_anything_2')
    for name in ('mini_', 'mini', 'Mini_knn', 'mini_a b', '../mini_knn'):
        with pytest.raises(UserError, match='unknown task'):
            tasks.check_task(name)


def test_order_follows_the_tables():
    ids = ['mini_zoo', 'voc07_det_c4', 'mini_knn', 'voc0712_det_c4']
    assert sorted(ids, key=tasks.task_order) == [
        'voc0712_det_c4',
        'mini_knn',
        'mini_zoo',
        'voc07_det_c4',
    ]
    assert sorted(
        ['segm_AP', 'bbox_AP50', 'bbox_AP', 'bbox_APs'],
        key=lambda m: tasks.metric_order('coco_vitdet_b', m),
    ) == ['bbox_AP', 'bbox_AP50', 'segm_AP', 'bbox_APs']


@pytest.mark.skipif(
    importlib.util.find_spec('ssl_bench.tasks.table') is None,
    reason='the transfer station has no task table',
)
def test_every_task_that_can_be_run_can_be_recorded():
    from ssl_bench.tasks.table import TASKS

    assert set(TASKS) <= set(tasks.TASKS)
    for task, row in TASKS.items():
        ours = {name for name, _ in row.metrics.values()}
        assert all(tasks.base_metric(name) for name in ours), task
        if ours:  # probes name theirs when they run
            assert tasks.TASKS[task].metrics[0] in ours, task
