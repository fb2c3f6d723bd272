"""Queries and objects: mmdet's matching, and what is not a number."""

import math

import pytest
import torch
from mmengine.structures import InstanceData

COSTS = [
    dict(type='FocalLossCost', weight=2.0),
    dict(type='BBoxL1Cost', weight=5.0, box_format='xywh'),
    dict(type='IoUCost', iou_mode='giou', weight=2.0),
]
BOXES = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]])


@pytest.fixture
def match(registered):
    from mmdet.registry import TASK_UTILS
    from mmengine.registry import DefaultScope

    import ssl_bench.toolbox.matching  # noqa: F401  registers

    with DefaultScope.overwrite_default_scope('mmdet'):
        assigner = TASK_UTILS.build(
            dict(type='FiniteHungarianAssigner', match_costs=COSTS)
        )

    def run(score=0.0):
        found = InstanceData(
            bboxes=torch.cat((BOXES.flip(0), BOXES[:1] + 50)),
            scores=torch.full((3, 2), score),
        )
        objects = InstanceData(bboxes=BOXES, labels=torch.tensor([1, 0]))
        return assigner.assign(
            found, objects, img_meta=dict(img_shape=(100, 100))
        )

    return run


def test_equal_boxes_are_matched(match):
    result = match()
    assert result.gt_inds.tolist() == [2, 1, 0]
    assert result.labels.tolist() == [0, 1, -1]


def test_what_is_no_number_matches_nothing(match):
    result = match(math.nan)
    assert result.gt_inds.tolist() == [0, 0, 0]
    assert result.labels.tolist() == [-1, -1, -1]
    assert result.num_gts == 2
