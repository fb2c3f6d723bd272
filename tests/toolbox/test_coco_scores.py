"""COCO scores: pycocotools', and the fast ones that equal them."""

import json
from copy import deepcopy
from importlib import metadata

import numpy as np
import pytest
import torch
from pycocotools import mask as coding

from ssl_bench.errors import UserError
from ssl_bench.toolbox import scorer
from ssl_bench.toolbox.scorer import FAST, SLOW, choose_scorer
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


def score(case, **settings):
    from mmdet.registry import METRICS

    metric = METRICS.build(
        dict(
            make_plan('coco_mrcnn_fpn_1x').config.test_evaluator,
            ann_file=str(case[0]),
            **settings,
        )
    )
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, deepcopy(case[1]))
    return metric.evaluate(len(case[1]))


def outlines(boxes):
    """Of boxes (N, 4) by corner and size; the masks are smaller."""
    x, y, w, h = boxes.T
    return np.stack([x, y, x + w, y, x + w, y + h, x, y + 0.8 * h], 1)


def random_set(seed):
    """Annotations and detections of one kind of set, drawn by the seed."""
    rng = np.random.default_rng(seed)
    classes = int(rng.choice([1, 3, 60]))
    per_image = int(rng.choice([0, 12, 40, 130])) if seed else 0
    empty, crowds = rng.choice([0, 0.3, 0.6]), rng.choice([0, 0.1, 0.6])
    ties = rng.random() < 0.5  # whole pixels, few scores
    objects, results = [], []
    for image in range(3, 21, 3):
        count = 0 if rng.random() < empty else rng.integers(1, 9)
        boxes = np.hstack(
            [rng.uniform(0, 100, (count, 2)), 120 ** rng.random((count, 2))]
        )
        boxes = boxes.round() if ties else boxes
        labels = rng.integers(0, classes, count)
        for box, label in zip(boxes, labels):
            crowd = int(rng.random() < crowds)
            mask = outlines(box[None]).tolist()
            if crowd:
                mask = coding.merge(coding.frPyObjects(mask, SIDE, SIDE))
                mask['counts'] = mask['counts'].decode()
            objects.append(
                dict(
                    id=len(objects) + 1,
                    image_id=image,
                    category_id=3 * int(label) + 2,
                    bbox=box.tolist(),
                    area=float(box[2] * box[3] * rng.choice([0.8, 1, 60])),
                    iscrowd=crowd,
                    segmentation=mask,
                    ignore=int(rng.random() < 0.2),
                )
            )
        found = 0 if rng.random() < empty / 2 else per_image
        guess = np.hstack(
            [rng.uniform(0, 100, (found, 2)), 60 ** rng.random((found, 2))]
        )
        names = rng.integers(0, classes, found)
        if count:
            near = rng.random(found) < 0.8
            object_ = rng.integers(0, count, found)[near]
            guess[near] = boxes[object_] + rng.normal(0, 3, (near.sum(), 4))
            names[near] = labels[object_]
        guess[:, 2:] = np.maximum(guess[:, 2:], 1)
        guess = guess.round() if ties else guess
        scores = rng.integers(0, 5, found) / 5 if ties else rng.random(found)
        masks = outlines(guess).tolist()
        results.append(
            dict(
                img_id=image,
                bboxes=np.hstack(
                    [guess[:, :2], guess[:, :2] + guess[:, 2:]]
                ).astype(np.float32),
                labels=names,
                scores=scores.astype(np.float32),
                masks=[
                    coding.merge(coding.frPyObjects([mask], SIDE, SIDE))
                    for mask in masks
                ],
            )
        )
    truth = dict(
        images=[
            dict(id=row['img_id'], height=SIDE, width=SIDE) for row in results
        ],
        annotations=objects,
        categories=[
            dict(id=3 * label + 2, name=str(label)) for label in range(classes)
        ],
    )
    return truth, results


def arrays(scorer, kind, truth, results):
    """Precision, recall and scores at every point."""
    from ssl_bench.toolbox.coco_scores import ExactCocoMetric, to_score

    metric = ExactCocoMetric(
        scorer=scorer, metric=kind, proposal_nums=(1, 10, 100)
    )
    metric.dataset_meta = dict(
        classes=[row['name'] for row in truth['categories']]
    )
    table = metric.indexed(deepcopy(truth))
    rows = to_score(results, metric.cat_ids, kind)
    made = metric.scorers()['COCOeval'](table, table.loadRes(rows), kind)
    made.params.maxDets = [1, 10, 100]
    made.evaluate()
    made.accumulate()
    made.summarize()
    names = ('precision', 'recall', 'scores')
    return [made.eval[name] for name in names] + [made.stats[:12]]


@pytest.mark.parametrize('seed', range(12))
def test_both_packages_have_the_same_numbers(registered, seed):
    """Crowds, ignored objects, empty images, ties, no detections, many."""
    truth, results = random_set(seed)
    for kind in ('bbox', 'segm'):
        slow, fast = (
            arrays(scorer, kind, truth, results) for scorer in (SLOW, FAST)
        )
        for one, other in zip(slow, fast):
            assert one.shape == other.shape
            assert np.abs(one - other).max() <= 1e-15


def test_the_random_sets_have_what_they_should():
    sets = [random_set(seed) for seed in range(12)]
    objects = [row for truth, _ in sets for row in truth['annotations']]
    results = [row for _, found in sets for row in found]
    assert {row['iscrowd'] for row in objects} == {0, 1}
    assert {row['ignore'] for row in objects} == {0, 1}
    assert {len(truth['categories']) for truth, _ in sets} == {1, 3, 60}
    assert not any(len(row['labels']) for row in sets[0][1])
    assert {0, 12, 40, 130} <= {len(row['labels']) for row in results}
    assert any(
        len({*row['scores'].tolist()}) <= 5 < len(row['scores'])
        for row in results
    )
    assert any(
        truth['annotations']
        and {row['id'] for row in truth['images']}
        - {row['image_id'] for row in truth['annotations']}
        for truth, _ in sets
    )


