"""Tasks on own masks and class folders: what is fitted, and short runs."""

import pytest
from mmengine.config import Config

from ssl_bench.cli import main
from ssl_bench.config import load_config
from ssl_bench.data.mini import SEG_CLASSES
from ssl_bench.errors import UserError
from ssl_bench.results.store import read_records
from ssl_bench.tasks.own import read_own_data
from ssl_bench.tasks.table import find_task, on_own_data, task_config, tasks
from ssl_bench.transfer.own import fit_own_data, place, without_places
from ssl_bench.transfer.own.classification import fit_neighbours
from ssl_bench.transfer.own.loaders import nodes
from ssl_bench.transfer.own.segmentation import palette
from ssl_bench.transfer.own.takers import takes
from ssl_bench.transfer.plan import make_plan
from tests.own_images import folders, masked
from tests.own_images import words as paths

FULL_SIZE = {
    'masks': (
        'voc12aug_fcn cityscapes_fcn ade20k_upernet_vitb '
        'ade20k_linseg_franca voc12_incontext_hbird ade20k_incontext_hbird '
        'voc12_linsegms_dinov2 ade20k_linsegms_dinov2 '
        'cityscapes_linseg_dinov3 voc12aug_linseg_dinov2 '
        'ade20k_knnseg_capi voc12_logregseg_capi'
    ),
    'folders': (
        'in1k_knn in1k_linear in1k_linear_cached in1k_linear_dinov2 '
        'in1k_linear_dinov3 in1k_logreg_dinov2 in1k_attentive_capi '
        'in1k_finetune inat18_linear places205_linear'
    ),
}
KINDS = {'masks': masked, 'folders': folders}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Own data of 12 classes, by kind."""
    return {
        kind: read_own_data(
            *make(tmp_path_factory.mktemp(kind), 12, count=2), name='mine'
        )
        for kind, make in KINDS.items()
    }


def fitted(name, own) -> Config:
    """A task's config on own data, with stand-ins for paths."""
    row = on_own_data(name, own)
    config = load_config(task_config(row.id))
    config.pop('recipes', None)
    fit_own_data(config, row)
    return config


def leaves(config):
    """The data sets of a config that read files, with their loader."""
    for loader in ('train', 'held_out', 'test'):
        for node in nodes(config.get(f'{loader}_dataloader')):
            if 'pipeline' in node and not node.get('datasets'):
                yield loader, node


@pytest.mark.parametrize('kind', KINDS)
def test_every_task_of_the_kind_is_fitted(data, kind):
    own, able = data[kind], []
    for name, row in tasks().items():
        if not takes(row, kind):
            continue
        able.append(name)
        config = fitted(name, own)
        found = list(leaves(config))
        assert {'train', 'test'} <= {loader for loader, _ in found}
        for loader, node in found:
            split = 'val' if loader == 'test' else 'train'
            assert node['data_root'] == f'own:{split}/images', name
            if kind == 'masks':
                assert node['masks'] == f'own:{split}/labels'
                assert node['metainfo']['classes'] == [*own.classes]
            else:
                assert node['names'] == [*own.classes]
        model = config.get('model') or {}
        for part in ('head', 'decode_head', 'auxiliary_head'):
            for node in nodes(model.get(part)):
                assert node.get('num_classes', 12) == 12, name
                assert not node.get('class_weight'), name
                assert node.get('ignore_index', 255) == 255, name
        if 'probe' in config and kind == 'masks':
            assert (config.probe.classes, config.probe.ignore) == (12, [255])
    assert {*FULL_SIZE[kind].split()} <= {*able}


