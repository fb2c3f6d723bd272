"""Readers of image folders and lists, and what is wrong with some."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.toolbox.check_data import check_classes, check_same
from ssl_bench.toolbox.image_sets import (
    ClassFolders,
    CorruptedFolders,
    INat18,
    wordnet_ids,
)
from ssl_bench.toolbox.load_images import (
    ReadImage,
    none_usable,
    read_with_care,
    skipped_images,
)
from ssl_bench.transfer.plan import make_plan


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def folders(root, names, images=2):
    for name in names:
        (root / name).mkdir(parents=True)
        for index in range(images):
            (root / name / f'{index}.jpg').touch()
    return root


def test_wordnet_ids():
    ids = wordnet_ids()
    assert len(ids) == 1000 and sorted(ids) == list(ids)
    # tench, goldfish, ..., toilet tissue
    assert ids[:2] == ('n01440764', 'n01443537') and ids[-1] == 'n15075141'


def test_labels_are_those_of_all_classes(tmp_path):
    ids = wordnet_ids()
    root = folders(tmp_path / 'a', [ids[7], ids[500]])
    (root / 'README.txt').touch()
    found = ClassFolders(str(root), count=2)
    assert [found[i]['gt_label'] for i in range(4)] == [7, 7, 500, 500]
    assert found.metainfo['subset'] == (7, 500)
    assert len(found.metainfo['classes']) == 1000


def test_class_folders_with_faults(tmp_path):
    root = folders(tmp_path / 'a', ['dog', 'cat'])
    names = ['cat', 'cow', 'dog']
    with pytest.raises(UserError, match='2 class folders, expected 3'):
        ClassFolders(str(root), names, count=3)
    with pytest.raises(
        UserError,
        match='1 folders that are no class, first '
        'dog; expected names such as cat',
    ):
        ClassFolders(str(root), names[:2])
    (root / 'cow').mkdir()
    with pytest.raises(
        UserError, match='1 class folders hold no image, first cow'
    ):
        ClassFolders(str(root), names, count=3)
    with pytest.raises(UserError, match='is not a folder'):
        ClassFolders(str(tmp_path / 'b'), names)


def test_corruptions_and_severities(tmp_path):
    for cell in ('fog/1', 'fog/2', 'snow/1', 'snow/2'):
        folders(tmp_path / cell, ['cat', 'dog'])
    found = CorruptedFolders(
        str(tmp_path), ['fog', 'snow'], [1, 2], ['cat', 'dog']
    )
    assert len(found) == 16
    last = found.get_data_info(15)
    assert (last['corruption'], last['severity'], last['gt_label']) == (
        'snow',
        2,
        1,
    )
    assert last['img_path'] == str(tmp_path / 'snow/2/dog/1.jpg')
    assert found.get_gt_labels().tolist() == [0, 0, 1, 1]
    (tmp_path / 'snow/1/cat/0.jpg').unlink()
    with pytest.raises(UserError, match='snow/1 holds other images'):
        CorruptedFolders(
            str(tmp_path), ['fog', 'snow'], [1, 2], ['cat', 'dog']
        )


def test_inaturalist(tmp_path):
    content = dict(
        images=[dict(id=5, file_name='x/1.jpg')],
        categories=[dict(id=30, name='newt'), dict(id=10, name='ant')],
        annotations=[dict(image_id=5, category_id=30)],
    )
    path = tmp_path / 'val.json'
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match='1 are not there, first .*x/1.jpg'):
        INat18(data_root=str(tmp_path), ann_file='val.json')
    (tmp_path / 'x').mkdir()
    (tmp_path / 'x/1.jpg').touch()
    found = INat18(data_root=str(tmp_path), ann_file='val.json')
    assert found.metainfo['classes'] == ('ant', 'newt')
    assert found[0]['gt_label'] == 1
    assert found[0]['img_path'] == str(tmp_path / 'x/1.jpg')
    content['annotations'].append(dict(image_id=6, category_id=30))
    path.write_text(json.dumps(content))
    with pytest.raises(
        UserError,
        match='1 annotations name an image or category that the file lacks, '
        'first image 6 in category 30',
    ):
        INat18(data_root=str(tmp_path), ann_file='val.json')
    path.write_text('{}')
    with pytest.raises(UserError, match='is not an annotation file'):
        INat18(data_root=str(tmp_path), ann_file='val.json')


@pytest.mark.parametrize('backend', ['pillow', 'cv2'])
@pytest.mark.parametrize('kind', ['jpg', 'png'])
def test_images_are_upright_and_as_large_as_annotated(tmp_path, backend, kind):
    """In training an image of another size is counted, in testing it stops."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path, note = str(tmp_path / f'a.{kind}'), tmp_path / 'skipped_images.txt'
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:10, :15, 0] = 255  # red in the corner that comes to the right
    Image.fromarray(pixels).save(path, exif=exif.tobytes(), quality=95)
    stern = ReadImage(imdecode_backend=backend)
    found = stern.transform(dict(img_path=path, width=20, height=30.0))
    assert found['img'].shape == (30, 20, 3)
    assert found['img_shape'] == found['ori_shape'] == (30, 20)
    assert found['img'][3, 17, 2] > 200 > 50 > found['img'][3, 3, 2]
    for size in ({}, dict(width=0, height=0)):  # says nothing
        assert stern.transform(dict(img_path=path, **size))
    wrong = dict(img_path=path, width=30, height=20)
    with pytest.raises(
        UserError,
        match='has 20 x 30 pixels, its annotation says 30 x 20; .* EXIF',
    ):
        stern.transform(dict(wrong))
    care = ReadImage(skipped=str(note), imdecode_backend=backend)
    assert care.transform(dict(wrong)) is None
    assert skipped_images(tmp_path) == [path]
    with pytest.raises(UserError, match='says 40 x 30. Correct') as stop:
        stern.transform(dict(img_path=path, width=40, height=30))
    assert 'EXIF' not in str(stop.value)