def test_the_fast_package_scores(registered, case):
    slow, fast = (score(case, scorer=scorer) for scorer in (SLOW, FAST))
    assert fast == pytest.approx(slow, abs=1e-15) and len(slow) == 12
    assert 0.1 < slow['coco/bbox_mAP'] < 0.9
    assert slow['coco/bbox_mAP'] != slow['coco/segm_mAP']
    assert score(case) == fast


@pytest.mark.parametrize('scorer', [SLOW, FAST])
def test_no_detections_are_zero(registered, case, scorer):
    nothing = [
        dict(
            sample,
            pred_instances=dict(
                bboxes=torch.zeros(0, 4),
                labels=torch.zeros(0, dtype=torch.int64),
                scores=torch.zeros(0),
                masks=torch.zeros(0, SIDE, SIDE, dtype=torch.bool),
            ),
        )
        for sample in case[1]
    ]
    found = score((case[0], nothing), scorer=scorer)
    assert len(found) == 12 and {*found.values()} <= {0, -1}
    assert found['coco/bbox_mAP'] == 0


def test_masks_are_encoded_as_before():
    from mmdet.structures.mask import encode_mask_results

    from ssl_bench.toolbox.coco_scores import encode_masks

    torch.manual_seed(0)
    masks = torch.rand(7, 33, 50) < 0.5
    masks[1:3] = False
    masks[4, 5:9] = True
    assert encode_masks(masks) == encode_mask_results(masks.numpy())
    assert encode_masks(masks[:0]) == []


def test_a_file_of_detections_is_written_where_it_is_asked_for(
    registered, case, tmp_path
):
    prefix = str(tmp_path / 'found')
    assert score(case, outfile_prefix=prefix) == score(case)
    rows = json.loads((tmp_path / 'found.segm.json').read_text())
    assert len(rows) == 32 * 30 and rows[0]['segmentation']['counts']


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
    ours = score(case, scorer=SLOW)
    assert ours == {
        **pycocotools_scores(case, 'bbox'),
        **pycocotools_scores(case, 'segm'),
    }
    from mmdet.registry import METRICS

    stock = METRICS.build(
        dict(
            type='CocoMetric',
            metric=['bbox', 'segm'],
            ann_file=str(case[0]),
            proposal_nums=(1, 10, 100),
        )
    )  # mmdet's is left as it was
    stock.dataset_meta = dict(classes=CLASSES)
    stock.process({}, deepcopy(case[1]))
    rounded = stock.evaluate(len(case[1]))
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


@pytest.mark.parametrize(
    ('settings', 'used'),
    [
        ({}, FAST),
        (dict(scorer='auto'), FAST),
        (dict(scorer=FAST), FAST),
        (dict(scorer=SLOW), SLOW),
        (dict(proposal_nums=(1, 100, 10)), FAST),
        # pycocotools' mAP takes 100 detections, its AP50 the largest number
        (dict(proposal_nums=(100, 300, 1000)), SLOW),
        (dict(metric=['bbox', 'proposal']), SLOW),
        (dict(use_mp_eval=True), SLOW),
    ],
)
def test_which_package_scores(settings, used):
    settings = dict(dict(proposal_nums=(1, 10, 100)), **settings)
    assert choose_scorer(**settings) == used


def test_the_fast_package_is_refused_where_it_has_other_numbers():
    with pytest.raises(UserError, match='scores like pycocotools only'):
        make_plan(
            'coco_mrcnn_fpn_1x',
            overrides={
                'test_evaluator.scorer': FAST,
                'test_evaluator.proposal_nums': (100, 300, 1000),
            },
        )
    with pytest.raises(UserError, match='Did you mean|faster-coco-eval'):
        make_plan(
            'coco_mrcnn_fpn_1x',
            overrides={'test_evaluator.scorer': 'faster-coco'},
        )


@pytest.mark.parametrize('found', [None, '1.7.1'])
def test_without_the_fast_package(monkeypatch, found):
    def version(name):
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(scorer.metadata, 'version', version)
    settings = dict(proposal_nums=(1, 10, 100))
    assert choose_scorer(**settings) == SLOW
    with pytest.raises(UserError, match='pip install -U faster-coco-eval'):
        choose_scorer(scorer=FAST, **settings)


def test_what_the_record_says():
    evaluator = make_plan('coco_mrcnn_fpn_1x').config.test_evaluator
    installed = metadata.version(FAST)
    assert scorer.scorer_of(evaluator) == f'{FAST} {installed}'
    evaluator.scorer = SLOW
    assert scorer.scorer_of(evaluator).startswith('pycocotools 2')
    assert scorer.scorer_of(dict(type='IoUMetric')) is None
    assert scorer.scorer_of([evaluator]) is None


@pytest.mark.parametrize('scorer', [FAST, SLOW])
def test_classes_are_found_by_name(registered, case, tmp_path, scorer):
    content = json.loads(case[0].read_text())
    content['categories'].reverse()
    path = tmp_path / 'reversed.json'
    path.write_text(json.dumps(content))
    whole = score(case, scorer=scorer)
    assert score((path, case[1]), scorer=scorer) == whole
    assert whole['coco/bbox_mAP'] > 0.1
    content['categories'][0]['name'] = 'other'
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match='knows 2 of the 3 classes'):
        score((path, case[1]), scorer=scorer)
