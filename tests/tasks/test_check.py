import json
import shutil

import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.layouts import Note
from ssl_bench.tasks.subsets import origin_of, stratified_list, write_subset
from ssl_bench.tasks.table import tasks

MINI = [name for name, task in tasks().items() if task.root == 'data/mini']


@pytest.fixture
def copy(mini_root, tmp_path):
    for name in ('coco', 'VOCdevkit'):
        shutil.copytree(mini_root / name, tmp_path / 'mini' / name)
    return tmp_path / 'mini'


@pytest.mark.parametrize('task', MINI)
def test_embedded_data_are_fine(mini_root, task):
    assert all(
        isinstance(line, Note)
        for line in check_task(task, mini_root, decode_all=True)
    )


def test_voc_faults(copy):
    home = copy / 'VOCdevkit/VOC2007'
    first, second, third = sorted(
        (home / 'ImageSets/Main/trainval.txt').read_text().split()
    )[:3]
    (home / f'Annotations/{first}.xml').write_text('<annotation>')
    text = (home / f'Annotations/{second}.xml').read_text()
    (home / f'Annotations/{second}.xml').write_text(
        text.replace('<xmax>', '<xmax>-')
    )
    found = ' '.join(check_task('mini_voc_det_c4', copy))
    path = home / f'Annotations/{first}.xml'
    assert f'1 annotations cannot be read, first {path}: no element' in found
    assert f'empty box (left out), first {second}' in found
    (home / f'JPEGImages/{third}.jpg').unlink()
    found = ' '.join(check_task('mini_voc_det_c4', copy))
    path = home / f'JPEGImages/{third}.jpg'
    assert f'names 24 images, 1 are not there, first {path}' in found


def test_coco_faults(copy):
    path = copy / 'coco/annotations/instances_val2017.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['bbox'][2] = 0.99
    content['annotations'][1]['category_id'] = 999
    content['annotations'][2]['bbox'][0] = 9999
    content['annotations'][3]['segmentation'] = []
    (copy / 'coco/val2017' / content['images'][0]['file_name']).write_bytes(
        b'no image'
    )
    gone = content['images'][-1]['file_name']
    (copy / 'coco/val2017' / gone).unlink()
    path.write_text(json.dumps(content))
    found = ' '.join(check_task('mini_coco_mrcnn_fpn', copy))
    for part in (
        '1 boxes of no area, which count as missed',
        'unknown category',
        '1 boxes outside their image, which count as missed',
        '1 objects without mask to be scored against',
        'cannot be decoded',
        f'names 6 images, 1 are not there, first {copy}/coco/val2017/{gone}',
    ):
        assert part in found
    path.write_text(path.read_text()[:100])
    assert 'is not a COCO annotation file' in ' '.join(
        check_task('mini_coco_mrcnn_fpn', copy)
    )


def test_what_is_left_out_is_not_wrong(copy, capsys):
    check = ['data', 'check', 'mini_coco_mrcnn_fpn', '--data-root', str(copy)]
    assert main(check) == 0
    assert capsys.readouterr().out.endswith(
        'fpn: fine; '
        f'{copy}/coco/annotations/instances_val2017.json: 1 of 8 classes '
        'have no object, first ring\n'
    )
    path = copy / 'coco/annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['bbox'][3] = 0.5
    content['annotations'][1]['segmentation'] = []
    path.write_text(json.dumps(content))
    assert main(check) == 0
    out = capsys.readouterr().out
    assert 'fpn: fine; ' in out and '1 objects without mask (skipped)' in out
    assert '1 boxes of no area (skipped)' in out
    del content['annotations'][2]['bbox']
    path.write_text(json.dumps(content))
    assert main(check) == 1
    assert (
        f'1 annotations without `bbox`, first id {content["annotations"][2]["id"]}'
        in capsys.readouterr().out
    )


