"""Headings, directions and places of tasks in tables."""

import pytest

from ssl_bench.results import headings
from ssl_bench.tasks.table import tasks


def test_direction_and_tolerance():
    assert headings.higher_is_better('in_c', '1-mCE') is True
    assert headings.higher_is_better('in_c', 'mCE') is False
    rule = headings.metric_rule
    assert (
        rule('coco_vitdet_b', 'bbox_AP').tolerance
        == rule('mini_knn', 'top1_k20').tolerance
        == 0.5
    )
    assert (
        rule('coco_vitdet_b', 'segm_AP75').tolerance
        == rule('mini_seg_fcn', 'mIoU').tolerance
        == 1.0
    )
    # what only papers print follows the other tasks
    assert rule('voc12_seg_unspecified', 'mIoU').tolerance == 1.0
    assert rule('voc12_seg_unspecified', 'nothing') is None


def test_a_task_that_is_not_installed_has_no_rules():
    assert headings.heading('their_task') == headings.Heading(
        'their_task, not installed', 'other', ()
    )
    assert headings.metric_rule('their_task', 'top1') is None
    assert headings.higher_is_better('their_task', 'top1') is None


def test_headings_of_what_papers_print_have_known_metrics():
    for task, heading in headings.PUBLISHED_ONLY.items():
        assert heading.metrics
        for metric in heading.metrics:
            assert headings.metric_rule(task, metric) is not None


def test_order_follows_the_table():
    ids = ['zoo', 'coco_cascade_vitb', 'mini_knn', 'voc0712_det_c4']
    assert sorted(ids, key=headings.task_order) == [
        'voc0712_det_c4',
        'mini_knn',
        'coco_cascade_vitb',
        'zoo',
    ]
    assert list(tasks())[:2] == ['voc0712_det_c4', 'voc07_det_c4']
    assert sorted(
        ['segm_AP', 'bbox_AP50', 'bbox_AP', 'bbox_APs'],
        key=lambda m: headings.metric_order('coco_vitdet_b', m),
    ) == ['bbox_AP', 'bbox_AP50', 'segm_AP', 'bbox_APs']


@pytest.mark.parametrize(
    'metric, title',
    [('bbox_AP50', 'box AP50'), ('segm_AP', 'mask AP'), ('mIoU', 'mIoU')],
)
def test_metric_titles(metric, title):
    assert headings.metric_title('coco_vitdet_b', metric) == title
