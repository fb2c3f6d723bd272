"""COCO scores: pycocotools', and the fast ones that equal them."""

import json

import numpy as np
import pytest
import torch
from pycocotools import mask as coding

from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan

SIDE, CLASSES = 160, ('a', 'b', 'c')


def encode(box):
    mask = np.zeros((SIDE, SIDE), np.uint8, order='F')
    x1, y1, x2, y2 = map(int, box)
    mask[y1:y2, x1:x2] = 1
    found = coding.encode(mask)
    return dict(found, counts=found['counts'].decode())


@pytest.fixture(scope='module')
def case(tmp_path_factory):
    """Random objects with crowds, and predictions near them and anywhere."""
    rng = np.random.default_rng(0)
    anns, samples = [], []
    for image in range(1, 31):
        corner = rng.uniform(0, SIDE - 60, (8, 2))
        truth = np.hstack([corner, corner + rng.uniform(4, 60, (8, 2))])
        labels = rng.integers(0, 3, 8)
        for box, label in zip(truth.round(), labels):
            x1, y1, x2, y2 = box
            crowd = int(rng.random() < 0.1)
            anns.append(
                dict(
                    id=len(anns) + 1,
                    image_id=image,
                    category_id=10 * label + 7,
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    iscrowd=crowd,
                    area=(x2 - x1) * (y2 - y1),
                    segmentation=encode(box),
                )
            )
        near = np.repeat(truth, 4, 0) + rng.normal(0, 4, (32, 4))
        boxes = near.clip(0, SIDE - 1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 2)
        guess = np.where(
            rng.random(32) < 0.7, labels.repeat(4), rng.integers(0, 3, 32)
        )
        samples.append(
            dict(
                img_id=image,
                ori_shape=(SIDE, SIDE),
                pred_instances=dict(
                    bboxes=torch.tensor(boxes),
                    labels=torch.tensor(guess),
                    scores=torch.tensor(rng.random(32)),
                    masks=[
                        coding.encode(
                            np.asfortranarray(coding.decode(encode(box)))
                        )
                        for box in boxes
                    ],
                ),
            )
        )
    path = tmp_path_factory.mktemp('coco') / 'truth.json'
    path.write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=image, height=SIDE, width=SIDE, file_name='x.jpg')
                    for image in range(1, 31)
                ],
                categories=[
                    dict(id=10 * label + 7, name=name)
                    for label, name in enumerate(CLASSES)
                ],
                annotations=anns,
            ),
            default=float,
        )
    )
    return path, samples


def score(kind, case):
    from mmdet.registry import METRICS

    settings = make_plan(
        'coco_mrcnn_fpn_1x', overrides={'test_evaluator.type': kind}
    ).config.test_evaluator
    metric = METRICS.build(dict(settings, ann_file=str(case[0])))
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, case[1])
    return metric.evaluate(len(case[1]))


def test_fast_scores_are_pycocotools(registered, case):
    pytest.importorskip('faster_coco_eval')
    slow, fast = (
        score(kind, case)
        for kind in ('ExactCocoMetric', 'ExactFasterCocoMetric')
    )
    assert fast == pytest.approx(slow, abs=1e-12) and len(slow) == 12
    assert 0.1 < slow['coco/bbox_mAP'] < 0.9
    assert slow['coco/bbox_mAP'] != slow['coco/segm_mAP']


def pycocotools_scores(case, kind):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(case[0]))
    rows = []
    for sample in case[1]:
        found = sample['pred_instances']
        for box, label, value, mask in zip(
            found['bboxes'], found['labels'], found['scores'], found['masks']
        ):
            x1, y1, x2, y2 = box.tolist()
            shape = (
                dict(segmentation=mask)
                if kind == 'segm'
                else dict(bbox=[x1, y1, x2 - x1, y2 - y1])
            )
            rows.append(
                dict(
                    shape,
                    image_id=sample['img_id'],
                    score=float(value),
                    category_id=10 * int(label) + 7,
                )
            )
    scores = COCOeval(truth, truth.loadRes(rows), kind)
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    return {
        f'coco/{kind}_{name}': scores.stats[place]
        for place, name in enumerate(
            ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
        )
    }


def test_scores_are_pycocotools_to_the_last_digit(registered, case):
    ours = score('ExactCocoMetric', case)
    assert ours == {
        **pycocotools_scores(case, 'bbox'),
        **pycocotools_scores(case, 'segm'),
    }
    rounded = score('CocoMetric', case)  # also: mmdet's is left as it was
    assert rounded == {name: round(value, 3) for name, value in ours.items()}
    assert rounded != ours


@pytest.mark.parametrize(
    'task',
    [
        'coco_vitdet_b',
        'mini_coco_vitdet',
        'coco_mrcnn_c4_2x',
        'mini_coco_mrcnn_fpn',
    ],
)
def test_every_coco_task_scores_in_full(task):
    assert make_plan(task).config.test_evaluator.type == 'ExactCocoMetric'


def test_recalls_of_proposals_do_not_become_precisions(registered, case):
    from mmdet.registry import METRICS

    found = []
    for kinds in (['bbox'], ['bbox', 'proposal']):
        metric = METRICS.build(
            dict(
                type='ExactCocoMetric',
                metric=kinds,
                ann_file=str(case[0]),
                proposal_nums=(1, 10, 1000),
            )
        )
        metric.dataset_meta = dict(classes=CLASSES)
        metric.process({}, case[1])
        found.append(metric.evaluate(len(case[1])))
    assert len(found[1]) == 12 and found[0].items() <= found[1].items()


def test_where_the_fast_scores_are_others():
    fast = {'test_evaluator.type': 'ExactFasterCocoMetric'}
    with pytest.raises(
        UserError, match='scores 300 detections an image unlike pycocotools'
    ):
        make_plan(
            'coco_mrcnn_fpn_1x',
            overrides={**fast, 'model.test_cfg.rcnn.max_per_img': 300},
        )


def test_the_fast_scores_need_their_package(monkeypatch):
    from ssl_bench.transfer import plan as build

    monkeypatch.setattr(build, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match='pip install faster-coco-eval'):
        make_plan(
            'coco_mrcnn_fpn_1x',
            overrides={'test_evaluator.type': 'FasterCocoMetric'},
        )  # mmdet's, too