def test_broken_files_are_counted_or_stop(tmp_path):
    note = tmp_path / 'skipped_images.txt'
    care = ReadImage(skipped=str(note), imdecode_backend='pillow')
    stern = ReadImage()  # OpenCV
    Image.new('RGB', (64, 64)).save(tmp_path / 'cut.jpg')
    cut = (tmp_path / 'cut.jpg').read_bytes()
    (tmp_path / 'cut.jpg').write_bytes(cut[: len(cut) // 2])
    (tmp_path / 'text.jpg').write_text('no image')
    (tmp_path / 'empty.jpg').touch()
    for name in ('cut', 'text', 'empty', 'absent', 'text'):
        assert (
            care.transform(dict(img_path=str(tmp_path / f'{name}.jpg')))
            is None
        )
    assert [path.split('/')[-1] for path in skipped_images(tmp_path)] == [
        'absent.jpg',
        'cut.jpg',
        'empty.jpg',
        'text.jpg',
    ]
    for name in ('cut', 'text', 'empty', 'absent'):
        with pytest.raises(UserError, match=f'{name}.jpg cannot be read'):
            stern.transform(dict(img_path=str(tmp_path / f'{name}.jpg')))


def test_loaders_of_a_task_read_with_care(tmp_path):
    for task in ('in1k_linear', 'voc0712_det_c4', 'voc12aug_fcn'):
        config = make_plan(task).config
        read_with_care(config, tmp_path)
        train, test = (
            str(config[f'{split}_dataloader']) for split in ('train', 'test')
        )
        assert "'LoadImageFromFile'" not in train + test
        assert str(tmp_path / 'skipped_images.txt') in train
        assert 'skipped_images.txt' not in test and 'ReadImage' in test
    probe = make_plan('in1k_knn').config
    read_with_care(probe, tmp_path)
    assert 'skipped_images.txt' not in str(probe.train_dataloader)


class Labelled:
    """A data set that is its labels."""

    def __init__(self, labels, classes, name='folder'):
        self.labels, self.data_root = np.array(labels), name
        self.metainfo = dict(classes=classes) if classes else {}

    def get_gt_labels(self):
        return self.labels


def test_a_pipeline_that_keeps_nothing(tmp_path):
    error = none_usable(make_plan('mini_linear').config, tmp_path)
    assert str(error).startswith(
        'no training image of data/mini/imagenet/train can be used'
    )
    assert 'can be read, but the train pipeline keeps none' in str(error)


def test_classes_that_do_not_fit_the_head():
    net = SimpleNamespace(head=SimpleNamespace(num_classes=3))
    fine = Labelled([0, 1, 2], ('a', 'b', 'c'))
    assert check_classes(net, fine, fine) == []
    with pytest.raises(
        UserError, match='folder has 4 classes, the head of this task 3'
    ):
        check_classes(net, Labelled([0], tuple('abcd')), fine)
    with pytest.raises(UserError, match='has the label 3; .* 0 to 2'):
        check_classes(net, Labelled([0, 3], None), fine)
    assert check_classes(net, Labelled([0, 2], ('a', 'b', 'c')), fine) == [
        '1 of 3 classes have no image in folder, first b'
    ]
    with pytest.raises(
        UserError,
        match='classes differ .3 and 3.: c is not in both folder and val',
    ):
        check_same(fine, Labelled([0], ('a', 'b', 'd'), 'val'))
    assert check_classes(SimpleNamespace(), fine, fine) == []  # a detector
