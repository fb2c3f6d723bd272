"""An interrupted transfer gives the numbers of one without a break."""

from pathlib import Path

import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.run_folder import newest_checkpoint
from ssl_bench.toolbox.hooks import CostHook
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone, tiny_vit
from tests.processes import run_in_processes, under_torchrun

pytestmark = pytest.mark.slow

ITERATIONS = {
    'train_cfg.max_iters': 5,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
    'default_hooks.checkpoint.interval': 1,
}
# a task of each toolbox; the last accumulates, with a half of an update done
# at the end of each epoch of five batches
OPTIONS = {
    'mini_voc_det_c4': {
        **ITERATIONS,
        'custom_hooks.TrainingPreciseBNHook.num_iters': 2,
    },
    'mini_seg_fcn': ITERATIONS,
    'mini_attentive': ITERATIONS,
    'mini_finetune': {
        'train_cfg.max_epochs': 3,
        'train_dataloader.batch_size': 8,
        'auto_scale_lr.base_batch_size': 16,
        'default_hooks.checkpoint.interval': 1,
    },
}
# after which iterations a run is killed
KILLS = {
    'mini_voc_det_c4': (1, 2, 4),
    'mini_seg_fcn': (2,),
    'mini_attentive': (2,),
    'mini_finetune': (7, 12),
}


class Killed(BaseException):
    """What ends a run as a signal does."""


def killed_after(iteration):
    """`CostHook.after_train_iter`, the last thing that a run does."""
    count = CostHook.after_train_iter

    def kill(self, runner, *args, **kwargs):
        count(self, runner, *args, **kwargs)
        if runner.iter == iteration:
            raise Killed

    return kill


def source_of(task):
    """A thin backbone of the family that the task takes."""
    backbone = tiny_vit()[1] if task == 'mini_finetune' else thin_backbone()
    return Source(backbone, backbone.arch, backbone.meta['arch_args'])


def kill(go, iterations):
    """Run and kill a task after these iterations, one after the other."""
    count = CostHook.after_train_iter
    for iteration in iterations:
        CostHook.after_train_iter = killed_after(iteration)
        try:
            with pytest.raises(Killed):
                run_task(*go)
        finally:
            CostHook.after_train_iter = count


def run(task, root, folder, options, kills=()):
    """Run a task, killed and started again; its outcome and checkpoint."""
    go = (source_of(task), task, 0, folder, root, options)
    kill(go, kills)
    outcome = run_task(*go)
    last = newest_checkpoint(outcome.folder)
    return outcome, torch.load(last, weights_only=False)


def assert_same(wanted, got, path=''):
    """Two nested containers of tensors are equal bit for bit."""
    assert type(wanted) is type(got), path
    if isinstance(wanted, torch.Tensor):
        assert torch.equal(wanted, got), path
    elif isinstance(wanted, dict):
        assert wanted.keys() == got.keys(), path
        for key in wanted:
            assert_same(wanted[key], got[key], f'{path}.{key}')
    elif isinstance(wanted, (list, tuple)):
        assert len(wanted) == len(got), path
        for number, pair in enumerate(zip(wanted, got)):
            assert_same(*pair, f'{path}.{number}')
    else:
        assert wanted == got, path


def compare(task, root, folder):
    """A run without a break against one that is killed several times."""
    options, kills = OPTIONS[task], KILLS[task]
    straight, wanted = run(task, root, folder / 'straight', options)
    broken, got = run(task, root, folder / 'broken', options, kills)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(wanted[key], got[key], key)
    assert broken.record['metrics'] == straight.record['metrics']
    assert straight.record['resumptions'] == 0
    return broken.record['resumptions']


@pytest.mark.parametrize('task', OPTIONS)
def test_a_killed_run_gives_the_same_numbers(
    registered, mini_root, tmp_path, task
):
    found = compare(task, str(mini_root), tmp_path)
    assert found == len(KILLS[task])


def two(rank, task, root, folder):
    """`compare` in one of two processes, with half of each batch."""
    under_torchrun(rank, 2)
    options = OPTIONS[task]
    options['train_dataloader.batch_size'] //= 2
    if 'train_cfg.max_iters' in options:
        options['train_cfg.max_iters'], KILLS[task] = 3, (2,)
    else:
        options['train_cfg.max_epochs'], KILLS[task] = 2, (7,)
    return compare(task, root, Path(folder))


@pytest.mark.parametrize('task', OPTIONS)
def test_a_killed_run_on_two_processes_gives_the_same_numbers(
    registered, mini_root, tmp_path, task
):
    arguments = task, str(mini_root), str(tmp_path)
    assert run_in_processes(two, 2, *arguments) == [1, 1]


def test_an_interrupted_run_is_not_continued_with_other_batches(
    registered, mini_root, tmp_path, monkeypatch
):
    options = ITERATIONS
    go = (source_of('x'), 'mini_seg_fcn', 0, tmp_path, str(mini_root), options)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(CostHook, 'after_train_iter', killed_after(2))
        run_task(*go)
    path = next(tmp_path.glob('*/iter_2.pth'))
    saved = torch.load(path, weights_only=False)
    assert saved['meta']['sizes'] == dict(
        processes=1, batch=2, accumulated=1, images=8, steps=None
    )
    saved['meta']['sizes']['processes'] = 2
    torch.save(saved, path)
    with pytest.raises(
        UserError,
        match='2 images on each of 2 processes; this one has 2 images on 1 '
        'process.*Use 2 processes, or start over .--no-resume',
    ):
        run_task(*go)
    saved['meta']['sizes']['batch'] = 1  # as many images a step as here
    torch.save(saved, path)
    assert run_task(*go).record['resumptions'] == 1


def test_a_run_goes_on_in_a_moved_folder_after_kills_between_checkpoints(
    registered, mini_root, tmp_path
):
    """Each start from a checkpoint counts, saved since or not."""
    options = {**ITERATIONS, 'default_hooks.checkpoint.interval': 2}
    go = source_of('x'), 'mini_seg_fcn', 0
    rest = str(mini_root), options
    kill((*go, tmp_path / 'here', *rest), (2, 3, 3))
    (tmp_path / 'here').rename(tmp_path / 'there')
    outcome = run_task(*go, tmp_path / 'there', *rest)
    assert outcome.record['resumptions'] == 3
    straight = run_task(*go, tmp_path / 'straight', *rest)
    assert straight.record['resumptions'] == 0
    assert outcome.record['metrics'] == straight.record['metrics']


def local_norm(rank):
    """Statistics of a norm of each process, after training."""
    from ssl_bench.engine.runner import AtomicRunner
    from ssl_bench.transfer.toolkit_run import TransferRunner

    norm = torch.nn.BatchNorm1d(2)
    norm.running_mean += rank + 1
    AtomicRunner.train = lambda self: norm
    TransferRunner.train(TransferRunner.__new__(TransferRunner))
    return norm.running_mean


def test_all_processes_test_the_statistics_of_the_first():
    for mean in run_in_processes(local_norm, 2):
        assert torch.equal(mean, torch.ones(2))
