"""Anchors as Detectron2 labels them, against slow loops."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from ssl_bench.transfer.plan import make_plan


def boxes(count, generator, side=200.0):
    corner = torch.rand(count, 2, generator=generator) * side
    size = 5 + torch.rand(count, 2, generator=generator) * side / 2
    return torch.cat([corner, corner + size], 1)


def overlap(a, b):
    """Of two boxes, by hand."""
    low, high = torch.max(a[:2], b[:2]), torch.min(a[2:], b[2:])
    width, height = (high - low).clamp(min=0).tolist()
    area = sum(float((c[2] - c[0]) * (c[3] - c[1])) for c in (a, b))
    return width * height / (area - width * height)


def detectron2(anchors, objects):
    """Label (-1 unused, 0 no, 1 yes) and object of each anchor, looped."""
    table = torch.tensor(
        [[overlap(o, a) for a in anchors] for o in objects],
        dtype=torch.float32,
    )
    labels, owners = [], []
    best = [max(row) for row in table]
    for index in range(len(anchors)):
        column = table[:, index]
        most = column.max()
        label = 1 if most >= 0.7 else 0 if most < 0.3 else -1
        if any(value == top for value, top in zip(column, best)):
            label = 1
        labels.append(label)
        owners.append(int(column.argmax()))
    return labels, owners


@pytest.fixture(scope='module')
def assigner(registered):
    from mmdet.registry import TASK_UTILS

    config = make_plan('voc0712_det_c4').config
    return TASK_UTILS.build(config.model.train_cfg.rpn.assigner)


def test_labels_and_owners_are_detectron2s(assigner):
    generator = torch.Generator().manual_seed(0)
    moved = 0
    for _ in range(10):
        anchors, objects = boxes(80, generator), boxes(7, generator)
        found = assigner.assign(
            InstanceData(priors=anchors),
            InstanceData(bboxes=objects, labels=torch.arange(7) + 3),
        )
        labels, owners = detectron2(anchors, objects)
        assert found.gt_inds.sign().tolist() == labels
        for index, label in enumerate(labels):
            if label == 1:
                assert found.gt_inds[index] == owners[index] + 1
                assert found.labels[index] == owners[index] + 3
        stock = super(type(assigner), assigner).assign_wrt_overlaps(
            assigner.iou_calculator(objects, anchors), torch.arange(7)
        )
        moved += int((stock.gt_inds != found.gt_inds).sum())
    assert moved > 0  # mmdet's own owners differ somewhere


def test_labels_are_those_of_the_positives_alone(assigner):
    """Of all anchors at once as of the positive ones, one after the other."""
    generator = torch.Generator().manual_seed(2)
    for count in (1, 2, 9):
        for anchors in (1, 3, 40):
            table = torch.rand(count, anchors, generator=generator)
            table = (table * 10).round() / 10  # with ties
            labels = torch.randint(0, 5, (count,), generator=generator)
            found = assigner.assign_wrt_overlaps(table.clone(), labels)
            stock = super(type(assigner), assigner).assign_wrt_overlaps(
                table.clone(), labels
            )
            assert found.num_gts == stock.num_gts
            assert torch.equal(found.max_overlaps, stock.max_overlaps)
            for index, owner in enumerate(stock.gt_inds.tolist()):
                label = stock.labels[index]
                if owner > 0:
                    owner = int(table[:, index].argmax()) + 1
                    label = labels[owner - 1]
                assert found.gt_inds[index] == owner
                assert found.labels[index] == label
            for name in ('gt_inds', 'labels'):
                new, old = getattr(found, name), getattr(stock, name)
                assert new.dtype == old.dtype and new.shape == old.shape


def test_an_image_without_objects(assigner):
    found = assigner.assign(
        InstanceData(priors=boxes(5, torch.Generator().manual_seed(1))),
        InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long()),
    )
    assert found.gt_inds.tolist() == [0] * 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ('task', 'anchors', 'strides'),
    [
        ('voc0712_det_c4', 15, [16]),
        ('coco_mrcnn_fpn_1x', 3, [4, 8, 16, 32, 64]),
        ('coco_vitdet_b', 3, [4, 8, 16, 32, 64]),
    ],
)
def test_anchors_over_padding_are_negatives(
    registered, task, anchors, strides
):
    """Two images of different size in a batch of the larger one's."""
    from mmdet.registry import MODELS

    settings = make_plan(task).config.model
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(
            dict(
                settings.rpn_head,
                train_cfg=settings.train_cfg.rpn,
                test_cfg=settings.test_cfg.rpn,
            )
        )
    sizes = [(128 // stride, 192 // stride) for stride in strides]
    metas = [
        dict(img_shape=shape, pad_shape=shape, batch_input_shape=(128, 192))
        for shape in ((128, 192), (64, 96))
    ]
    levels, flags = head.get_anchors(sizes, metas, device='cpu')
    total = sum(height * width for height, width in sizes) * anchors
    for of_image in flags:
        assert sum(int(level.sum()) for level in of_image) == total
    objects = InstanceData(
        bboxes=torch.tensor([[10.0, 10.0, 60.0, 50.0]]),
        labels=torch.zeros(1, dtype=torch.long),
    )
    everywhere = torch.cat(levels[1])
    labels = head._get_targets_single(
        everywhere, torch.cat(flags[1]), objects, metas[1], unmap_outputs=True
    )
    # sampled at random among all anchors: weights say which take part
    centres = (everywhere[:, :2] + everywhere[:, 2:]) / 2
    padding = (centres[:, 0] > 96) | (centres[:, 1] > 64)
    used = labels[1] > 0
    assert int(used.sum()) == 256
    assert int((used & padding).sum()) > 50
    assert bool((labels[0][used & padding] == head.num_classes).all())
