"""Candidates of the Tab key, asked for as a shell asks."""

import os
import subprocess
import sys

import pytest

from ssl_bench.cli import SUBCOMMANDS
from ssl_bench.cli.completion import task_names
from ssl_bench.config import config_dir
from ssl_bench.tasks.table import tasks

HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'numpy', 'matplotlib'}
# the process of a press of the key, with what it has imported
CODE = """
import atexit, os, sys
from ssl_bench.cli import main

leave = os._exit
os._exit = lambda code: (
    print(*(HEAVY & set(sys.modules)), file=sys.stderr), leave(code)
)
main()
"""


@pytest.fixture
def complete(tmp_path):
    """Candidates for the end of a line."""

    def press(line):
        path = tmp_path / 'candidates'
        done = subprocess.run(
            [sys.executable, '-c', f'HEAVY = {HEAVY}\n{CODE}'],
            env={
                **os.environ,
                '_ARGCOMPLETE': '1',
                '_ARGCOMPLETE_IFS': '\n',
                '_ARGCOMPLETE_STDOUT_FILENAME': str(path),
                'COMP_LINE': line,
                'COMP_POINT': str(len(line)),
                'PYTHONPATH': str(config_dir().parent),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.strip() == '', f'imported: {done.stderr}'
        return path.read_text().split('\n')

    (tmp_path / 'mine.yaml').write_text('')
    (tmp_path / 'mine.pth').write_text('')
    return press


@pytest.mark.parametrize(
    'line, some',
    [
        ('ssl-bench ', {*SUBCOMMANDS}),
        ('ssl-bench tr', {'transfer '}),
        ('ssl-bench transfer --vis', {'--visualize '}),
        ('ssl-bench transfer random --tasks ', {'mini_knn', 'in1k_knn'}),
        ('ssl-bench transfer random --tasks mini_knn vo', {'voc07_svm'}),
        ('ssl-bench transfer pix', {'pixpro', 'pixcontrast'}),
        ('ssl-bench transfer m', {'mine.pth', 'mocov2'}),
        ('ssl-bench tasks mini_k', {'mini_knn', 'mini_knnseg'}),
        ('ssl-bench methods mo', {'mocov1', 'mocov2', 'mocov3'}),
        (
            'ssl-bench pretrain configs/mini/pixp',
            {'configs/mini/pixpro_r18.py '},
        ),
        ('ssl-bench run abl', {'ablations/insloc'}),
        ('ssl-bench run mine', {'mine.yaml'}),
        ('ssl-bench leaderboard x --paper ', {'insloc'}),
        ('ssl-bench convert a b --to ', {'timm', 'hf'}),
        ('ssl-bench data che', {'check', 'check-images'}),
        ('ssl-bench data check mini_k', {'mini_knn'}),
    ],
)
def test_names_are_completed_without_the_toolkits(complete, line, some):
    found = complete(line)
    assert some <= {*found} | {word.rstrip() for word in found}
    begun = line.split(' ')[-1]
    assert all(word.startswith(begun) for word in found)


def test_every_task_is_offered():
    assert task_names() == sorted(tasks())
