"""A record says what its run did otherwise than the protocol."""

import pytest

from ssl_bench.tasks.datasets import DATASETS, Dataset
from ssl_bench.tasks.fingerprint import other_data
from ssl_bench.tasks.layouts import FolderLayout
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task

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


def test_the_record_carries_them(registered, source, mini_root, tmp_path):
    record = run_task(
        source, 'mini_knn', 0, tmp_path, str(mini_root), {'probe.headline': 5}
    ).record
    assert record['departures'] == ['probe.headline=5']
    record = run_task(source, 'mini_knn', 0, tmp_path, str(mini_root)).record
    assert record['departures'] == []