@pytest.mark.parametrize(
    'kind, refused, said',
    [
        ('folders', 'in1k_semi1', 'take the task of all labels with --fract'),
        ('folders', 'in1k_fewshot1', 'take the task of all labels with --fra'),
        ('folders', 'in_a', 'it tests what in1k_finetune has trained'),
        (
            'folders',
            'voc07_svm',
            'it does not take class folders. Tasks that take',
        ),
        ('folders', 'spair_pck_dift', 'class folders: in1k_linear, '),
        ('folders', 'voc12aug_fcn', 'class folders: in1k_linear, '),
        ('masks', 'nyu_depth_lin_dinov3', 'take masks: voc12aug_fcn, '),
        (
            'masks',
            'in1k_knn',
            'it does not take masks. Tasks that take masks: voc',
        ),
    ],
)
def test_tasks_that_are_refused_name_others(data, kind, refused, said):
    with pytest.raises(UserError, match=said) as error:
        make_plan(on_own_data(refused, data[kind]).id)
    assert '\n' not in str(error.value)


def test_the_digest_is_that_of_the_settings(data, tmp_path):
    """Not of where the data lie; classes are settings."""
    for kind, name in (('masks', 'mini_seg_fcn'), ('folders', 'mini_linear')):
        own = data[kind]
        there = read_own_data(
            *KINDS[kind](tmp_path / kind, 12, count=2), name='mine'
        )
        few = read_own_data(
            *KINDS[kind](tmp_path / f'{kind}3', 3, count=2), name='mine'
        )
        digests = [
            make_plan(on_own_data(name, each).id).config_sha256
            for each in (own, there, few)
        ]
        assert digests[0] == digests[1] != digests[2]


def test_paths_are_placed_and_taken_out_again(data):
    own = data['masks']
    config = fitted('mini_knnseg', own)
    before = config.train_dataloader.dataset.to_dict()
    place(config, own)
    after = config.train_dataloader.dataset
    assert after.data_root == own.train.images
    assert after.masks == own.train.labels
    assert without_places(after.to_dict(), own) == before


def test_labels_count_as_they_are_in_the_files(data):
    """Zero is a class, also in ADE20K's tasks, where it is none."""
    config = fitted('ade20k_linsegms_dinov2', data['masks'])
    steps = [
        node
        for loader in ('train_dataloader', 'test_dataloader')
        for node in nodes(config[loader])
        if node.get('type') == 'LoadAnnotations'
    ]
    assert len(steps) == 2
    assert not any(step['reduce_zero_label'] for step in steps)
    config = fitted('ade20k_linseg_franca', data['masks'])
    assert config.model.data_preprocessor.seg_pad_val == 255
    assert config.test_evaluator.ignore == [255]


@pytest.mark.parametrize('classes, shown', [(5, ('top1',)), (6, None)])
def test_top5_of_five_classes_says_nothing(tmp_path, classes, shown):
    own = read_own_data(*folders(tmp_path, classes, count=1))
    row = on_own_data('in1k_linear', own)
    assert row.shown == (shown or ('top1', 'top5'))
    config = fitted('in1k_linear', own)
    topk = (1,) if shown else (1, 5)
    assert config.test_evaluator.topk == config.model.head.topk == topk
    assert find_task('in1k_linear').shown == ('top1', 'top5')


def test_neighbours_above_the_number_of_images():
    probe = dict(type='knn', neighbours=[5, 10, 200], headline=20)
    assert fit_neighbours(probe, 8) == [
        'k is 8, all training images, and not 10, 200'
    ]
    assert probe == dict(type='knn', neighbours=[5, 8], headline=8)
    assert fit_neighbours(probe, 8) == []
    assert fit_neighbours(dict(type='linear'), 8) == []


def test_colours_are_distinct():
    colours = palette(255)
    assert len({*map(tuple, colours)}) == 255
    assert colours[:3] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def transferred(task, given, work, *more):
    """Run the command; the records of the task."""
    train, val, *classes = given
    listed = ['--classes', *classes] if classes else []
    command = ['transfer', 'random', '--arch', 'resnet18-w16']
    command += ['--tasks', task, '--train-data', *train, '--val-data', *val]
    command += [*listed, '--data-name', 'mine', '--work-dir', str(work)]
    assert main([*command, *more]) == 0
    paths = sorted(work.glob('*/result.json'))
    return read_records(paths)


