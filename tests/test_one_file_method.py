"""A new method is one file and one config, and nothing else.

The file goes into a copy of ``ssl_bench/methods``, the config into a folder
outside of it. The commands then pretrain, transfer, list and compare it.
"""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssl_bench.config import config_dir

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

METHOD = '''"""Mean match: two views have one mean feature."""

from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS

from ssl_bench.layers.precision import unit


@MODELS.register_module()
class MeanMatch(BaseSelfSupervisor):
    """Match the mean features of two views.

    Reference: A. Uthor, arXiv:1234.56789.
    Parity: none; this class is a test.
    """

    def loss(self, inputs, data_samples, **kwargs):
        """Two views, (B, 3, H, W) each, to the negative cosine."""
        a, b = (unit(self.backbone(x)[-1].mean((2, 3))) for x in inputs)
        return dict(loss=-(a * b).sum(1).mean())
'''

CONFIG = """# Mean match on the embedded images.
_base_ = '{configs}/_base_/default_runtime.py'
method = dict(name='Mean Match')
model = dict(
    type='MeanMatch',
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    data_preprocessor=dict(
        type='SelfSupDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3
    ),
)
train_dataloader = dict(
    batch_size=20,
    num_workers=0,
    sampler=dict(type='StreamSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PretrainDataset',
        data_root='data/mini/imagenet/train',
        pipeline=[
            dict(type='MakeViews', views=[dict(size=32, repeat=2)]),
            dict(type='PackViews'),
        ],
    ),
)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.05))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=1)]
train_cfg = dict(by_epoch=True, max_epochs=1)
auto_scale_lr = dict(base_batch_size=20)
"""

# each command as a user types it, in one process: imports take most time
COMMANDS = """
import sys
import torch
from ssl_bench.cli import main

torch.set_num_threads(1)
data, work = sys.argv[1:]
for words in (
    ['methods'],
    ['methods', 'mean_match'],
    ['pretrain', 'mean_match_r18_1e', '--work-dir', f'{work}/mean_match',
     '--cfg-options', f'train_dataloader.dataset.data_root={data}/imagenet/train'],
    ['methods', 'show', 'mean match'],
    ['transfer', f'{work}/mean_match/epoch_1.pth', '--tasks', 'mini_knn',
     '--data-root', data, '--work-dir', f'{work}/transfer'],
    ['leaderboard', f'{work}/transfer', '--published', 'none',
     '-o', f'{work}/board.csv'],
):
    print('$', *words, flush=True)
    code = main(words)
    assert code in (0, 3), (words, code)
"""


@pytest.fixture
def copy(tmp_path):
    """The package with one more file, and a folder with one config."""
    shutil.copytree(
        ROOT / 'ssl_bench',
        tmp_path / 'copy/ssl_bench',
        ignore=shutil.ignore_patterns('__pycache__'),
    )
    (tmp_path / 'copy/configs').symlink_to(config_dir())
    (tmp_path / 'copy/ssl_bench/methods/mean_match.py').write_text(METHOD)
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/mean_match_r18_1e.py').write_text(
        CONFIG.format(configs=config_dir())
    )
    return tmp_path


def test_one_file_and_one_config_make_a_method(copy, mini_root):
    work = copy / 'work'
    done = subprocess.run(
        [sys.executable, '-c', COMMANDS, str(mini_root), str(work)],
        cwd=copy,
        env=os.environ
        | {
            'PYTHONPATH': str(copy / 'copy'),
            'SSL_BENCH_CONFIGS': str(copy / 'mine'),
        },
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    listed, _, rest = done.stdout.partition('$ pretrain')
    assert 'Mean Match     Match the mean features of two views.' in listed
    assert str(copy / 'mine/mean_match_r18_1e.py') in listed
    shown = rest.partition('$ methods show')[2].partition('$ transfer')[0]
    assert 'batch 20; 1 epochs; SGD, lr 0.05' in shown
    assert '2 views of 32 px (area 0.2 to 1)' in shown
    with open(work / 'board.csv') as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row['method'], row['task'], row['metric'])
            == ('Mean Match', 'mini_knn', 'top1')
        ]
    assert len(rows) == 1
    assert 0 <= float(rows[0]['measured_mean']) <= 100
