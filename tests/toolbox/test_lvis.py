"""LVIS: federated loss, repeat factors, readers and scores."""

import json
import math

import pytest
import torch
import torch.nn.functional as F

from ssl_bench.data.mini import CLASSES


class Images(list):
    """A data set that is the classes of its images."""

    metainfo = dict(classes=tuple('abc'))

    get_cat_ids = list.__getitem__


def test_classes_of_the_loss(registered):
    from ssl_bench.toolbox.lvis import federated_classes

    torch.manual_seed(0)
    counts = torch.tensor([4.0, 1.0, 0.0, 4.0, 1.0, 9.0])
    labels = torch.tensor([0, 0, 6, 6])  # class 0 and background
    drawn = torch.zeros(6)
    for _ in range(4000):
        chosen = federated_classes(labels, counts, 3, 0.5)
        assert chosen[0] and chosen.sum() == 2 and not chosen[2]
        drawn += chosen
    # one more, in proportion to the root of the counts: 1, 2, 1, 3
    want = torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0]) / 7
    assert (drawn[1:] / 4000 - want).abs().max() < 0.03
    # never more than there are
    assert federated_classes(labels, counts, 50, 0.5).sum() == 5


def test_loss_by_hand(registered):
    from ssl_bench.toolbox.lvis import FederatedLoss

    torch.manual_seed(0)
    loss = FederatedLoss(3, num_sampled=50)
    logits, labels = torch.randn(5, 4), torch.tensor([0, 2, 3, 3, 1])
    with pytest.raises(RuntimeError, match='ClassCountsHook'):
        loss(logits, labels)
    loss.counts += 1
    want = 0.0
    for row, label in zip(logits, labels):
        for index in range(3):
            share = torch.sigmoid(row[index])
            want -= torch.log(share if index == label else 1 - share)
    assert float(loss(logits, labels)) == pytest.approx(
        float(want / 5), rel=1e-5
    )
    assert float(loss(logits, labels, avg_factor=10.0)) == pytest.approx(
        float(want / 10), rel=1e-5
    )
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    first = F.binary_cross_entropy_with_logits(
        logits[0, :3], torch.tensor([1.0, 0.0, 0.0]), reduction='sum'
    )
    assert float(loss(logits, labels, weights)) == pytest.approx(
        float(first / 5), rel=1e-5
    )
    scores = loss.get_activation(logits)
    torch.testing.assert_close(scores[:, :3], logits[:, :3].sigmoid())
    assert not scores[:, 3].any()


def test_rare_classes_return_more_often(registered):
    from ssl_bench.toolbox.lvis import RepeatFactorSampler

    # shares 1, 0.1 and 0.01 of 100 images
    images = Images([[0]] * 89 + [[0, 1]] * 10 + [[0, 2]])
    sampler = RepeatFactorSampler(images, threshold=0.0225, seed=3)
    assert sampler.factors[0] == sampler.factors[95] == 1
    assert float(sampler.factors[99]) == pytest.approx(1.5)
    stream = iter(sampler)
    seen = torch.bincount(
        torch.tensor([next(stream) for _ in range(100_500)]), minlength=100
    )
    assert abs(int(seen[99]) / int(seen[0]) - 1.5) < 0.05
    assert abs(int(seen[95]) - int(seen[0])) <= 1
    first, same, another = (
        [next(stream) for _ in range(200)]
        for stream in (
            iter(RepeatFactorSampler(images, threshold=0.0225, seed=seed))
            for seed in (3, 3, 4)
        )
    )
    assert first == same != another