def test_the_reader_leaves_out_what_the_check_counts(registered, copy):
    from ssl_bench.data.mini import CLASSES
    from ssl_bench.toolbox.instances import CocoInstances

    path = copy / 'coco/annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    for ann, bbox in zip(
        content['annotations'],
        (
            [5, 5, 0.99, 9],
            [5, 5, 9, 0],
            [-9, 5, 9, 9],
            [5, 999, 9, 9],
            [5, 5, 1, 1],
        ),
    ):
        ann['bbox'] = bbox
    path.write_text(json.dumps(content))
    reader = CocoInstances(
        data_root=str(copy / 'coco'),
        pipeline=[],
        ann_file='annotations/instances_train2017.json',
        data_prefix=dict(img='train2017/'),
        metainfo=dict(classes=CLASSES),
    )
    kept = sum(
        len(reader.get_data_info(index)['instances'])
        for index in range(len(reader))
    )
    assert kept == len(content['annotations']) - 4
    assert reader.left_out == {
        'boxes of no area': 2,
        'boxes outside their image': 2,
    }
    found = ' '.join(check_task('mini_coco_mrcnn_fpn', copy))
    assert '2 boxes of no area' in found and '2 boxes outside' in found


def test_masks(copy):
    home = copy / 'VOCdevkit/VOC2012'
    names = (home / 'ImageSets/Segmentation/train.txt').read_text().split()
    paths = [home / f'SegmentationClass/{name}.png' for name in names]
    with Image.open(paths[2]) as image:
        size = image.size
    paths[0].write_text('no image')
    Image.new('L', (8, 9)).save(paths[1])
    Image.new('L', size, 200).save(paths[2])
    found = check_task('mini_seg_fcn', copy, decode_all=True)
    assert len(found) == 3
    for path, text in zip(
        paths,
        (
            'cannot be decoded',
            'is (9, 8), its image',
            'has the label 200; this task knows 0 to',
        ),
    ):
        assert sum(str(path) in line and text in line for line in found) == 1
    assert set(check_task('mini_seg_fcn', copy)) <= set(found)  # a sample


def test_masks_of_other_sets(tmp_path):
    """Laid out as ADE20K and Cityscapes are; counts are other things."""
    ade, city = tmp_path / 'ade/ADEChallengeData2016', tmp_path / 'cityscapes'
    files = [
        ade / f'{kind}/{split}/a.{suffix}'
        for split in ('training', 'validation')
        for kind, suffix in (('images', 'jpg'), ('annotations', 'png'))
    ]
    files += [
        city / f'{kind}/{split}/bonn/a_{name}.png'
        for split in ('train', 'val')
        for kind, name in (
            ('leftImg8bit', 'leftImg8bit'),
            ('gtFine', 'gtFine_labelTrainIds'),
        )
    ]
    for path in files:
        path.parent.mkdir(parents=True)
        image = Image.new('L', (8, 8))
        image.putpixel((3, 3), 1)  # a second label
        image.save(path)
    tasks = ('ade20k_upernet_vitb', 'cityscapes_fcn')
    for task, folder, count in (
        (tasks[0], ade / 'images/training', 20210),
        (tasks[1], city / 'leftImg8bit/train', 2975),
    ):
        found = check_task(task, tmp_path)
        assert len(found) == 2 and all('expected' in line for line in found)
        assert f'{folder} has 1 entries, expected {count}' in found[0]
    for path, label in ((files[1], 151), (files[5], 19)):
        Image.new('L', (8, 8), label).save(path)
    for task, text in zip(tasks, ('label 151', 'label 19')):
        assert text in ' '.join(check_task(task, tmp_path))
    for path in (files[3], files[7]):
        path.unlink()
    assert f'names 1 masks, 1 are not there, first {files[7]}' in ' '.join(
        check_task(tasks[1], tmp_path)
    )


