"""The files that pages show work in a folder of the reader's own."""

import os
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks


def shown(page, line):
    """The Python block of a page that has a line."""
    found = [
        block.text
        for block in blocks(ROOT / page)
        if block.language == 'python' and line in block.text.splitlines()
    ]
    return found[-1]


def ssl_bench(folder, *words):
    """What a command prints there, of somebody who has the package only."""
    done = subprocess.run(
        [sys.executable, '-m', 'ssl_bench', *words],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_own_method_is_pretrained(tmp_path, mini_root):
    page = 'docs/add_a_method.md'
    for name in ('mine', 'mine_r18'):
        text = shown(page, f'# {name}.py')
        (tmp_path / f'{name}.py').write_text(text)
    assert 'Mine (class Mine)' in ssl_bench(
        tmp_path, 'methods', 'show', 'mine_r18.py'
    )
    ssl_bench(
        tmp_path,
        'pretrain',
        'mine_r18.py',
        '--data',
        str(mini_root / 'imagenet/train'),
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_dataloader.batch_size=16',
    )
    assert (tmp_path / 'work_dirs/mine_r18/epoch_1.pth').is_file()