@pytest.mark.parametrize(
    'classes', [2, pytest.param(12, marks=pytest.mark.slow)]
)
def test_a_segmenter_learns_own_masks(registered, tmp_path, classes):
    given = masked(tmp_path / 'one', classes, '_mask', count=4)
    short = ['--cfg-options', 'train_cfg.max_iters=2']
    work = tmp_path / 'work'
    (record,) = transferred(
        'mini_seg_fcn', given, work, '--visualize', '1', *short
    )
    assert record['task'] == 'custom:mine/mini_seg_fcn'
    assert record['data']['name'] == 'custom:mine'
    assert record['data']['images'] == 4
    assert 0 <= record['metrics']['mIoU'] <= 100
    assert list(work.glob('*/predictions.png'))


@pytest.mark.slow
def test_a_probe_reads_own_masks_once(registered, tmp_path, capsys):
    given = masked(tmp_path / 'one', 3, count=6)
    work = tmp_path / 'work'
    (record,) = transferred('mini_knnseg', given, work)
    assert record['metrics']['mIoU'] > 50  # grey levels are the classes
    capsys.readouterr()
    transferred('mini_knnseg', given, work)
    assert '(done before)' in capsys.readouterr().out


@pytest.mark.slow
def test_own_data_score_as_the_protocol_does(registered, mini_root, tmp_path):
    """The embedded sets, as own data: the same number, digit by digit."""
    devkit = mini_root / 'VOCdevkit/VOC2012'
    lists = [
        str(devkit / f'ImageSets/Segmentation/{split}.txt')
        for split in ('train', 'val')
    ]
    (tmp_path / 'classes.txt').write_text('\n'.join(SEG_CLASSES))
    given = dict(
        mini_knnseg=[
            [
                str(devkit / 'JPEGImages'),
                str(devkit / 'SegmentationClass'),
                one,
            ]
            for one in lists
        ]
        + [str(tmp_path / 'classes.txt')],
        mini_knn=[
            [str(mini_root / 'imagenet' / split)] for split in ('train', 'val')
        ],
    )
    for task, words in given.items():
        (own,) = transferred(task, words, tmp_path / task)
        command = ['transfer', 'random', '--arch', 'resnet18-w16', '--tasks']
        command += [task, '--work-dir', str(tmp_path / 'protocol' / task)]
        assert main([*command, '--data-root', str(mini_root)]) == 0
        (path,) = (tmp_path / 'protocol' / task).glob('*/result.json')
        assert read_records([path])[0]['metrics'] == own['metrics']


@pytest.mark.slow
def test_moved_data_are_the_same_run(registered, tmp_path, capsys):
    work = tmp_path / 'work'
    transferred('mini_knn', folders(tmp_path / 'one'), work)
    capsys.readouterr()
    (tmp_path / 'one').rename(tmp_path / 'two')
    transferred('mini_knn', paths(tmp_path / 'two'), work)
    assert '(done before)' in capsys.readouterr().out


@pytest.mark.slow
def test_a_part_of_own_class_folders(registered, tmp_path):
    given = folders(tmp_path / 'one', 3, count=6)
    work = tmp_path / 'work'
    transferred('mini_knn', given, work, '--fraction', '0.5')
    (record,) = read_records(sorted(work.glob('*/result.json')))
    assert record['data']['images'] == 9
    assert 'k is 9, all training images, and not 20' in record['changes']
    assert record['metrics']['top1_k5'] > 60


@pytest.mark.slow
def test_a_linear_head_for_own_classes(registered, tmp_path):
    given = folders(tmp_path / 'one', 3, count=4)
    short = ['--cfg-options', 'train_cfg.max_epochs=1']
    (record,) = transferred('mini_linear', given, tmp_path / 'work', *short)
    assert [*record['metrics']] == ['top1']
