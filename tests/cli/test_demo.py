import argparse
import csv
from pathlib import Path

import pytest

from ssl_bench.cli import demo, main
from ssl_bench.config import config_dir
from ssl_bench.launch.plan import plan_suite

pytestmark = pytest.mark.slow

METHODS = {'Random init', 'MoCo v2', 'InsLoc'}
TASKS = {
    'mini_voc_det_c4': 'bbox_AP50',
    'mini_coco_mrcnn_fpn': 'segm_AP',
    'mini_seg_fcn': 'mIoU',
    'mini_knn': 'top1',
}


def test_quick_demo_runs_the_chain_once(tmp_path, capsys):
    words = [
        'demo',
        '--quick',
        '--data-root',
        str(tmp_path / 'mini'),
        '--work-dir',
        str(tmp_path / 'demo'),
    ]
    assert main(words) == 0
    with open(tmp_path / 'demo/leaderboard.csv') as file:
        rows = list(csv.DictReader(file))
    measured = {
        (row['method'], row['task'], row['metric'])
        for row in rows
        if row['measured_mean']
    }
    for method in METHODS:
        for task, metric in TASKS.items():
            assert (method, task, metric) in measured
    assert (tmp_path / 'demo/leaderboard.html').stat().st_size > 100_000
    assert (tmp_path / 'demo/views_insloc_r18_fpn.png').is_file()
    assert len(list((tmp_path / 'demo').glob('*/predictions.png'))) == 9
    first = capsys.readouterr().out
    assert 'records are there' not in first
    assert '$ ssl-bench pretrain' in first

    assert main(words) == 0
    second = capsys.readouterr().out
    assert '12 records are there, 0 missing' in second
    assert '$ ssl-bench pretrain' not in second
    assert '$ ssl-bench transfer' not in second


def commands(*words):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    args = parser.parse_args(words)
    return plan_suite(demo._suite(args, Path('nowhere'))).commands


def test_a_vit_has_tasks_and_a_control_that_suit_it():
    found = [command.words for command in commands('--all')]
    pretrained = {
        Path(words[1]).stem for words in found if words[0] == 'pretrain'
    }
    assert pretrained == {
        path.stem for path in (config_dir() / 'mini').glob('*.py')
    }
    assert all(
        'mini_seg_upernet' not in words
        or 'siamese_im' in words[1]
        or demo.VIT in words
        for words in found
    )
    vits = [
        words[words.index('--tasks') + 1]
        for words in found
        if demo.VIT in words
        or words[0] == 'transfer'
        and 'siamese_im' in words[1]
    ]
    assert vits == 2 * ['mini_coco_vitdet', 'mini_seg_upernet', 'mini_knn']


def test_transfers_wait_for_their_pretraining():
    found = commands('--tasks', 'mini_knn', '--seeds', '0', '1')
    for command in found:
        if command.words[0] == 'pretrain' or command.words[1] == 'random':
            assert command.after is None
        else:
            before = found[command.after].words
            assert command.words[1].startswith(
                before[before.index('--work-dir') + 1]
            )


def test_jobs_are_at_least_one(capsys):
    with pytest.raises(SystemExit):
        main(['demo', '--jobs', '0'])
    assert '0 is not above 0' in capsys.readouterr().err
