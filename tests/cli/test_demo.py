"""The demo: what it runs, what it prints, and how it ends."""

import argparse
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssl_bench.cli import demo, main
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError
from ssl_bench.launch.commands import name_of
from ssl_bench.launch.costs import SECONDS
from ssl_bench.launch.plan import plan_suite
from ssl_bench.launch.suite import read_suite
from ssl_bench.results import first_look
from ssl_bench.results.verdicts import TRIAL
from ssl_bench.tasks.table import find_task

pytestmark = pytest.mark.slow

METHODS = {'Random init', 'MoCo v2', 'InsLoc'}
METRICS = {
    'mini_coco_mrcnn_fpn': 'segm_AP',
    'mini_seg_fcn': 'mIoU',
    'mini_depth': 'RMSE',
    'mini_incontext': 'mIoU',
    'mini_linseg': 'mIoU',
    'mini_knn': 'top1',
}


def suite_of(*words):
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    return demo.suite_of(parser.parse_args(words))


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
    assert measured >= {
        (method, task, metric)
        for method in METHODS
        for task, metric in METRICS.items()
    }
    page = (tmp_path / 'demo/leaderboard.html').read_text()
    assert 'These are trial runs (trial=True)' in page
    records = [*(tmp_path / 'demo').glob('*/result.json')]
    assert len(records) == 18
    for path in records:
        assert TRIAL in json.loads(path.read_text())['departures']
    # what the steps printed is in files: data, 2 pretrainings, 18 transfers
    assert len(list((tmp_path / 'demo/logs').glob('*.log'))) == 21
    first = capsys.readouterr()
    assert 'Their numbers mean nothing.' in first.out
    assert first.out.count('MoCo v2') < 6 and '$ ssl-bench' not in first.out
    end = first.out.splitlines()
    page_line = f'open {tmp_path}/demo/leaderboard.html'
    assert page_line in end
    assert end[end.index(page_line) + 1 :] == demo.NEXT.splitlines()
    assert len(end) <= 40
    assert len(first.err.splitlines()) <= 2 + 40  # a line each half minute

    assert main(words) == 0
    second = capsys.readouterr()
    assert second.out == first.out


def test_it_is_the_suite_mini_with_few_options():
    suite, own = (
        suite_of('--data-root', 'x', '--jobs', '3'),
        read_suite('mini'),
    )
    assert suite.methods == own.methods and suite.tasks == own.tasks
    assert suite.seeds == own.seeds == (0, 1, 2)
    assert suite.task_seeds == own.task_seeds and not suite.overrides
    assert (suite.data_root, suite.launch.jobs) == ('x', 3)
    assert suite.work_dir == 'work_dirs/demo'
    assert suite_of('--quick').work_dir == 'work_dirs/demo_quick'
    assert {method.name or method.config for method in own.methods} == {
        '',
        'mini/short/insloc_r18_fpn_15e.py',
        'mini/short/mocov2_r18_10e.py',
    }


def test_frozen_tasks_have_three_seeds_and_fine_tuned_ones_one():
    suite = read_suite('mini')
    for task in suite.tasks:
        frozen = find_task(task).toolbox == 'probe' or 'frozen' in str(
            load_config(f'transfer/{task}').get('train', '')
        )
        alone = task in ('mini_coco_mrcnn_fpn', 'mini_seg_fcn')
        assert len(suite.seeds_of(task)) == (1 if alone else 3)
        assert not (frozen and alone)


def test_every_step_has_a_title_and_a_known_length():
    plan = plan_suite(suite_of('--work-dir', 'nowhere'))
    titles = [command.title for command in plan.commands]
    assert len({*titles}) == len(titles) == 6 + 36 + 6
    assert 'pretrain InsLoc (FPN), seed 2' in titles
    assert 'transfer Random init to mini_knn, seed 1' in titles
    assert all(command.seconds for command in plan.commands)
    known = {
        Path(m.config).stem for m in read_suite('mini').methods if m.config
    }
    assert {*SECONDS} == known | {*read_suite('mini').tasks}


def test_a_quick_step_is_known_to_be_short(tmp_path):
    """The first line of a new folder has no half an hour left."""
    data, *others = demo.with_data(
        suite_of('--quick', '--data-root', str(tmp_path / 'new'))
    ).commands
    assert data.title == 'make the images' and data.seconds == 20
    assert len(others) == 2 + 3 * 6
    assert {command.seconds for command in others} == {demo.QUICK_SECONDS}


