"""Own boxes and masks: what is read, made of them, and refused."""

import json
import shutil
from pathlib import Path

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.fingerprint import data_name, fingerprint, other_data
from ssl_bench.tasks.layouts import CocoLayout, VocBoxLayout
from ssl_bench.tasks.own import fitting, read_own_data
from ssl_bench.tasks.own.voc import as_coco
from ssl_bench.tasks.table import on_own_data, tasks
from tests.own_objects import (
    SHAPES,
    change,
    coco_files,
    file_name,
    picture,
    write_xml,
    xml_files,
)


def test_annotation_files_are_read_once_and_by_name(tmp_path):
    train, val = coco_files(tmp_path)
    own = read_own_data(train, val, name='shapes')
    assert own.title == 'custom:shapes' and own.kind == 'coco'
    assert own.classes == SHAPES and own.masked and own.apart
    assert not read_own_data(*coco_files(tmp_path, masks=False)).masked
    classes = tmp_path / 'classes.txt'
    classes.write_text('ring\ncross\ndisc\n')
    own = read_own_data(train, val, str(classes))
    assert own.classes == ('ring', 'cross', 'disc')


def test_xml_files_have_images_of_any_ending(tmp_path):
    train, val = xml_files(tmp_path)
    own = read_own_data(train, val)
    assert own.kind == 'voc' and own.classes == SHAPES
    (layout,) = own.dataset().train
    assert layout.sizes()[0].got == 5
    entries = layout.read().entries
    assert sorted(Path(e.image).name for e in entries) == sorted(
        Path(file_name(index, 'train')).name for index in range(5)
    )
    names = tmp_path / 'names.txt'
    names.write_text('train 0\nday 1/train 1\ntrain 2\n')
    own = read_own_data([*train, str(names)], val)
    (layout,) = own.dataset().train
    assert len(layout.read().entries) == layout.sizes()[0].got == 3


def test_xml_files_become_one_file_of_coco(tmp_path):
    train, val = xml_files(tmp_path / 'here')
    write_xml(Path(val[1], 'val 0.xml'), [('cross', 1)])
    own = read_own_data(train, val, name='shapes')
    made = as_coco(own, tmp_path / 'work')
    assert made.kind == 'coco' and not made.masked
    content = json.loads(Path(made.train.labels).read_text())
    first = content['images'][0]
    assert first == dict(
        id=1, file_name='day 1/train 1.JPG', width=40, height=40
    )
    # 1-based and inclusive: x from 4 to 13 are ten pixels, from edge 3
    assert content['annotations'][0] == dict(
        id=1, image_id=1, category_id=2, bbox=[3, 4, 10, 15], area=150
    ) | dict(iscrowd=0)
    assert [row['name'] for row in content['categories']] == [*SHAPES]
    tested = json.loads(Path(made.val.labels).read_text())
    assert sum(row['iscrowd'] for row in tested['annotations']) == 1
    stamp = Path(made.train.labels).stat().st_mtime_ns
    again = as_coco(own, tmp_path / 'work')
    assert again == made
    assert Path(made.train.labels).stat().st_mtime_ns == stamp
    write_xml(Path(train[1], 'train 0.xml'), [('ring', 0)])
    assert as_coco(own, tmp_path / 'work').train.labels != made.train.labels
    for layout in (*made.dataset().train, *made.dataset().test):
        assert [*map(str, layout.check(scored=True))] == []


@pytest.mark.parametrize('files', [coco_files, xml_files])
def test_the_fingerprint_is_of_what_is_read_wherever_it_is(tmp_path, files):
    def found(root):
        paths = [
            [path.replace(str(tmp_path / 'a'), str(root)) for path in words]
            for words in files(tmp_path / 'a')
        ]
        return read_own_data(*paths, name='shapes').dataset()

    data = found(tmp_path / 'a')
    first = fingerprint(data, 'data')
    assert other_data(data, 'data') == []
    assert data_name(data, 'data', [], 5) == 'custom:shapes'
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    assert fingerprint(found(tmp_path / 'b'), 'data') == first
    for path in (tmp_path / 'b').rglob('*'):
        if path.suffix in ('.xml', '.json'):  # a label of the same length
            text = path.read_text()
            path.write_text(text.replace('ring', 'King'))
    assert fingerprint(found(tmp_path / 'b'), 'other') != first


def test_images_without_labels_are_noted(tmp_path):
    xml_files(tmp_path / 'v'), coco_files(tmp_path / 'c')
    own = read_own_data(*xml_files(tmp_path / 'v'))
    picture(tmp_path / 'v/train/images/day 1/more.png', 77)
    (note,) = own.dataset().train[0].read().notes
    assert note.endswith(
        '1 images have no XML file (not used), first day 1/more'
    )
    picture(tmp_path / 'c/val/more.png', 78)
    own = read_own_data(*coco_files(tmp_path / 'c'))
    reading = own.dataset().test[0].read(scored=True)
    assert reading.remarks == [str(line) for line in reading.notes]
    assert 'images are not in the annotation file' in reading.remarks[0]


