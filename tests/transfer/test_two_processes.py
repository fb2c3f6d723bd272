"""Every task on two CPU processes, two iterations each."""

import pytest

from ssl_bench.config import load_config
from ssl_bench.tasks.table import task_config, tasks
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone, tiny_vit
from tests.processes import run_in_processes, under_torchrun

pytestmark = pytest.mark.slow

# what tests a classifier comes after the task that trains it
NAMES = sorted(
    (name for name in tasks() if name.startswith('mini_')),
    key=lambda name: bool(tasks()[name].trained_by),
)
FOR_VIT = (
    'mini_coco_vitdet',
    'mini_lvis_vitdet',
    'mini_seg_upernet',
    'mini_finetune',
    'mini_fewshot10',
    'mini_in_a',
    'mini_in_r',
    'mini_in_sketch',
    'mini_in_c',
)
LEFT_OUT = ('mini_in_r', 'mini_in_sketch')  # as mini_in_a, other folders
PROCESSES = 2


def options_of(name):
    """Two iterations, an image per process and iteration where trained."""
    task = tasks()[name]
    if name == 'mini_voc07_svm':
        return {'probe.costs': [1.0], 'probe.folds': 2}
    if task.toolbox == 'probe':
        return {}
    if 'max_epochs' in load_config(task_config(name)).train_cfg:
        return {'train_cfg.max_epochs': 1}  # 40 images, 20 a process
    each = 2 if name == 'mini_depth' else 1  # its loss takes pairs of images
    options = {
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': each,
        'auto_scale_lr.base_batch_size': 2 * each,
    }
    if name in ('mini_voc_det_c4', 'mini_coco_mrcnn_fpn'):
        options['custom_hooks.TrainingPreciseBNHook.num_iters'] = 1
    return options


def source_of(name):
    """A thin backbone of the family that the task takes."""
    backbone = tiny_vit()[1] if name in FOR_VIT else thin_backbone()
    return Source(backbone, backbone.arch, backbone.meta['arch_args'])


def transfer(rank, names, root, work_dir, processes):
    """Metrics and changes of every task."""
    under_torchrun(rank, processes)
    found = {}
    for name in names:
        record = run_task(
            source_of(name), name, 0, work_dir, root, options_of(name)
        ).record
        found[name] = dict(
            metrics=record['metrics'],
            changes=record['changes'],
            world=record['hardware']['world_size'],
        )
    return found


@pytest.fixture(scope='module')
def ranks(registered, mini_root, tmp_path_factory):
    names = [name for name in NAMES if name not in LEFT_OUT]
    # a task that tests a classifier comes after the one that trains it
    names.sort(key=lambda name: bool(tasks()[name].trained_by))
    return run_in_processes(
        transfer,
        PROCESSES,
        names,
        str(mini_root),
        str(tmp_path_factory.mktemp('two')),
        PROCESSES,
    )


@pytest.mark.parametrize('name', [n for n in NAMES if n not in LEFT_OUT])
def test_every_task_runs_on_two_processes(ranks, name):
    first, second = (rank[name] for rank in ranks)
    assert first['world'] == 2 and first['metrics']
    assert first['metrics'] == second['metrics']
    if name in ('mini_coco_mrcnn_fpn', 'mini_seg_fcn'):
        assert (
            "SyncBN is ssl_bench's GlobalBN: CPU processes" in first['changes']
        )
    if name == 'mini_voc_det_c4':  # its naive form runs anywhere
        assert not any('SyncBN' in change for change in first['changes'])


@pytest.mark.parametrize(
    'name', [name for name in NAMES if tasks()[name].toolbox == 'probe']
)
def test_probes_give_the_same_number_on_one_and_two_processes(
    ranks, mini_root, tmp_path, name
):
    alone = run_task(
        source_of(name), name, 0, tmp_path, str(mini_root), options_of(name)
    ).record
    assert ranks[0][name]['metrics'] == alone['metrics']
    home = tmp_path / 'features'
    assert home.is_dir() and not list(home.glob('.*'))
