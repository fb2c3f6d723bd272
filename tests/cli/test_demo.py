import argparse
import csv
from pathlib import Path

import pytest

from ssl_bench.cli import demo, main
from ssl_bench.config import config_dir, load_config
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


def option(words, name):
    return words[words.index(name) + 1]


def test_frozen_backbones_are_pretrained_and_random_ones_for_three_seeds():
    found = [command.words for command in commands('--backbones')]
    pretrained, random = [], []
    for words in found:
        if words[0] == 'pretrain':
            pretrained.append((Path(words[1]).stem, option(words, '--seed')))
            continue
        start, end = words.index('--tasks') + 1, words.index('--seeds')
        assert words[start:end] == demo.BACKBONE_TASKS
        assert '--visualize' not in words
        if words[1] == 'random':
            random.append((option(words, '--arch'), option(words, '--seeds')))
    seeds = [str(seed) for seed in demo.SEEDS]
    assert sorted(pretrained) == [
        (name, seed) for name in sorted(demo.CONFIGS) for seed in seeds
    ]
    assert set(random) == {
        (arch, seed)
        for arch in (demo.RESNET, demo.VIT, demo.CONVNEXT)
        for seed in seeds
    }
    assert len(found) == 2 * len(pretrained) + len(random)
    # a command for each task would import the toolkits for each
    assert len(commands('--backbones', '--quick')) == len(found) / 3
    seventh = commands('--backbones', '--seeds', '7', '--tasks', 'mini_spair')
    assert option(seventh[0].words, '--seed') == '7'
    assert all('mini_depth' not in command.words for command in seventh)


@pytest.mark.parametrize('name', demo.CONFIGS)
def test_a_shorter_pretraining_ends_its_rates_with_it(name):
    config, epochs = config_dir() / 'mini' / f'{name}.py', demo.EPOCHS[name]
    whole = load_config(config)
    short = load_config(config, demo._shorter(config, epochs))
    assert short.train_cfg.max_epochs == epochs < whole.train_cfg.max_epochs
    assert any(scheduler.by_epoch for scheduler in short.param_scheduler)
    for before, after in zip(whole.param_scheduler, short.param_scheduler):
        if not before.by_epoch:
            assert after == before  # a warm-up of some steps
            continue
        assert (after.T_max, after.end) == (epochs, epochs)
        assert after.type == before.type and after.begin == before.begin


def test_backbones_are_no_part_of_all(capsys):
    with pytest.raises(SystemExit):
        main(['demo', '--all', '--backbones'])
    assert 'not allowed with argument' in capsys.readouterr().err


@pytest.mark.parametrize(
    'words, folder',
    (
        ((), 'demo'),
        (('--quick',), 'demo_quick'),
        (('--backbones',), 'demo_backbones'),
        (('--backbones', '--quick'), 'demo_backbones_quick'),
    ),
)
def test_each_demo_has_a_folder_of_its_own(words, folder):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    args = parser.parse_args(words)
    assert demo._default_dir(args) == f'work_dirs/{folder}'


def test_jobs_are_at_least_one(capsys):
    with pytest.raises(SystemExit):
        main(['demo', '--jobs', '0'])
    assert '0 is not above 0' in capsys.readouterr().err