def test_one_class_is_enough(tmp_path):
    for files in (coco_files, xml_files):
        paths = files(tmp_path / files.__name__, classes=('cell',))
        assert read_own_data(*paths).classes == ('cell',)
        (tmp_path / 'classes.txt').write_text('cell\n')
        classes = str(tmp_path / 'classes.txt')
        assert read_own_data(*paths, classes).classes == ('cell',)


def lose(path):
    return lambda root: shutil.rmtree(root / path)


def write(path, text):
    return lambda root: (root / path).write_text(text)


def edit(path, change_it):
    return lambda root: change(root / path, change_it)


def cut(path):
    return lambda root: (root / path).write_text(
        (root / path).read_text()[:-30]
    )


def same_images(root):
    for index in range(5):
        path = root / 'val' / file_name(index, 'val')
        shutil.copy(root / 'train' / file_name(index, 'train'), path)


def train_as_test(root):
    shutil.copy(root / 'train.json', root / 'val.json')
    shutil.rmtree(root / 'val')
    (root / 'val').symlink_to(root / 'train')


BAD_COCO = {
    'no images at all': (
        lambda r: [lose('train')(r), (r / 'train').mkdir()],
        'train has no images in it',
    ),
    'no folder': (lose('train'), 'train is not there'),
    'no file': (lambda r: (r / 'val.json').unlink(), 'val.json is not there'),
    'labels without images': (
        lambda r: (r / 'train/train 0.jpg').unlink(),
        'names 5 images, 1 are not there',
    ),
    'other classes': (
        edit('val.json', lambda c: c['categories'][0].update(name='star')),
        r"the classes differ \(3 in .*train.json and 3 in .*val.json\): 'ring'"
        ' is in .*train.json alone',
    ),
    'no categories': (
        edit('train.json', lambda c: c.pop('categories')),
        'is not a COCO annotation file: .*`categories`',
    ),
    'empty categories': (
        edit('train.json', lambda c: c['categories'].clear()),
        'its list `categories` is empty',
    ),
    'no objects': (
        edit('val.json', lambda c: c['annotations'].clear()),
        'its list `annotations` is empty',
    ),
    'ids twice': (
        edit('val.json', lambda c: c['categories'][1].update(id=102)),
        '1 category ids twice, first 102',
    ),
    'cut': (cut('val.json'), 'val.json is not .* it ends too early'),
    'labelme': (
        write('train.json', '{"version": "5", "shapes": [], "flags": {}}'),
        "file of LabelMe .* expected COCO's form",
    ),
    'a list': (write('train.json', '[]'), "expected COCO's form"),
    'the same images': (same_images, 'are copies of training images'),
    'the same through a link': (train_as_test, '5 of 5 test images'),
}


