"""Detection and segmentation sets that are not as they should be."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from ssl_bench.data.mini import CLASSES
from ssl_bench.errors import UserError
from ssl_bench.toolbox.check_data import check_files, check_masks, readers

VAL = 'annotations/instances_val2017.json'


@pytest.fixture
def coco(mini_root, tmp_path):
    """A copy of the embedded validation set, and its annotations."""
    shutil.copytree(mini_root / 'coco/val2017', tmp_path / 'val2017')
    (tmp_path / 'annotations').mkdir()
    return tmp_path, json.loads((mini_root / 'coco' / VAL).read_text())


def read(coco, **settings):
    from ssl_bench.toolbox.instances import CocoInstances

    root, content = coco
    (root / VAL).write_text(json.dumps(content))
    return CocoInstances(
        data_root=str(root),
        ann_file=VAL,
        data_prefix=dict(img='val2017/'),
        metainfo=dict(classes=CLASSES),
        **dict(pipeline=[]) | settings,
    )


def labels(dataset):
    return [
        [
            item['bbox_label']
            for item in dataset.get_data_info(index)['instances']
        ]
        for index in range(len(dataset))
    ]


def test_ids_of_categories_may_be_any(registered, coco):
    before = labels(read(coco))
    new = {row['id']: 1000 - 7 * row['id'] for row in coco[1]['categories']}
    for row in coco[1]['categories']:
        row['id'] = new[row['id']]
    for row in coco[1]['annotations']:
        row['category_id'] = new[row['category_id']]
    dataset = read(coco)
    assert labels(dataset) == before
    assert min(dataset.cat_ids) > 800 and not dataset.left_out


def test_classes_that_are_not_the_tasks(registered, coco):
    names = coco[1]['categories']
    names.append(dict(id=99, name='zebra'))
    coco[1]['annotations'][0]['category_id'] = 99
    dataset = read(coco)
    assert (
        dataset.summary_of_left_out()
        == "1 objects of classes that are not the task's"
    )
    assert check_files(None, dataset) == [
        f'{dataset.ann_file}: 1 of 9 classes have no object, first ring',
        f'left out of {dataset.ann_file}: 1 objects of classes that are not '
        "the task's",
    ]
    names[:] = names[::-1][1:]
    with pytest.raises(UserError, match='1 annotations of an unknown catego'):
        read(coco)
    coco[1]['annotations'][0]['category_id'] = names[0]['id']
    turned = read(coco)  # the same labels: they are found by name
    for ours, before in zip(labels(turned)[1:], labels(dataset)[1:]):
        assert ours == before
    names[0]['name'] = 'zebra'
    with pytest.raises(UserError, match='knows 7 of the 8 classes'):
        read(coco)


def test_objects_that_cannot_be_trained_on(registered, coco):
    first, second, third, fourth = coco[1]['annotations'][:4]
    first['bbox'][2] = 0
    second['segmentation'] = []
    third['area'] = 0
    dataset = read(coco)
    assert dataset.left_out == {
        'boxes of no area': 2,
        'objects without mask': 1,
    }
    whole = sum(map(len, labels(dataset)))
    assert whole == len(coco[1]['annotations']) - 3
    with pytest.raises(
        UserError,
        match=f'1 objects without mask to be scored against, first id {second["id"]}',
    ):
        read(coco, test_mode=True)
    coco[1]['annotations'].clear()
    with pytest.raises(UserError, match='no image has an object'):
        read(coco, filter_cfg=dict(filter_empty_gt=True))


@pytest.mark.parametrize('scored', [False, True])
def test_boxes_without_masks(registered, coco, scored):
    """As many programs write them; a task of boxes alone takes them."""
    for row in coco[1]['annotations']:
        row['segmentation'] = []
    del coco[1]['annotations'][-1]['segmentation']
    count = len(coco[1]['annotations'])
    loader = dict(type='LoadAnnotations', with_bbox=True)
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = read(coco, pipeline=[loader], test_mode=scored)
        assert sum(map(len, labels(dataset))) == count
        assert not dataset.left_out
        loader['with_mask'] = True
        with pytest.raises(UserError) as caught:
            read(coco, pipeline=[loader], test_mode=scored)
    assert f'none of its {count} objects has a mask' in str(caught.value)
    assert 'more' not in str(caught.value)  # one problem


def test_images_that_are_missing(registered, coco):
    names = sorted((coco[0] / 'val2017').iterdir())
    for path in names[:2]:
        path.unlink()
    with pytest.raises(
        UserError,
        match=f'names 6 images, 2 are not there, first .*{names[0].name}',
    ):
        read(coco)
    (coco[0] / VAL).write_text('{}')
    from ssl_bench.toolbox.instances import CocoInstances

    with pytest.raises(UserError, match='is not a COCO annotation file'):
        CocoInstances(
            data_root=str(coco[0]),
            ann_file=VAL,
            pipeline=[],
            data_prefix=dict(img='val2017/'),
        )


class Rows(list):
    """A data set of mmseg's that is its rows."""

    test_mode, ann_file = False, 'list.txt'
    get_data_info = list.__getitem__


