"""VOC as Detectron2 reads it, and the metric on mmdet's samples."""

import shutil

import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.toolbox.check_data import check_files
from tests.toolbox.test_voc_ap import CASES

XML = """<annotation><size><width>100</width><height>80</height></size>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>11</xmin>
<ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
<object><name>dog</name><difficult>1</difficult><bndbox><xmin>1</xmin>
<ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>50</xmin>
<ymin>50</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def devkit(tmp_path):
    home = tmp_path / 'VOC2007'
    for name in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (home / name).mkdir(parents=True)
    (home / 'ImageSets/Main/trainval.txt').write_text('000001\n')
    (home / 'Annotations/000001.xml').write_text(XML)
    Image.new('RGB', (100, 80)).save(home / 'JPEGImages/000001.jpg')
    return tmp_path


def read(devkit, **settings):
    from ssl_bench.toolbox.voc import VOCDetection

    return VOCDetection(
        data_root=str(devkit),
        ann_file='VOC2007/ImageSets/Main/trainval.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        pipeline=[],
        metainfo=dict(classes=('cat', 'dog')),
        **settings,
    )


def test_boxes_and_difficult_objects(devkit):
    train = read(devkit, filter_cfg=dict(filter_empty_gt=True, min_size=0))
    cat, dog = train.get_data_info(0)['instances']  # the empty box is gone
    assert cat['bbox'] == [10, 20, 30, 40]  # xmax, ymax as they are
    assert dog['bbox'] == [0, 0, 5, 5]
    assert (cat['ignore_flag'], dog['ignore_flag']) == (0, 0)
    (note,) = train.notes
    assert note.endswith(
        '1 objects with an empty box (left out), first 000001'
    )
    test = read(devkit, test_mode=True)
    assert [
        item['ignore_flag'] for item in test.get_data_info(0)['instances']
    ] == [0, 1]


def test_broken_and_missing_annotations(devkit):
    path = devkit / 'VOC2007/Annotations/000001.xml'
    path.write_text(XML[:60])
    with pytest.raises(
        UserError, match='1 annotations cannot be read, first .*1.xml: unclos'
    ):
        read(devkit)
    path.unlink()
    with pytest.raises(
        UserError, match='1 annotations, 1 are not there, first .*000001.xml'
    ):
        read(devkit)


def test_other_classes_and_no_objects(devkit):
    path = devkit / 'VOC2007/Annotations/000001.xml'
    path.write_text(XML.replace('<name>cat', '<name>zebra'))
    with pytest.raises(
        UserError,
        match='trainval.txt: 2 objects are of '
        "other classes than the 2 of this task, first 'zebra' in .*1.xml",
    ):
        read(devkit)
    path.write_text(
        '<annotation><size><width>100</width><height>80'
        '</height></size></annotation>'
    )
    with pytest.raises(UserError, match='no image has an object to train on'):
        read(devkit, filter_cfg=dict(filter_empty_gt=True, min_size=0))
    with pytest.raises(UserError, match='no image has .* to be scored agai'):
        read(devkit, test_mode=True)
    home = devkit / 'VOC2007'
    (home / 'ImageSets/Main/trainval.txt').write_text('000001\n000002\n')
    (home / 'Annotations/000002.xml').write_text(XML)
    with pytest.raises(
        UserError, match='2 images, 1 are not there, first .*000002.jpg'
    ):
        read(devkit, test_mode=True)
    shutil.copy(home / 'JPEGImages/000001.jpg', home / 'JPEGImages/000002.jpg')
    test = read(devkit, test_mode=True)
    assert test.get_data_info(0)['instances'] == []
    assert len(test.get_data_info(1)['instances']) == 2
    assert check_files(None, test) == [
        f'{test.ann_file}: 1 images have no object (skipped in training), '
        'first 000001',
        f'{test.ann_file}: 1 objects with an empty box (left out), first '
        '000002',
    ]


@pytest.mark.parametrize('case', CASES, ids=lambda case: case['name'])
def test_metric_on_samples(case):
    from ssl_bench.toolbox.voc import VOCDetectionMetric

    metric = VOCDetectionMetric()
    metric.dataset_meta = dict(classes=case['classes'])
    samples = []
    for image in case['images']:

        def pick(key, **want):
            return [
                o
                for o in case[key]
                if o['image_id'] == image
                and all(bool(o[name]) == value for name, value in want.items())
            ]

        def pack(objects, shift):
            boxes = torch.tensor(
                [o['bbox'] for o in objects], dtype=torch.float64
            ).reshape(-1, 4)
            return InstanceData(
                bboxes=boxes - torch.tensor([shift, shift, 0, 0]),
                labels=torch.tensor(
                    [case['classes'].index(o['class']) for o in objects],
                    dtype=torch.long,
                ),
            )

        found = pick('detections')
        predicted = pack(found, 0)
        predicted.scores = torch.tensor(
            [o['score'] for o in found], dtype=torch.float64
        )
        samples.append(
            dict(
                gt_instances=pack(pick('ground_truth', difficult=False), 1),
                ignored_instances=pack(
                    pick('ground_truth', difficult=True), 1
                ),
                pred_instances=predicted,
            )
        )
    metric.process({}, samples)
    got = metric.evaluate(len(samples))
    want = case['expected']['voc07_11point']
    for name in ('AP', 'AP50', 'AP75'):
        assert got[f'voc/{name}'] == pytest.approx(want[name], abs=1e-6)