@pytest.mark.parametrize('case', BAD_COCO)
def test_annotation_files_that_are_refused(tmp_path, case):
    spoil, message = BAD_COCO[case]
    paths = coco_files(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        read_own_data(*paths)
    assert '\n' not in str(caught.value)


def test_the_same_annotation_file_twice(tmp_path):
    train, _ = coco_files(tmp_path)
    link = tmp_path / 'link.json'
    link.symlink_to(train[1])
    with pytest.raises(UserError, match='both in --train-data and in --val'):
        read_own_data(train, [train[0], str(link)])
    with pytest.raises(UserError, match='names its images itself'):
        read_own_data([*train, train[1]], train)


BAD_XML = {
    'no images at all': (
        lambda r: [lose('train/images')(r), (r / 'train/images').mkdir()],
        'images has no images in it',
    ),
    'labels without images': (
        lambda r: (r / 'train/images/train 0.jpg').unlink(),
        'names 5 images, 1 are not there',
    ),
    'cut': (
        cut('val/labels/val 0.xml'),
        '1 annotations cannot be read, first .*val 0.xml',
    ),
    'a class of the test alone': (
        lambda r: write_xml(r / 'val/labels/val 0.xml', [('star', 0)]),
        "'star' is in .*val/labels alone. A test without",
    ),
    'no objects': (
        lambda r: [
            write_xml(path, []) for path in (r / 'train/labels').rglob('*.xml')
        ],
        'no image has an object to train on',
    ),
    'no labels': (
        lambda r: [lose('val/labels')(r), (r / 'val/labels').mkdir()],
        'labels has no files in it; expected COCO',
    ),
    'yolo': (
        lambda r: [
            lose('val/labels')(r),
            (r / 'val/labels').mkdir(),
            write('val/labels/a.txt', '0 .5 .5 .1 .1')(r),
        ],
        r"has 1 .txt files \(YOLO's\); expected",
    ),
    'two images': (
        lambda r: picture(r / 'val/images/val 0.png', 5),
        'same name with another ending, first .*val 0.jpg and .*val 0.png',
    ),
}


@pytest.mark.parametrize('case', BAD_XML)
def test_xml_files_that_are_refused(tmp_path, case):
    spoil, message = BAD_XML[case]
    paths = xml_files(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        read_own_data(*paths)
    assert '\n' not in str(caught.value)


def test_words_that_are_refused(tmp_path):
    train, val = coco_files(tmp_path)
    xml = xml_files(tmp_path / 'v')
    with pytest.raises(UserError, match='both must be of one kind'):
        read_own_data(train, xml[1])
    with pytest.raises(UserError, match='not a folder: name the folder of'):
        read_own_data(train[::-1], val)
    with pytest.raises(UserError, match='has 4 paths'):
        read_own_data([*train, 'a', 'b'], val)
    with pytest.raises(UserError, match="--data-name 'a/b'"):
        read_own_data(train, val, name='a/b')
    (tmp_path / 'classes.txt').write_text('cross\ndisc\n')
    with pytest.raises(UserError, match="'ring' is in .*train.json alone"):
        read_own_data(train, val, str(tmp_path / 'classes.txt'))


def test_a_class_that_is_named_needs_no_object(tmp_path):
    train, val = xml_files(tmp_path)
    (tmp_path / 'classes.txt').write_text('ring\nstar\ncross\ndisc\n')
    own = read_own_data(train, val, str(tmp_path / 'classes.txt'))
    assert own.classes == ('ring', 'star', 'cross', 'disc')


def test_each_task_says_what_it_takes(tmp_path):
    coco = read_own_data(*coco_files(tmp_path / 'c'), name='c')
    boxes = read_own_data(*coco_files(tmp_path / 'b', masks=False), name='b')
    xml = read_own_data(*xml_files(tmp_path / 'v'), name='v')
    for own, task, message in (
        (coco, 'lvis_vitdet_b', 'takes LVIS alone'),
        (coco, 'voc07_det_c4', "VOC's rules and takes XML.* coco_mrcnn_fpn"),
        (boxes, 'coco_mrcnn_fpn_1x', 'boxes alone. Take .*coco_frcnn_fpn_1x'),
        (xml, 'coco_vitdet_b', 'boxes alone. Take .*voc07_det_c4'),
    ):
        with pytest.raises(UserError, match=message):
            on_own_data(task, own, tmp_path)
    assert on_own_data('voc07_det_c4', xml).own == xml
    row = on_own_data('coco_frcnn_fpn_1x', coco)
    (layout,) = row.data.train
    assert isinstance(layout, CocoLayout) and not layout.masks
    assert on_own_data('coco_mrcnn_fpn_1x', coco).data.train[0].masks
    made = on_own_data('coco_dino_4scale', xml, tmp_path).own
    assert made.kind == 'coco'
    assert Path(made.train.labels).parent == tmp_path / 'own_data/v'
    for name in f'{fitting.BOXES}, {fitting.VOC_BOXES}'.split(', '):
        assert name in tasks()
    assert isinstance(xml.dataset().train[0], VocBoxLayout)


def test_the_check_of_own_data(tmp_path, capsys):
    train, val = xml_files(tmp_path)
    data = ['--train-data', *train, '--val-data', *val, '--data-name', 'v']
    work = ['--work-dir', str(tmp_path / 'work')]
    check = ['data', 'check', 'voc07_det_c4', 'coco_frcnn_fpn_1x']
    assert main([*check, *data, *work]) == 0
    assert 'custom:v/coco_frcnn_fpn_1x: fine' in capsys.readouterr().out
    write_xml(Path(val[1], 'val 0.xml'), [('cross', 0)], left=90)
    assert main(['data', 'check', 'voc07_det_c4', *data]) == 0
    assert 'objects outside their image' in capsys.readouterr().out
    for words, message in (
        (['--data-root', 'x'], '--data-root is above the data sets'),
        (['--data-name', 'a b'], 'take letters'),
    ):
        assert main(['data', 'check', 'voc07_det_c4', *data, *words]) == 2
        assert message in capsys.readouterr().err
    assert main(['data', 'check', 'mini_knn', *data]) == 2
    assert 'mini_knn cannot be run on own data' in capsys.readouterr().err
    assert main(['data', 'check', 'all', *data]) == 2
    assert 'name the tasks to check' in capsys.readouterr().err
    row = on_own_data('voc07_det_c4', read_own_data(train, val))
    assert [line for line in check_task(row.id) if 'outside' in line]


def test_train_is_not_an_option_of_data(capsys):
    with pytest.raises(SystemExit):
        main(
            ['transfer', 'random', '--tasks', 'mini_knn']
            + ['--train', 'images/', 'train.json']
        )
    assert '--train-data IMAGES LABELS' in capsys.readouterr().err
