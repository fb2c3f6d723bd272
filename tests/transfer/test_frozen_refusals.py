"""What a user can do wrong with any task on frozen maps, told in a line.

A task that is added later is covered: the list is read from the configs.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.config import read_literals
from ssl_bench.tasks.datasets import MINI_ROOT
from ssl_bench.tasks.protocol_table import maps_of
from ssl_bench.tasks.table import task_config, tasks

VOC = Path('VOCdevkit/VOC2012')
NYU = Path('nyu')
# a network of one stride, and one with stages
VIT, RESNET = 'vit_d48_l2_h3_patch8', 'resnet18-w8'


FROZEN = {
    name: place
    for name, task in tasks().items()
    if task.root == MINI_ROOT
    and (place := maps_of(read_literals(task_config(name))))
}
PROBES = [name for name in FROZEN if tasks()[name].toolbox == 'probe']
MASKS = [name for name in FROZEN if tasks()[name].dataset == 'mini_seg']
DEPTH = [name for name in FROZEN if tasks()[name].group == 'depth']


def test_the_kinds_of_tasks_are_there():
    assert {'mini_linseg', 'mini_knnseg', 'mini_depth', 'mini_spair'} <= {
        *FROZEN
    }
    assert len(MASKS) >= 4 and DEPTH and len(PROBES) >= 5


@pytest.fixture
def refused(registered, mini_root, tmp_path, capsys):
    """Runs a transfer that must be refused; returns the line.

    Nothing is there afterwards that an iteration or an extraction leaves.
    """

    def of(task, arch, *words, root=mini_root, dry=True):
        work = tmp_path / 'work'
        capsys.readouterr()
        code = main(
            [
                'transfer',
                'random',
                '--arch',
                arch,
                '--tasks',
                task,
                '--data-root',
                str(root),
                '--work-dir',
                str(work),
                *(['--dry-run'] if dry else []),
                *words,
            ]
        )
        line = capsys.readouterr().err.strip()
        assert code == 2, line
        assert '\n' not in line and line.startswith('ssl-bench transfer: ')
        made = [path.name for path in work.rglob('*')]
        assert 'result.json' not in made and 'index.json' not in made
        assert not any(name.endswith('.pth') for name in made)
        return line

    return of


@pytest.mark.parametrize('task', FROZEN)
def test_layers_that_the_backbone_does_not_have(refused, task):
    place = FROZEN[task]
    line = refused(task, VIT, '--cfg-options', f'{place}.layers=four')
    assert f'{place}.layers=four: this network has 2 maps; write' in line
    line = refused(task, VIT, '--cfg-options', f'{place}.layers=laste')
    assert "'laste'. Did you mean last" in line


@pytest.mark.parametrize('task', FROZEN)
def test_stages_that_the_backbone_does_not_have(refused, task):
    place = FROZEN[task]
    line = refused(task, RESNET, '--cfg-options', f'{place}.stages=[5]')
    assert f'{place}.stages must be' in line and 'such as [4]' in line


@pytest.mark.parametrize('task', FROZEN)
def test_a_class_token_that_the_backbone_does_not_have(refused, task):
    part, name = FROZEN[task].split('.')
    maps = read_literals(task_config(task))[part][name]
    if maps['class_token']:
        return  # its protocol takes one where there is one, and a record says
    place = FROZEN[task]
    line = refused(task, RESNET, '--cfg-options', f'{place}.class_token=True')
    assert f'{place}.class_token=True' in line and 'False' in line


@pytest.mark.parametrize('task', FROZEN)
def test_a_field_that_no_rule_has(refused, task):
    line = refused(task, VIT, '--cfg-options', f'{FROZEN[task]}.layer=last')
    assert "'layer'. Did you mean layers" in line


@pytest.mark.parametrize('kind', ['lora:4', 'last:1'])
@pytest.mark.parametrize('task', FROZEN)
def test_nothing_of_the_backbone_can_be_trained(refused, task, kind):
    for arch in (VIT, RESNET):
        line = refused(task, arch, '--train', kind)
        assert f'--train {kind}: {task}' in line
        assert 'frozen backbone' in line and 'eave --train out' in line


def test_lora_where_it_is_not_defined(refused):
    """On a backbone without attention, of a task that trains it."""
    line = refused('mini_seg_fcn', RESNET, '--train', 'lora:4')
    assert 'lora:4' in line and 'attention' in line
    assert 'Write last:1, full or frozen' in line


def copy_of(mini_root, tmp_path, folder):
    """The data with a folder that can be changed, the rest as links."""
    root = tmp_path / 'data'
    root.mkdir()
    top = Path(folder).parts[0]
    for path in mini_root.iterdir():
        if path.name != top:
            (root / path.name).symlink_to(path)
    shutil.copytree(mini_root / top, root / top)
    return root


def shrink(path):
    with Image.open(path) as picture:
        half = picture.resize(
            (picture.width // 2, picture.height // 2), Image.NEAREST
        )
    half.save(path)


def check_data(task, root, capsys):
    capsys.readouterr()
    code = main(['data', 'check', task, '--data-root', str(root)])
    return code, capsys.readouterr().out


@pytest.mark.parametrize('task', MASKS)
def test_a_mask_of_another_size(refused, task, mini_root, tmp_path, capsys):
    """Of a test image: no number may leave it out."""
    root = copy_of(mini_root, tmp_path, VOC)
    lists = root / VOC / 'ImageSets/Segmentation'
    name = (lists / 'val.txt').read_text().split()[0]
    shrink(root / VOC / f'SegmentationClass/{name}.png')
    code, said = check_data(task, root, capsys)
    assert code == 1 and 'not as large as their image' in said
    line = refused(task, RESNET, root=root, dry=False)
    assert f'{name}.png is' in line and 'its image' in line
    assert 'Fix it, or take its image out of the list' in line


@pytest.mark.parametrize('task', DEPTH)
def test_a_depth_map_of_another_size(
    refused, task, mini_root, tmp_path, capsys
):
    root = copy_of(mini_root, tmp_path, NYU)
    words = (root / NYU / 'nyu_test.txt').read_text().split()
    shrink(root / NYU / words[1].lstrip('/'))
    code, said = check_data(task, root, capsys)
    assert code == 1 and 'not as large as their image' in said
    line = refused(task, RESNET, root=root, dry=False)
    assert Path(words[1]).name in line and 'its image' in line


@pytest.mark.parametrize('part', ['train', 'test'])
@pytest.mark.parametrize('task', DEPTH)
def test_depth_without_valid_pixels(
    refused, task, part, mini_root, tmp_path, capsys
):
    root = copy_of(mini_root, tmp_path, NYU)
    for line in (root / NYU / f'nyu_{part}.txt').read_text().splitlines():
        path = root / NYU / line.split()[1].lstrip('/')
        with Image.open(path) as depth:
            empty = np.zeros_like(np.asarray(depth))
        Image.fromarray(empty).save(path)
    code, said = check_data(task, root, capsys)
    assert code == 1 and 'no depth map has a pixel between' in said
    line = refused(task, RESNET, root=root, dry=False)
    assert 'no depth map' in line


def run(task, root, work, *words):
    return main(
        [
            'transfer',
            'random',
            '--arch',
            RESNET,
            '--tasks',
            task,
            '--data-root',
            str(root),
            '--work-dir',
            str(work),
            *words,
        ]
    )


@pytest.mark.parametrize('task', PROBES)
def test_features_of_other_weights_under_this_name(
    registered, task, mini_root, tmp_path, capsys
):
    """Seeds have other random weights: their features are kept apart."""
    work = tmp_path / 'work'
    assert run(task, mini_root, work, '--seeds', '0') == 0
    first = {path.name for path in (work / 'features').iterdir()}
    assert run(task, mini_root, work, '--seeds', '1') == 0
    second = {path.name for path in (work / 'features').iterdir()} - first
    assert len(second) == len(first) > 0
    for run_folder in work.glob(f'*_{task}_s1_*'):
        shutil.rmtree(run_folder)
    for name in sorted(second):  # those of seed 0 under the names of seed 1
        shutil.rmtree(work / 'features' / name)
        shutil.copytree(
            work / 'features' / sorted(first)[sorted(second).index(name)],
            work / 'features' / name,
        )
    capsys.readouterr()
    assert run(task, mini_root, work, '--seeds', '1') == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert any(name in line for name in second)
    assert 'Remove the folder' in line
    assert json.loads(
        next(work.glob(f'*_{task}_s0_*/result.json')).read_text()
    )['metrics']


def test_features_of_another_input_size(
    registered, mini_root, tmp_path, capsys
):
    """They have another name, and are refused under this one."""
    work, task = tmp_path / 'work', 'mini_knnseg'
    assert run(task, mini_root, work) == 0
    stores = work / 'features'
    first = sorted(path.name for path in stores.iterdir())
    size = [
        '--cfg-options',
        *(
            f'{part}_dataloader.dataset.pipeline.Resize.scale=[64,64]'
            for part in ('train', 'test')
        ),
    ]
    assert run(task, mini_root, work, *size) == 0
    second = sorted({path.name for path in stores.iterdir()} - {*first})
    assert len(second) == len(first)
    for one, other in zip(first, second):
        shutil.rmtree(stores / other)
        shutil.copytree(stores / one, stores / other)
    for record in work.glob('*/result.json'):
        shutil.rmtree(record.parent)
    capsys.readouterr()
    assert run(task, mini_root, work, *size) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'Remove the folder' in line
