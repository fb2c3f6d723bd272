"""Predictions are drawn at the right places, in the right colours."""

import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import BaseDataElement, InstanceData
from PIL import Image

from ssl_bench.toolbox.pictures import SIDE, blend_labels, draw_instances, pair

META = dict(
    classes=('cat', 'dog'), palette=[(10, 20, 30), (200, 100, 0), (0, 0, 90)]
)


def test_labels_are_blended():
    image = Image.new('RGB', (SIDE, SIDE), (100, 100, 100))
    labels = np.zeros((SIDE, SIDE), np.int64)
    labels[:100] = 1
    labels[-100:] = 255
    drawn = np.asarray(blend_labels(image, labels, META['palette']))
    # 0.4 * 100 + 0.6 * colour, to a rounding
    assert np.abs(drawn[50, 5] - np.array([160, 100, 40])).max() <= 1
    assert (drawn[SIDE // 2, 5] == 100).all()
    assert np.abs(drawn[-50, 5] - np.array(193)).max() <= 1


def test_an_image_without_labels():
    image = Image.new('RGB', (SIDE, SIDE), (7, 8, 9))
    drawn = blend_labels(image, np.zeros((SIDE, SIDE), int), META['palette'])
    assert drawn.tobytes() == image.tobytes()


def test_boxes_and_masks():
    image = Image.new('RGB', (SIDE // 2, SIDE // 2), 'black')
    mask = np.zeros((1, SIDE // 2, SIDE // 2), np.uint8)
    mask[0, 100:110, 100:110] = 1
    for masks in (BitmapMasks(mask, *mask.shape[1:]), torch.tensor(mask > 0)):
        instances = InstanceData(
            bboxes=torch.tensor([[20.0, 60.0, 40.0, 80.0]]),
            labels=torch.tensor([1]),
            scores=torch.tensor([0.5]),
            masks=masks,
        )
        drawn = np.asarray(draw_instances(image, instances, META))
        assert drawn.shape == (SIDE, SIDE, 3)  # twice as large
        assert tuple(drawn[140, 40]) == (200, 100, 0)  # left edge of the box
        assert tuple(drawn[210, 210]) == (100, 50, 0)  # inside the mask
        assert not drawn[140, 60].any()  # inside the box


def test_truth_and_prediction_next_to_each_other(tmp_path):
    path = tmp_path / 'image.png'
    Image.new('RGB', (40, 20)).save(path)
    boxes = InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, 30.0, 15.0]] * 2),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor([0.9, 0.1]),
    )
    sample = BaseDataElement()
    sample.set_field(str(path), 'img_path', field_type='metainfo')
    sample.gt_instances, sample.pred_instances = boxes, boxes
    tile = pair(sample, META, 0.3)
    assert tile.size == (2 * SIDE + 6, SIDE // 2 + 14)
    left, right = (
        np.asarray(tile.crop((x, 14, x + SIDE, tile.height)))
        for x in (0, SIDE + 6)
    )
    dog = (200, 100, 0)
    assert (left == dog).all(-1).any()
    assert not (right == dog).all(-1).any()  # below the score
