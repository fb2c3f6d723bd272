"""An installed package, and files of a user's own in the current folder.

What `pip` would install is put into a folder. The commands run from another
one, without the current folder in Python's path, as the installed command
does, and with a home that cannot be written.
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssl_bench import files
from ssl_bench.cli import main
from tests.test_one_file_method import CONFIG, METHOD

ROOT = Path(__file__).parents[1]

# each as a user types it, in one process: imports take most time
COMMANDS = """
import sys
import torch
import ssl_bench
from ssl_bench.cli import main
from ssl_bench.config import config_dir

torch.set_num_threads(1)
data, place = sys.argv[1:]
assert str(config_dir()) == f'{place}/ssl_bench/configs', config_dir()
checkpoint = 'work_dirs/mean_match_r18_1e/epoch_1.pth'
own = ['--train-data', f'{data}/imagenet/train',
       '--val-data', f'{data}/imagenet/val', '--data-name', 'shapes']
for words in (
    ['methods', 'mean_match_r18_1e.py'],
    ['pretrain', 'mean_match_r18_1e.py', '--cfg-options',
     'train_dataloader.num_workers=1',
     f'train_dataloader.dataset.data_root={data}/imagenet/train'],
    ['tasks', 'my_task.py'],
    ['transfer', checkpoint, '--tasks', 'my_task.py', *own],
    ['run', 'suite.yaml', '--data-root', data, '--dry-run'],
    ['leaderboard', '-o', 'board.csv'],
):
    print('$', *words, flush=True)
    code = main(words)
    assert code in (0, 3), (words, code)
"""


@pytest.mark.slow
def test_files_of_a_user_work_with_an_installed_package(tmp_path, mini_root):
    place, here = tmp_path / 'installed', tmp_path / 'here'
    build = ['setup.py', '-q', 'build_py', '--build-lib', str(place)]
    subprocess.run(
        [sys.executable, *build], cwd=ROOT, check=True, capture_output=True
    )
    here.mkdir()
    (here / 'mean_match.py').write_text(METHOD)
    (here / 'mean_match_r18_1e.py').write_text(
        CONFIG.replace('{configs}/', 'ssl_bench::')
        + "custom_imports = dict(imports=['mean_match'])\n"
    )
    (here / 'my_task.py').write_text(
        "_base_ = ['ssl_bench::transfer/mini_knn.py']\n"
        "TASK = dict(title='My kNN')\n"
    )
    (here / 'suite.yaml').write_text(
        'methods: [mean_match_r18_1e.py]\ntasks: [my_task.py]\n'
    )
    done = subprocess.run(
        [sys.executable, '-P', '-c', COMMANDS, str(mini_root), str(place)],
        cwd=here,
        env=os.environ | {'PYTHONPATH': str(place), 'HOME': os.devnull},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert 'Match the mean features of two views.' in done.stdout
    assert f'--tasks {here.resolve() / "my_task.py"} ' in done.stdout
    [path] = here.glob('work_dirs/transfer/*/result.json')
    record = json.loads(path.read_text())
    assert record['task'] == 'custom:shapes/my_task'
    assert record['task_facts']['title'] == 'shapes: My kNN'
    with open(here / 'board.csv') as file:
        rows = {(row['method'], row['task']) for row in csv.DictReader(file)}
    assert ('Mean Match', 'custom:shapes/my_task') in rows


@pytest.mark.parametrize(
    'words',
    [
        ['pretrain', 'configs/mini/mocov2_r18.py'],
        [
            'transfer',
            'random',
            '--arch',
            'resnet18-w16',
            '--tasks',
            'mini_knn',
        ],
        ['run', 'mini'],
    ],
    ids=lambda words: words[0],
)
def test_a_folder_that_cannot_be_written_is_one_line_at_once(
    words, tmp_path, monkeypatch, capsys, mini_root
):
    """Before a toolkit is imported, a checkpoint read or a run planned."""
    monkeypatch.setattr(files.os, 'access', lambda path, mode: False)
    monkeypatch.setattr(
        'ssl_bench.register_all_modules', lambda: pytest.fail('too late')
    )
    words = [*words, '--work-dir', str(tmp_path / 'closed')]
    if words[0] != 'pretrain':
        words += ['--data-root', str(mini_root)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert f'cannot write {tmp_path / "closed"}: no permission' in said
    assert not (tmp_path / 'closed').exists()