@pytest.fixture
def masks(tmp_path):
    """Four images and masks of three classes."""
    rows = Rows()
    for index in range(4):
        paths = [tmp_path / f'{index}.{suffix}' for suffix in ('jpg', 'png')]
        Image.new('RGB', (8, 6)).save(paths[0])
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3).save(
            paths[1]
        )
        rows.append(
            dict(
                img_path=str(paths[0]),
                seg_map_path=str(paths[1]),
                seg_fields=[],
                reduce_zero_label=False,
                label_map=None,
            )
        )
    return rows


def spoil(row, label=7):
    mask = np.array(Image.open(row['seg_map_path']))
    mask[2, 3] = label
    Image.fromarray(mask).save(row['seg_map_path'])


def test_segmentation_sets_are_looked_through(registered, masks):
    assert check_files(3, Rows([dict(img_path=masks[0]['img_path'])])) == []
    joined = SimpleNamespace(datasets=[masks, SimpleNamespace(dataset=masks)])
    assert list(readers(joined, None)) == [masks, masks]
    assert check_files(3, joined) == []
    spoil(masks[0], 255)
    spoil(masks[1])
    assert check_files(3, masks) == []  # training skips it
    with pytest.raises(
        UserError, match='1.png has the label 7; this task knows 0 to 2'
    ):
        check_masks(masks, 3, every=True)
    with pytest.raises(UserError, match='has the label 2'):
        check_files(2, masks)  # all of them
    from pathlib import Path

    Path(masks[3]['seg_map_path']).unlink()
    with pytest.raises(
        UserError,
        match='list.txt names 4 masks, 1 are not there, first .*3.png',
    ):
        check_files(3, masks)


def test_masks_that_are_skipped(registered, masks, tmp_path):
    from ssl_bench.toolbox.load_images import skipped_images
    from ssl_bench.toolbox.load_masks import ReadMask

    spoil(masks[1])
    Image.new('L', (8, 5)).save(masks[2]['seg_map_path'])
    with open(masks[3]['seg_map_path'], 'w') as file:
        file.write('no mask')
    care = ReadMask(3, skipped=str(tmp_path / 'skipped_images.txt'))
    stern, found = ReadMask(3), []
    for row in masks:
        row = dict(row, ori_shape=(6, 8))
        result = care.transform(dict(row, seg_fields=[]))
        found.append(result is not None)
        if result is None:
            with pytest.raises(UserError, match='Fix it'):
                stern.transform(dict(row, seg_fields=[]))
    assert found == [True, False, False, False]
    assert [path[-5:] for path in skipped_images(tmp_path)] == [
        '1.png',
        '2.png',
        '3.png',
    ]


def test_loaders_of_a_segmentation_task_read_masks_with_care(tmp_path):
    from ssl_bench.toolbox.load_images import read_with_care
    from ssl_bench.transfer.plan import make_plan

    for task, classes in (('voc12aug_fcn', 21), ('ade20k_upernet_vitb', 150)):
        config = make_plan(task).config
        read_with_care(config, tmp_path)
        train, test = (
            str(config[f'{split}_dataloader']) for split in ('train', 'test')
        )
        assert 'LoadAnnotations' not in train + test
        assert "'type': 'ReadMask'" in train
        assert f"'classes': {classes}" in test
    with DefaultScope.overwrite_default_scope('mmseg'):
        from mmseg.registry import TRANSFORMS

        TRANSFORMS.build(config.test_dataloader.dataset.pipeline[2])


