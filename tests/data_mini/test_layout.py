"""The layouts, read back by the toolkits' own loaders."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from ssl_bench.data.mini import (
    CATEGORY_IDS,
    CLASSES,
    PALETTE,
    SEG_CLASSES,
    SEG_PALETTE,
)

from .conftest import SMALL


@pytest.fixture(scope='module')
def devkit(mini):
    return mini.root / 'VOCdevkit'


def annotations(folder):
    """(image id, width, height, list of object elements) of every XML."""
    for path in sorted((folder / 'Annotations').iterdir()):
        tree = ElementTree.parse(path).getroot()
        yield (
            path.stem,
            int(tree.find('size/width').text),
            int(tree.find('size/height').text),
            tree.findall('object'),
        )


def box(entry):
    return [
        int(entry.find(f'bndbox/{side}').text)
        for side in ('xmin', 'ymin', 'xmax', 'ymax')
    ]


def lines(path):
    return path.read_text().splitlines()


def test_image_folder_is_read_by_mmpretrain(mini, registered):
    from mmpretrain.datasets import CustomDataset

    for split, count in (('train', 16), ('val', 8)):
        data = CustomDataset(data_root=str(mini.root / 'imagenet' / split))
        assert data.CLASSES == CLASSES and len(data) == count
        assert sorted(data.get_gt_labels()) == sorted(
            index % 8 for index in range(count)
        )
        for index in range(count):
            with Image.open(data.get_data_info(index)['img_path']) as image:
                assert max(image.size) == SMALL.imagenet_px
                assert image.format == 'JPEG' and image.mode == 'RGB'


def test_voc_boxes_are_one_based_and_inside(devkit):
    difficult = 0
    for year in ('VOC2007', 'VOC2012'):
        for image_id, width, height, objects in annotations(devkit / year):
            with Image.open(
                devkit / year / 'JPEGImages' / f'{image_id}.jpg'
            ) as image:
                assert image.size == (width, height)
            assert objects
            for entry in objects:
                x1, y1, x2, y2 = box(entry)
                assert 1 <= x1 <= x2 <= width and 1 <= y1 <= y2 <= height
                assert entry.find('name').text in CLASSES
                assert entry.find('pose').text in ('Frontal', 'Left', 'Right')
                assert entry.find('truncated').text in ('0', '1')
                assert (entry.find('occluded') is None) == (year == 'VOC2007')
                difficult += int(entry.find('difficult').text)
    assert difficult >= 2


def test_voc_image_sets_agree_with_the_annotations(devkit):
    for year, splits in (
        ('VOC2007', dict(trainval=24, train=12, val=12, test=4)),
        ('VOC2012', dict(trainval=4, train=2, val=2)),
    ):
        main = devkit / year / 'ImageSets' / 'Main'
        flags = {}
        for image_id, _, _, objects in annotations(devkit / year):
            for name in CLASSES:
                hard = [
                    entry.find('difficult').text == '1'
                    for entry in objects
                    if entry.find('name').text == name
                ]
                flags[image_id, name] = (
                    -1 if not hard else 0 if all(hard) else 1
                )
        for split, count in splits.items():
            ids = lines(main / f'{split}.txt')
            assert len(set(ids)) == count
            for name in CLASSES:
                assert lines(main / f'{name}_{split}.txt') == [
                    f'{i} {flags[i, name]:2d}' for i in ids
                ]
        assert sorted(
            lines(main / 'train.txt') + lines(main / 'val.txt')
        ) == lines(main / 'trainval.txt')
        assert len(list(main.iterdir())) == len(splits) * (1 + len(CLASSES))


def test_segmentation_maps_fit_the_boxes(devkit):
    home = devkit / 'VOC2012'
    ids = lines(home / 'ImageSets/Segmentation/trainval.txt')
    objects = {key[0]: key[3] for key in annotations(home)}
    for image_id in ids:
        classes = Image.open(home / 'SegmentationClass' / f'{image_id}.png')
        assert classes.mode == 'P'
        assert classes.getpalette()[:27] == [
            value for colour in SEG_PALETTE for value in colour
        ]
        labels = np.asarray(classes)
        owners = np.asarray(
            Image.open(home / 'SegmentationObject' / f'{image_id}.png')
        )
        assert set(np.unique(labels)) <= {*range(9), 255}
        np.testing.assert_array_equal(labels == 255, owners == 255)
        for number, entry in enumerate(objects[image_id], start=1):
            rows, columns = np.nonzero(owners == number)
            x1, y1, x2, y2 = box(entry)
            if entry.find('difficult').text == '1':
                assert len(rows) == 0
                continue
            # the box is the mask's extent, whose outermost pixel is void
            assert (
                labels[rows, columns]
                == 1 + CLASSES.index(entry.find('name').text)
            ).all()
            inner = np.array(
                [columns.min(), rows.min(), -columns.max(), -rows.max()]
            ) + [1, 1, -1, -1]
            slack = inner - [x1, y1, -x2, -y2]
            assert (slack >= 0).all()
            ring = labels[y1 - 1 : y2, x1 - 1 : x2] == 255
            assert ring[0].any() and ring[-1].any()
            assert ring[:, 0].any() and ring[:, -1].any()


def test_voc_is_read_by_mmdet_and_mmseg(devkit, registered):
    from mmdet.datasets import VOCDataset
    from mmseg.datasets import BaseSegDataset, PascalVOCDataset

    data = VOCDataset(
        data_root=str(devkit),
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        metainfo=dict(classes=CLASSES, palette=PALETTE),
        pipeline=[],
    )
    assert len(data) == 24 and data.metainfo['dataset_type'] == 'VOC2007'
    entries = {key[0]: key[3] for key in annotations(devkit / 'VOC2007')}
    for index in range(len(data)):
        info = data.get_data_info(index)
        found = [
            [
                *(value + 1 for value in one['bbox']),
                one['bbox_label'],
                one['ignore_flag'],
            ]
            for one in info['instances']
        ]
        assert found == [
            [
                *box(entry),
                CLASSES.index(entry.find('name').text),
                int(entry.find('difficult').text),
            ]
            for entry in entries[info['img_id']]
        ]
    common = dict(
        data_root=str(devkit / 'VOC2012'),
        ann_file='ImageSets/Segmentation/train.txt',
        data_prefix=dict(
            img_path='JPEGImages', seg_map_path='SegmentationClass'
        ),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmseg.LoadAnnotations'),
        ],
    )
    # mmseg's VOC class insists on VOC's names; its base class takes ours
    for seg in (
        PascalVOCDataset(**common),
        BaseSegDataset(
            metainfo=dict(classes=SEG_CLASSES, palette=SEG_PALETTE),
            img_suffix='.jpg',
            seg_map_suffix='.png',
            **common,
        ),
    ):
        assert len(seg) == 6
        for index in range(6):
            sample = seg[index]
            assert sample['gt_seg_map'].shape == sample['img'].shape[:2]
            assert set(np.unique(sample['gt_seg_map'])) <= {*range(9), 255}


@pytest.mark.parametrize('split, count', (('train', 40), ('val', 4)))
def test_coco_masks_areas_and_boxes(mini, split, count):
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO

    path = mini.root / 'coco/annotations' / f'instances_{split}2017.json'
    coco = COCO(str(path))
    assert len(coco.imgs) == count
    assert coco.getCatIds() == list(CATEGORY_IDS)
    assert [one['name'] for one in coco.loadCats(coco.getCatIds())] == list(
        CLASSES
    )
    crowds = 0
    covered = {}
    for entry in coco.anns.values():
        assert isinstance(entry['segmentation'], dict) == entry['iscrowd']
        crowds += entry['iscrowd']
        mask = coco.annToMask(entry)
        assert mask.sum() == entry['area']
        rows, columns = np.nonzero(mask)
        assert entry['bbox'] == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
        total = covered.setdefault(entry['image_id'], np.zeros_like(mask))
        assert not (total & mask).any()  # visible masks never overlap
        total |= mask
        assert coco_mask.area(coco.annToRLE(entry)) == entry['area']
    assert crowds >= 1 or split == 'val'
    for info in coco.imgs.values():
        with Image.open(
            mini.root / 'coco' / f'{split}2017' / info['file_name']
        ) as image:
            assert image.size == (info['width'], info['height'])


def test_coco_is_read_by_mmdet(mini, registered):
    from mmdet.datasets import CocoDataset

    path = 'annotations/instances_train2017.json'
    data = CocoDataset(
        data_root=str(mini.root / 'coco'),
        ann_file=path,
        data_prefix=dict(img='train2017/'),
        metainfo=dict(classes=CLASSES, palette=PALETTE),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
        ],
    )
    raw = json.loads((mini.root / 'coco' / path).read_text())
    assert len(data) == 40
    kept = 0
    for index in range(40):
        sample = data[index]
        kept += len(sample['gt_bboxes'])
        boxes = sample['gt_bboxes'].numpy()
        for mask, (x1, y1, x2, y2), label in zip(
            sample['gt_masks'].to_ndarray(), boxes, sample['gt_bboxes_labels']
        ):
            rows, columns = np.nonzero(mask)
            assert (
                columns.min(),
                rows.min(),
                columns.max() + 1,
                rows.max() + 1,
            ) == (x1, y1, x2, y2)
            assert 0 <= label < 8
    assert kept == len(raw['annotations'])
