import json
import shutil

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.transfer.check import check_task
from ssl_bench.transfer.subsets import (origin_of, stratified_list,
                                        write_subset)
from ssl_bench.transfer.tasks import TASKS

MINI = [name for name, task in TASKS.items()
        if task.dataset.startswith('mini_')]


@pytest.fixture
def copy(mini_root, tmp_path):
    shutil.copytree(mini_root, tmp_path / 'mini')
    return tmp_path / 'mini'


@pytest.mark.parametrize('task', MINI)
def test_embedded_data_are_fine(mini_root, task):
    left_out = [line for line in check_task(task, mini_root)
                if 'skipped' not in line]
    assert left_out == []


def test_voc_faults(copy):
    home = copy / 'VOCdevkit/VOC2007'
    first, second, third = sorted(
        (home / 'ImageSets/Main/trainval.txt').read_text().split())[:3]
    (home / f'Annotations/{first}.xml').write_text('<annotation>')
    text = (home / f'Annotations/{second}.xml').read_text()
    (home / f'Annotations/{second}.xml').write_text(
        text.replace('<xmax>', '<xmax>-'))
    found = ' '.join(check_task('mini_voc_det_c4', copy))
    assert f'1 annotations cannot be read, first {first}' in found
    assert f'empty box (left out), first {second}' in found
    (home / f'JPEGImages/{third}.jpg').unlink()
    found = ' '.join(check_task('mini_voc_det_c4', copy))
    assert f'images without JPEGImages/*.jpg, first {third}' in found


def test_coco_faults(copy):
    path = copy / 'coco/annotations/instances_val2017.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['bbox'][2] = 0
    content['annotations'][1]['category_id'] = 999
    (copy / 'coco/val2017' / content['images'][0]['file_name']).write_bytes(
        b'no image')
    gone = content['images'][-1]['file_name']
    (copy / 'coco/val2017' / gone).unlink()
    path.write_text(json.dumps(content))
    found = ' '.join(check_task('mini_coco_mrcnn_fpn', copy))
    for part in ('boxes of no area (skipped)', 'unknown category',
                 'cannot be decoded',
                 f'images missing from {copy}/coco, first val2017/{gone}'):
        assert part in found
    path.write_text(path.read_text()[:100])
    assert 'is no COCO annotation file' in ' '.join(
        check_task('mini_coco_mrcnn_fpn', copy))


def test_command_line(mini_root, tmp_path, capsys):
    assert main(['data', 'check', 'mini_knn', '--data-root',
                 str(mini_root)]) == 0
    assert capsys.readouterr().out == 'mini_knn: fine\n'
    assert main(['data', 'check', 'coco_mrcnn_c4_1x', '--data-root',
                 str(tmp_path)]) == 1
    assert 'unzip -q $f.zip' in capsys.readouterr().out
    out = tmp_path / 'semi10.txt'
    assert main(['data', 'subset', str(mini_root / 'imagenet/train'),
                 '--percent', '10', '-o', str(out)]) == 0
    lines = out.read_text().splitlines()
    assert len(lines) == 8  # one of each class's five
    name, label = lines[0].split()
    assert (mini_root / 'imagenet/train' / name).is_file() and label == '0'


def test_subsets_are_nested_and_seeded(tmp_path):
    for name in ('b', 'a'):
        (tmp_path / name).mkdir()
        for index in range(50):
            (tmp_path / name / f'{index}.jpg').touch()
    small, large, other = (stratified_list(tmp_path, percent, seed)
                           for percent, seed in ((10, 0), (40, 0), (10, 1)))
    assert len(small) == 10 and len(large) == 40
    assert set(small) < set(large) and small != other
    assert {line.split()[1] for line in small} == {'0', '1'}
    path = tmp_path / 'semi10.txt'
    assert write_subset(tmp_path, 10, path, seed=4) == 10
    assert origin_of(path) == 'labels of semi10.txt: 10 images, 10% of ' \
        'each class drawn with seed 4'
    path.write_text(path.read_text() + 'a/49.jpg 0\n')
    assert 'semi10.txt: 11 images, a list as given, SHA-256 ' in \
        origin_of(path)
    (tmp_path / 'c').mkdir()
    with pytest.raises(UserError, match='c holds no image'):
        stratified_list(tmp_path, 10)
    with pytest.raises(UserError, match='at most 100'):
        stratified_list(tmp_path, 101)