def area_of(runs):
    from pycocotools import mask as coding

    if isinstance(runs['counts'], list):
        runs = coding.frPyObjects(runs, *runs['size'])
    return coding.decode(runs).tolist()


@pytest.mark.parametrize('test_mode', [False, True])
def test_rows_are_mmdets(registered, mini_root, coco, test_mode):
    """Boxes, labels, masks and their order; which images are kept."""
    from mmdet.datasets import CocoDataset

    from ssl_bench.toolbox.instances import CocoInstances

    anns = coco[1]['annotations']
    anns.reverse()
    anns[0]['bbox'] = [0.1, 0.2, 30.7, 40.1]
    anns[1]['bbox'] = [3, 5, 20, 25]
    anns[2]['iscrowd'] = 1
    emptied = anns[3]['image_id']
    anns[:] = [ann for ann in anns if ann['image_id'] != emptied]
    coco[1]['images'][0]['width'] = 31
    read(coco)
    settings = dict(
        data_root=str(coco[0]),
        ann_file=VAL,
        data_prefix=dict(img='val2017/'),
        metainfo=dict(classes=CLASSES),
        pipeline=[],
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        test_mode=test_mode,
    )
    ours, theirs = CocoInstances(**settings), CocoDataset(**settings)
    rows = [
        sorted(
            (data.get_data_info(index) for index in range(len(data))),
            key=lambda row: row['img_id'],
        )
        for data in (ours, theirs)
    ]
    for row in rows[0] + rows[1]:
        del row['sample_idx']
        for item in row['instances']:
            if isinstance(item['mask'], dict):  # of a crowd
                item['mask'] = area_of(item['mask'])
    assert rows[0] == rows[1] and len(ours) == (6 if test_mode else 4)
    for index in range(len(ours)):
        assert ours.get_cat_ids(index) == [
            item['bbox_label']
            for item in ours.get_data_info(index)['instances']
        ]
    part = ours.get_subset([2, 1])
    assert [part.get_data_info(i)['img_id'] for i in (0, 1)] == [
        ours.get_data_info(i)['img_id'] for i in (2, 1)
    ]


def test_run_lengths_are_trained_on(registered):
    """Polygons next to them become bitmaps of the same objects."""
    from mmdet.structures.mask import BitmapMasks, PolygonMasks
    from pycocotools import mask as coding

    from ssl_bench.toolbox.instances import LoadInstances

    square = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]
    runs = coding.frPyObjects([square], 12, 16)[0]
    runs['counts'] = runs['counts'].decode()
    load = LoadInstances(with_bbox=True, with_mask=True, poly2mask=False)

    def masks(*items):
        results = dict(
            ori_shape=(12, 16),
            instances=[
                dict(
                    mask=mask,
                    ignore_flag=crowd,
                    bbox=[1, 1, 2, 2],
                    bbox_label=0,
                )
                for mask, crowd in items
            ],
        )
        load.transform(results)
        return results['gt_masks'], results['gt_ignore_flags'].tolist()

    found, ignored = masks((runs, 0), ([square], 0))
    assert isinstance(found, BitmapMasks) and ignored == [False, False]
    assert (found.masks[0] == found.masks[1]).all() and found.masks[0].any()
    found, ignored = masks((runs, 1), ([square], 0))  # a crowd is ignored
    assert isinstance(found, PolygonMasks) and ignored == [True, False]
    assert load.poly2mask is False


def test_a_task_trains_on_run_lengths(tmp_path):
    from ssl_bench.toolbox.load_images import read_with_care
    from ssl_bench.transfer.plan import make_plan

    config = make_plan('coco_mrcnn_fpn_1x').config
    read_with_care(config, tmp_path)
    kinds = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert kinds[:2] == ['mmengine.ReadImage', 'LoadInstances']
