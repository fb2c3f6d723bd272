"""A record says what its run did otherwise than the protocol."""

import shutil
from datetime import datetime, timezone

import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import DATASETS, Dataset
from ssl_bench.tasks.fingerprint import data_name, other_data
from ssl_bench.tasks.layouts import FolderLayout
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.record import Measured, make_record
from ssl_bench.transfer.run import Request, identify, run_task

pytestmark = pytest.mark.slow


def test_options_and_fractions_depart(source):
    plan = make_plan(
        'voc0712_det_c4',
        source.arch_args,
        overrides={'train_cfg.max_iters': 10},
        fraction=0.5,
    )
    assert plan.departures == [
        'train_cfg.max_iters=10',
        '0.5 of the training images, drawn with '
        'seed 0; the schedule is that of the whole',
    ]
    # what fits the machine does not: the images seen stay the protocol's
    plan = make_plan('voc0712_det_c4', source.arch_args, processes=2)
    assert plan.changes and plan.departures == []
    assert make_plan('coco_mrcnn_fpn_1x', recipe='insloc').departures == []


def test_other_data_depart(mini_root):
    found = other_data(DATASETS['voc0712'], str(mini_root))
    assert found[0] == (
        'VOCdevkit/VOC2007/ImageSets/Main/trainval.txt has '
        "24 entries, the protocol's 5011"
    )
    assert len(found) == 3
    assert (
        "imagenet/train has 40 images, the protocol's 1281167"
        in other_data(DATASETS['imagenet'], str(mini_root))
    )
    assert other_data(DATASETS['mini_voc'], str(mini_root)) == []
    exact = Dataset(
        title='exact',
        test=(FolderLayout(folder='imagenet/train', classes=8, count=40),),
    )
    assert other_data(exact, str(mini_root)) == []


def record_of(source, task, root, overrides=None):
    """The record of a run of four images, without running it."""
    plan, _ = identify(
        Request(source, task, data_root=root, overrides=overrides)
    )
    return make_record(
        plan,
        source,
        0,
        'run',
        Measured({'top1': 1.0}, images=4),
        datetime.now(timezone.utc),
        root,
    )


@pytest.mark.parametrize(
    'task, loader, folder',
    [
        ('mini_voc_det_c4', 'train_dataloader', 'VOCdevkit'),
        ('mini_seg_fcn', 'train_dataloader', 'VOCdevkit/VOC2012'),
        ('in1k_linear', 'train_dataloader', 'imagenet/train'),
        ('in1k_knn', 'test_dataloader', 'imagenet/val'),
    ],
)
def test_own_images_are_named_as_such(
    source, mini_root, tmp_path, task, loader, folder
):
    """Detection, segmentation, classification, probes: what was read."""
    mine = tmp_path / 'mine'
    shutil.copytree(mini_root / folder, mine)
    dataset = make_plan(task).config[loader].dataset
    inner = 'datasets.0.' if 'datasets' in dataset else ''
    key = f'{loader}.dataset.{inner}data_root'
    record = record_of(source, task, str(mini_root), {key: str(mine)})
    assert record['data']['name'].startswith(f'custom: {mine}')
    assert record['data']['name'].endswith('(4 images)')
    assert f'{key}={mine}' in record['departures']
    assert any('is read, which is not' in t for t in record['departures'])
    whole = record_of(source, task, str(mini_root))
    assert whole['data']['fingerprint'] != record['data']['fingerprint']


def test_a_root_with_other_images_has_not_the_name_of_the_set(
    source, mini_root, tmp_path
):
    root = str(mini_root)
    record = record_of(source, 'in1k_linear', root)
    assert record['data']['name'] == f'custom: {root} (4 images)'
    assert any(
        'imagenet/train has other classes' in text
        for text in record['departures']
    )
    assert record_of(source, 'mini_knn', root)['departures'] == []
    shutil.copytree(mini_root / 'imagenet', tmp_path / 'imagenet')
    record = record_of(source, 'mini_knn', str(tmp_path))
    assert record['data']['name'] == f'custom: {tmp_path} (4 images)'
    assert record['departures'] == [
        f'{tmp_path} was not written by `ssl-bench data mini`'
    ]


@pytest.mark.parametrize('text', ['[1', '{"sizes": 3}', '{}'])
def test_embedded_data_are_those_of_their_manifest(mini_root, tmp_path, text):
    """Its presence used to be enough, with any images."""
    root = tmp_path / 'mini'
    shutil.copytree(mini_root, root)
    data = find_task('mini_knn').data
    assert other_data(data, str(root)) == []
    images = sorted((root / 'imagenet/train').glob('*/*'))
    shutil.copy(images[0], images[0].with_name('mine.jpg'))
    other_data.cache_clear()
    assert other_data(data, str(root)) == [
        f"imagenet/train has {len(images) + 1} images, the protocol's "
        f'{len(images)}'
    ]
    shutil.move(images[0].with_name('mine.jpg'), images[0])
    with Image.open(images[0]) as image:
        image.save(images[0])  # as many files, another picture
    other_data.cache_clear()
    assert other_data(data, str(root)) == [
        f'{root} has other files than `ssl-bench data mini` wrote'
    ]
    assert data_name(data, str(root), [], 4) == f'custom: {root} (4 images)'
    (root / 'mini.json').write_text(text)
    other_data.cache_clear()
    assert other_data(data, str(root)) in (
        [f'{root} was not written by `ssl-bench data mini`'],
    )


@pytest.mark.parametrize(
    'task, name',
    [
        ('mini_voc_det_c4', 'VOCdevkit/VOC2007/ImageSets/Main/trainval.txt'),
        ('mini_coco_mrcnn_fpn', 'coco/annotations/instances_train2017.json'),
        ('mini_semi10', 'imagenet/meta/semi10.txt'),
    ],
)
def test_a_list_that_cannot_be_read_is_one_line(
    registered, source, mini_root, tmp_path, task, name
):
    root = tmp_path / 'data'
    shutil.copytree(mini_root, root)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(b'\xff\xfen\x00')  # saved as UTF-16
    with pytest.raises(UserError, match=f'{name} cannot be read'):
        run_task(source, task, 0, tmp_path / 'work', str(root))


def test_the_record_carries_them(registered, source, mini_root, tmp_path):
    record = run_task(
        source, 'mini_knn', 0, tmp_path, str(mini_root), {'probe.headline': 5}
    ).record
    assert record['departures'] == ['probe.headline=5']
    record = run_task(source, 'mini_knn', 0, tmp_path, str(mini_root)).record
    assert record['departures'] == []


def test_features_of_other_data_are_not_read_again(
    registered, source, mini_root, tmp_path
):
    """A probe's cache is of the data that its loaders read."""
    first = run_task(source, 'mini_knn', 0, tmp_path / 'w', str(mini_root))
    other = tmp_path / 'other'
    shutil.copytree(mini_root / 'imagenet', other)
    images = sorted((other / 'val').rglob('*.jpg'))
    for image in images[1:]:  # all images alike: no neighbour is nearer
        shutil.copy(images[0], image)
    key = 'test_dataloader.dataset.data_root'
    given = source, 'mini_knn', 0, tmp_path / 'w', str(mini_root)
    second = run_task(*given, {key: str(other / 'val')})
    assert second.record['metrics'] != first.record['metrics']
    assert f'{key}={other / "val"}' in second.record['departures']
    with pytest.raises(UserError, match='nowhere, which is not there'):
        run_task(*given, {key: str(tmp_path / 'nowhere')})
