"""tools/dist_train.sh on two CPU processes against one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROBE = '''
import os
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch.nn.modules.batchnorm import _BatchNorm


@HOOKS.register_module()
class Probe(Hook):
    """Batch norm in evaluation mode; what each rank computed, to a file."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for module in runner.model.modules():
            if isinstance(module, _BatchNorm):
                module.eval()

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        if runner.iter == 0:
            self.loss = float(outputs['loss'])

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        torch.save(dict(
            loss=self.loss, queue=model.queue.state_dict(),
            key=model.key_encoder.state_dict(),
            query=model.backbone.state_dict()),
            os.path.join(runner.work_dir, f'rank{get_rank()}.pth'))
'''
CONFIG = """
_base_ = '{root}/configs/mini/insloc_r18_fpn.py'
custom_imports = dict(
    imports=['ssl_bench.methods', 'ssl_bench.data.transforms',
             'ssl_bench.engine', 'probe'], allow_failed_imports=False)
model = dict(queue_length=16)
train_dataloader = dict(batch_size={batch}, num_workers=0,
                        persistent_workers=False,
                        dataset=dict(data_root='{images}'))
train_cfg = dict(max_epochs=1)
custom_hooks = [dict(type='Probe')]
"""


def launch(folder, images, batch, processes, port=29511):
    """Train one epoch through the script; what each rank saved."""
    folder.mkdir()
    (folder / 'probe.py').write_text(PROBE)
    config = folder / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, batch=batch, images=images))
    environment = dict(
        os.environ,
        PORT=str(port),
        PYTHON=sys.executable,
        PYTHONPATH=os.pathsep.join(
            [str(folder), str(ROOT), os.environ.get('PYTHONPATH', '')]
        ),
    )
    done = subprocess.run(
        [
            'bash',
            str(ROOT / 'tools/dist_train.sh'),
            str(config),
            str(processes),
            '--work-dir',
            str(folder / 'run'),
            '--data',
            str(images),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count(f'{images}: 12 images (12 .jpg), 0 broken') == 1
    return [
        torch.load(folder / f'run/rank{rank}.pth') for rank in range(processes)
    ]


def test_two_processes_agree_and_equal_one(tmp_path, image_folder):
    port = 29500 + os.getpid() % 400
    two = launch(tmp_path / 'two', image_folder, 4, 2, port)
    for part in ('queue', 'key', 'query'):
        assert two[0][part].keys() == two[1][part].keys()
        for name, value in two[0][part].items():
            assert torch.equal(value, two[1][part][name]), (part, name)
    (one,) = launch(tmp_path / 'one', image_folder, 8, 1, port)
    mean = (two[0]['loss'] + two[1]['loss']) / 2
    assert two[0]['loss'] != two[1]['loss']
    assert one['loss'] == pytest.approx(mean, rel=1e-5)
    # and after two steps the weights have stayed together
    for name, value in one['query'].items():
        torch.testing.assert_close(
            value, two[0]['query'][name], rtol=1e-3, atol=1e-4
        )


def test_usage(tmp_path):
    done = subprocess.run(
        ['bash', str(ROOT / 'tools/dist_train.sh')],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and 'usage' in done.stderr
