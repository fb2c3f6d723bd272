"""Judging on own boxes of objects: parts, settings, and a short run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ssl_bench.checkpoints import write_backbone
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.judge.kinds import kind_of, objects
from ssl_bench.judge.plan import Weights, make_judge_plan
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.settings import Length
from ssl_bench.judge.speed import measure_speed
from ssl_bench.judge.splits import Splits
from ssl_bench.tasks.own import read_own_data
from ssl_bench.tasks.table import on_own_data
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.source import open_source
from tests.backbones import thin_backbone
from tests.own_objects import change, coco_files, write_xml, xml_files

FILES = dict(coco=coco_files, voc=xml_files)


def own_of(kind, root, count=12):
    return read_own_data(*FILES[kind](root, count), None, 'things')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A file of random weights."""
    path = tmp_path_factory.mktemp('weights') / '0.backbone.safetensors'
    write_backbone(path, thin_backbone())
    return str(path)


@pytest.mark.parametrize('kind', FILES)
def test_classes_of_images_are_those_of_their_objects(kind, tmp_path):
    own = own_of(kind, tmp_path)
    labels = kind_of(own).read(own)
    assert len(labels) == 12
    assert labels['train 0' + ('.jpg' if kind == 'coco' else '')] == {0}
    name = next(name for name in labels if 'train 5' in name)
    assert labels[name] == {5 % 3}
    assert name.startswith('day 1/')


def test_what_is_not_trained_on_gives_an_image_no_class(tmp_path):
    words = coco_files(tmp_path, 6)

    def edit(content):
        content['annotations'].pop(0)  # an image without objects
        content['annotations'][0]['iscrowd'] = 1
        content['annotations'][1]['bbox'] = [2, 4, 0, 12]  # no area
        more = dict(content['annotations'][2], id=99, category_id=2)
        content['annotations'].append(more)  # an image of two classes

    change(tmp_path / 'train.json', edit)
    own = read_own_data(*words, None, 'things')
    labels = list(kind_of(own).read(own).values())
    assert labels == [set(), set(), set(), {0}, {1}, {2}]


def test_a_part_of_coco_has_its_images_and_all_categories(tmp_path):
    words = coco_files(tmp_path, 12)
    change(
        tmp_path / 'train.json', lambda content: content['annotations'].pop()
    )
    own = read_own_data(*words, None, 'things')
    splits = Splits.of(own, tmp_path / 'work')
    part = splits.data(0.5, 0)
    chosen = splits.subset(0.5, 0)
    assert len(chosen) == 6
    whole, found = (
        json.loads(Path(split.labels).read_text())
        for split in (own.train, part.train)
    )
    assert [row['file_name'] for row in found['images']] == [
        row['file_name']
        for row in whole['images']
        if row['file_name'] in chosen
    ]
    ids = {row['id'] for row in found['images']}
    assert found['annotations'] == [
        row for row in whole['annotations'] if row['image_id'] in ids
    ]
    assert found['categories'] == whole['categories']
    assert kind_of(part).read(part) == {
        name: splits.labels[name] for name in chosen
    }
    # the other images of the folder were not forgotten
    assert not part.apart
    # the file is there: it is not written again
    before = Path(part.train.labels).stat().st_mtime_ns
    assert splits.data(0.5, 0) == part
    assert Path(part.train.labels).stat().st_mtime_ns == before
    # all images are the file as it is
    assert splits.data(1.0, 0).train == own.train


def test_rates_are_not_chosen_on_images_without_objects(tmp_path):
    words = coco_files(tmp_path, 12)
    change(
        tmp_path / 'train.json',
        lambda content: content.update(annotations=content['annotations'][:3]),
    )
    own = read_own_data(*words, None, 'things')
    with pytest.raises(UserError, match='none of the 2 training images that'):
        Splits.of(own, tmp_path / 'work')


def test_parts_of_xml_files_become_coco_files_of_the_same_images(tmp_path):
    words = xml_files(tmp_path, 12)
    write_xml(tmp_path / 'train/labels/train 0.xml', [])
    own = read_own_data(*words, None, 'things')
    splits = Splits.of(own, tmp_path / 'work')
    assert splits.labels['train 0'] == set()
    part = splits.data_to_choose(0.5, 0)
    kind_of(own)
    task = on_own_data('judge_detection', part, tmp_path / 'work')
    for split, names in (
        (task.own.train, splits.to_choose(0.5, 0)),
        (task.own.val, splits.dev),
    ):
        content = json.loads(Path(split.labels).read_text())
        stems = [
            str(Path(row['file_name']).with_suffix(''))
            for row in content['images']
        ]
        assert sorted(stems) == sorted(names)
        assert [row['name'] for row in content['categories']] == [*own.classes]
        assert (tmp_path / 'work') in Path(split.labels).parents


@pytest.mark.parametrize('arch', ['resnet18-w16', 'vit_d96_l4_h3_patch8'])
def test_both_modes_take_residual_networks_and_vits(
    arch, weights, tmp_path, registered
):
    own = own_of('coco', tmp_path)
    plan = make_judge_plan(
        own,
        [weights],
        None,
        [0.5, 1.0],
        (0, 1),
        [FROZEN, FINE_TUNED],
        tmp_path / 'work',
    )
    assert plan.task.shown == ('bbox_AP',)
    assert plan.crop == 32  # images have 40 pixels
    source = open_source('random', tmp_path, arch)
    plan = replace(plan, weights=(Weights('random', 'random', source),))
    assert measure_speed(plan).forward.keys() == {FROZEN, FINE_TUNED}
    for mode, way in plan.modes.items():
        config = make_plan(
            on_own_data(way.task, own).id,
            source.arch_args,
            overrides=plan.overrides(mode, 6, 1e-3),
            train=way.train,
        ).config
        anchors = config.model.rpn_head.anchor_generator
        bases = anchors.get('base_sizes') or anchors.strides
        assert [b * anchors.scales[0] for b in bases] == [2, 4, 8, 16, 32]
        assert config.model.roi_head.bbox_head.num_classes == 3
        count = objects.LENGTH.least
        assert config.train_cfg.max_iters == count
        assert config.param_scheduler[1].end == count
        assert config.optim_wrapper.optimizer.lr == 1e-3
        assert config.get('what_is_trained', 'full') == way.train


@pytest.mark.slow
@pytest.mark.parametrize('kind, mode', [('coco', FINE_TUNED), ('voc', FROZEN)])
def test_from_end_to_end(kind, mode, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Length, 'iterations', lambda self, *_: 2)
    short = replace(objects.MODES[mode], rates=(1e-3,))
    monkeypatch.setitem(objects.MODES, mode, short)
    ours, theirs = FILES[kind](tmp_path / 'data', 8)
    words = ['judge', weights, '--train-data', *ours]
    words += ['--val-data', *theirs, '--data-name', 'things']
    words += ['--work-dir', str(tmp_path / 'judge'), '--modes', mode]
    words += ['--seeds', '0', '--fractions', '0.5']
    assert main(words) == 0
    out = capsys.readouterr().out
    assert 'custom:things: 8 training images, 3 classes' in out
    for folder, count in (('choice', 4), ('runs', 4)):
        found = [
            json.loads(path.read_text())
            for path in tmp_path.glob(f'judge/{folder}/*/result.json')
        ]
        assert len(found) == 2  # weights
        assert {record['data']['images'] for record in found} == {count}
        assert all('bbox_AP' in record['metrics'] for record in found)
    assert {record['task'] for record in found} == {
        'custom:things-50pct/judge_detection'
    }
    assert not list(tmp_path.rglob('*.pth'))