@pytest.mark.parametrize(
    'path', sorted((config_dir() / 'mini/short').glob('*.py'))
)
def test_a_shorter_pretraining_ends_its_rates_with_it(path):
    name, _, epochs = path.stem.rpartition('_')
    short = load_config(path)
    whole = load_config(config_dir() / 'mini' / f'{name}.py')
    epochs = int(epochs.removesuffix('e'))
    assert short.train_cfg.max_epochs == epochs < whole.train_cfg.max_epochs
    assert short.model == whole.model and short.method == whole.method
    assert any(scheduler.by_epoch for scheduler in short.param_scheduler)
    for before, after in zip(whole.param_scheduler, short.param_scheduler):
        if not before.by_epoch:
            assert after == before  # a warm-up of some steps
            continue
        assert (after.T_max, after.end) == (epochs, epochs)
        assert after.type == before.type and after.begin == before.begin


def test_the_suite_of_all_has_every_mini_config():
    suite = read_suite('mini_all')
    configs = {Path(m.config).stem for m in suite.methods if m.config}
    named = [name_of(suite, method) for method in suite.methods]
    assert len({*named}) == len(named) and 'InsLoc (FPN)' in named
    assert 'Random init [vit_d96_l4_h3_patch8]' in named
    assert configs == {
        path.stem for path in (config_dir() / 'mini').glob('*.py')
    }
    vits = [m for m in suite.methods if m.tasks]
    assert ['vit' in (m.config + m.arch) for m in vits] == [True, True]


def test_what_comes_next_exists():
    words = demo.NEXT.split()
    config = words[words.index('pretrain') + 1]
    assert load_config(config).train_cfg.max_epochs == 200
    assert f'work_dirs/{config.removesuffix(".py")}/epoch_200.pth' in words
    find_task(words[words.index('--tasks') + 1])


def test_jobs_are_at_least_one(capsys):
    with pytest.raises(SystemExit):
        main(['demo', '--jobs', '0'])
    assert '0 is not above 0' in capsys.readouterr().err


@pytest.mark.parametrize('more', [[], ['--wait']])
def test_a_folder_in_use_is_refused_or_waited_for(
    tmp_path, monkeypatch, capsys, more
):
    """The message of a folder in use names --wait."""

    def hold(folder, wait=False):
        raise UserError(f'wait: {wait}')

    monkeypatch.setattr('ssl_bench.run_folder.hold', hold)
    monkeypatch.chdir(tmp_path)
    assert main(['demo', *more]) == 2
    assert f'wait: {bool(more)}' in capsys.readouterr().err


def test_a_folder_that_is_something_else_is_one_line(tmp_path, capsys):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/file').write_text('')
    words = ['--data-root', str(tmp_path / 'mine')]
    work = ['--work-dir', str(tmp_path / 'work')]
    assert main(['demo', *words, *work]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and 'is not the embedded data' in error
    assert main(['demo', '--data-root', str(tmp_path / 'mine/file/x')]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and 'is a file, not a folder' in error


def test_ctrl_c_ends_it_in_one_line_and_the_command_goes_on(tmp_path):
    words = ['demo', '--quick', '--work-dir', str(tmp_path / 'demo')]
    words += ['--data-root', str(tmp_path / 'mini')]
    process = subprocess.Popen(
        [sys.executable, '-m', 'ssl_bench', *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        # a shell's background job would ignore it
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / 'demo').glob('logs/*.log')):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 130 and not out
    assert error.startswith('ssl-bench demo: stopped by Ctrl-C: of 21 ')
    assert error.endswith('The same command continues.\n')
    assert error.count('\n') == 1


def test_a_step_that_fails_is_told_in_a_few_lines(
    tmp_path, capsys, monkeypatch
):
    broken = {**demo.QUICK_PRETRAIN, 'train_dataloader.dataset.indices': 0}
    monkeypatch.setattr(demo, 'QUICK_PRETRAIN', broken)
    words = ['--data-root', str(tmp_path / 'mini')]
    words += ['--work-dir', str(tmp_path / 'demo'), '--quick']
    assert main(['demo', *words]) == 2
    error = capsys.readouterr().err
    log = tmp_path / 'demo/logs/pretrain-insloc-fpn-seed-0.log'
    assert f'failed; {log} ends with:' in error or 'moco' in error
    assert len(error.splitlines()) <= 20
    assert 'did not start' in error.splitlines()[-1]


def test_the_screen_fits(monkeypatch):
    from tests.results.test_verdicts import board_of

    board = board_of(
        {'InsLoc': [50.0, 51.0, 52.0], 'Random init': [30.0, 31.0, 32.1]},
        baseline='Random init',
    )
    from rich.console import Console

    console = Console(width=80, record=True, file=io.StringIO())
    console.print(first_look.first_look(board, 80))
    text = console.export_text()
    assert '51.0 +' in text and '[48.5, 53.5]' in text
    assert 'better by 20.0 [19.8, 20.1], n=3' in text
    assert all(len(line) <= 80 for line in text.splitlines())