def test_command_line(mini_root, tmp_path, capsys):
    assert (
        main(['data', 'check', 'mini_knn', '--data-root', str(mini_root)]) == 0
    )
    assert capsys.readouterr().out == 'mini_knn: fine\n'
    assert (
        main(
            ['data', 'check', 'coco_mrcnn_c4_1x', '--data-root', str(tmp_path)]
        )
        == 1
    )
    assert 'unzip -q $f.zip' in capsys.readouterr().out
    out = tmp_path / 'semi10.txt'
    assert (
        main(
            [
                'data',
                'subset',
                str(mini_root / 'imagenet/train'),
                '--percent',
                '10',
                '-o',
                str(out),
            ]
        )
        == 0
    )
    lines = out.read_text().splitlines()
    assert len(lines) == 8  # one of each class's five
    name, label = lines[0].split()
    assert (mini_root / 'imagenet/train' / name).is_file() and label == '0'


def test_subsets_are_nested_and_seeded(tmp_path):
    for name in ('b', 'a'):
        (tmp_path / name).mkdir()
        for index in range(50):
            (tmp_path / name / f'{index}.jpg').touch()
    small, large, other = (
        stratified_list(tmp_path, percent, seed)
        for percent, seed in ((10, 0), (40, 0), (10, 1))
    )
    assert len(small) == 10 and len(large) == 40
    assert set(small) < set(large) and small != other
    assert {line.split()[1] for line in small} == {'0', '1'}
    path = tmp_path / 'semi10.txt'
    assert write_subset(tmp_path, 10, path, seed=4) == 10
    assert (
        origin_of(path) == 'labels of semi10.txt: 10 images, 10% of '
        'each class drawn with seed 4'
    )
    path.write_text(path.read_text() + 'a/49.jpg 0\n')
    assert 'semi10.txt: 11 images, a list as given, SHA-256 ' in origin_of(
        path
    )
    (tmp_path / 'c').mkdir()
    with pytest.raises(UserError, match='c holds no image'):
        stratified_list(tmp_path, 10)
    with pytest.raises(UserError, match='at most 100'):
        stratified_list(tmp_path, 101)


def turn(path, way):
    """Save an image with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = way
    with Image.open(path) as image:
        image.load()
        image.save(path, exif=exif.tobytes(), quality=95)


def test_sizes_of_images_are_held_against_their_annotations(copy):
    """All of a test set, a few of a training set; masks are images' sizes."""
    path = copy / 'coco/annotations/instances_val2017.json'
    content = json.loads(path.read_text())
    for row in content['images']:
        row['width'] += 1
    path.write_text(json.dumps(content))
    number = len(content['images'])
    lines = check_task('mini_coco_mrcnn_fpn', copy)
    (line,) = [line for line in lines if 'not as large' in line]
    assert f'{number} images are not as large as their annotation says' in line
    home = copy / 'VOCdevkit/VOC2007'
    names = (home / 'ImageSets/Main/test.txt').read_text().split()
    for name in names:
        image = home / f'JPEGImages/{name}.jpg'
        with Image.open(image) as file:
            width, height = file.size
        if width != height:
            turn(image, 6)
            break
    lines = check_task('mini_voc_det_c4', copy)
    (line,) = [line for line in lines if 'as large' in line]
    assert f'first {image}: has {height} x {width} pixels' in line


def test_flipped_images_are_noted_since_their_size_does_not_tell(copy):
    home = copy / 'VOCdevkit/VOC2012'
    name = (home / 'ImageSets/Segmentation/val.txt').read_text().split()[0]
    turn(home / f'JPEGImages/{name}.jpg', 3)
    (line,) = check_task('mini_seg_fcn', copy)
    assert isinstance(line, Note) and '1 images are turned' in line
    rows = json.loads(
        (copy / 'coco/annotations/instances_val2017.json').read_text()
    )['images']
    turn(copy / 'coco/val2017' / rows[0]['file_name'], 2)
    (line,) = [
        line
        for line in check_task('mini_coco_mrcnn_fpn', copy)
        if 'classes have no object' not in line
    ]
    assert isinstance(line, Note) and '1 images are turned' in line