def test_scores_of_perfect_predictions(registered, mini_root):
    """On the embedded set, with the package as it is on PyPI."""
    pytest.importorskip('lvis')
    from ssl_bench.toolbox.instances import LvisInstances
    from ssl_bench.toolbox.lvis import LvisMetric

    path = mini_root / 'lvis/lvis_v1_val.json'
    dataset = LvisInstances(
        data_root=str(mini_root),
        ann_file='lvis/lvis_v1_val.json',
        data_prefix=dict(img='coco/'),
        metainfo=dict(classes=CLASSES),
        test_mode=True,
        pipeline=[],
    )
    content = json.loads(path.read_text())
    assert len(dataset) == len(content['images']) and not dataset.left_out
    metric = LvisMetric(ann_file=str(path), metric=['bbox'])
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        row = dataset.get_data_info(index)
        found = row['instances']
        metric.process(
            {},
            [
                dict(
                    img_id=row['img_id'],
                    ori_shape=(row['height'], row['width']),
                    pred_instances=dict(
                        bboxes=torch.tensor(
                            [item['bbox'] for item in found],
                            dtype=torch.float32,
                        ).reshape(-1, 4),
                        labels=torch.tensor(
                            [item['bbox_label'] for item in found],
                            dtype=torch.long,
                        ),
                        scores=torch.ones(len(found)),
                    ),
                )
            ],
        )
    got = metric.evaluate(len(dataset))
    assert got['lvis/bbox_AP'] == pytest.approx(1.0)
    assert {'lvis/bbox_APr', 'lvis/bbox_APc', 'lvis/bbox_APf'} <= set(got)
    assert not any(math.isnan(value) for value in got.values())


def test_scores_are_not_rounded(registered, mini_root):
    """Every third object is missed, every fourth has another class."""
    pytest.importorskip('lvis')
    from lvis import LVIS, LVISEval, LVISResults

    from ssl_bench.toolbox.lvis import LvisMetric

    path = mini_root / 'lvis/lvis_v1_val.json'
    content = json.loads(path.read_text())
    metric = LvisMetric(ann_file=str(path), metric=['bbox'])
    metric.dataset_meta = dict(classes=CLASSES)
    order = sorted(row['id'] for row in content['categories'])
    rows = []
    for image in content['images']:
        anns = [
            ann
            for ann in content['annotations']
            if ann['image_id'] == image['id']
        ]
        kept = [ann for ann in anns if ann['id'] % 3]
        labels = [
            (order.index(ann['category_id']) + (ann['id'] % 4 == 0))
            % len(order)
            for ann in kept
        ]
        x, y, w, h = (
            torch.tensor([ann['bbox'] for ann in kept], dtype=torch.float64)
            .reshape(-1, 4)
            .T
        )
        scores = torch.tensor(
            [1 / (1 + ann['id'] % 7) for ann in kept], dtype=torch.float64
        )
        boxes = torch.stack([x, y, x + w, y + h], dim=1)
        metric.process(
            {},
            [
                dict(
                    img_id=image['id'],
                    ori_shape=(image['height'], image['width']),
                    pred_instances=dict(
                        bboxes=boxes,
                        scores=scores,
                        labels=torch.tensor(labels).long(),
                    ),
                )
            ],
        )
        for box, label, value in zip(boxes.tolist(), labels, scores):
            rows.append(
                dict(
                    image_id=image['id'],
                    category_id=order[label],
                    score=float(value),
                    bbox=[box[0], box[1], box[2] - box[0], box[3] - box[1]],
                )
            )
    got = metric.evaluate(len(content['images']))
    truth = LVIS(str(path))
    scorer = LVISEval(truth, LVISResults(truth, rows), 'bbox')
    scorer.run()
    want = scorer.get_results()
    assert {
        name: got[f'lvis/bbox_{name}']
        for name in (
            'AP',
            'AP50',
            'AP75',
            'APs',
            'APm',
            'APl',
            'APr',
            'APc',
            'APf',
        )
    } == {name: want[name] for name in want if not name.startswith('AR')}
    assert 0.1 < got['lvis/bbox_AP'] < 0.9
    assert got['lvis/bbox_AP'] != round(got['lvis/bbox_AP'], 3)
