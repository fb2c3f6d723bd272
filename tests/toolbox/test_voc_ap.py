"""VOC AP against vectors made by Detectron2's rules."""

import json
from pathlib import Path

import numpy as np
import pytest

from ssl_bench.toolbox.voc_ap import (
    THRESHOLDS,
    Detections,
    Objects,
    average_precision,
    class_ap,
    summarise,
)

CASES = json.loads(
    (Path(__file__).parents[1] / 'data/voc_eval.json').read_text()
)['cases']
RULES = {
    'voc07_11point': ('11point', True),
    'voc07_11point_unrounded': ('11point', False),
    'area': ('area', True),
}


def arrays(case, name):
    images = case['images']
    truth = [o for o in case['ground_truth'] if o['class'] == name]
    found = [o for o in case['detections'] if o['class'] == name]
    return (
        Objects(
            np.array([images.index(o['image_id']) for o in truth]),
            np.array([o['bbox'] for o in truth], dtype=float).reshape(-1, 4),
            np.array([bool(o['difficult']) for o in truth], dtype=bool),
        ),
        Detections(
            np.array([images.index(o['image_id']) for o in found]),
            np.array([o['bbox'] for o in found], dtype=float).reshape(-1, 4),
            np.array([o['score'] for o in found]),
        ),
    )


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('case', CASES, ids=lambda case: case['name'])
def test_golden(case, rule):
    expected = case['expected'][rule]
    per_class = []
    for name in case['classes']:
        got = class_ap(*arrays(case, name), THRESHOLDS, *RULES[rule])
        per_class.append(got)
        for threshold, values in expected['per_threshold'].items():
            if values[name] is None:
                assert got[int(threshold)] is None
            else:
                assert got[int(threshold)] == pytest.approx(
                    values[name], abs=1e-6
                ), (name, threshold)
    if rule != 'area':
        got = summarise(per_class)
        assert got == pytest.approx(
            {key: expected[key] for key in got}, abs=1e-6
        )


def test_the_eleventh_points_are_doubles():
    # recall 0.3 lies below 0.30000000000000004 and so misses that point
    recall, precision = np.array([0.1, 0.2, 0.3]), np.ones(3)
    assert average_precision(recall, precision, '11point') == pytest.approx(
        3 / 11
    )


def test_no_objects_no_detections():
    none = Objects(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))
    nothing = Detections(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0))
    one = Detections(
        np.zeros(1, int), np.array([[0, 0, 5, 5.0]]), np.array([0.9])
    )
    assert class_ap(none, nothing)[50] == 0 == class_ap(none, one)[50]
    assert class_ap(none, one, rule='area')[50] is None


def test_overlap_equal_to_the_threshold_is_no_match():
    # 10 x 10 inside 10 x 20: IoU exactly 0.5
    truth = Objects(
        np.zeros(1, int), np.array([[1, 1, 10, 20.0]]), np.array([False])
    )
    found = Detections(
        np.zeros(1, int), np.array([[0, 0, 10, 10.0]]), np.array([0.9])
    )
    assert class_ap(truth, found)[50] == 0
    wider = found._replace(boxes=np.array([[0, 0, 10, 11.0]]))
    assert class_ap(truth, wider)[50] == pytest.approx(100)
