"""A transfer that a signal stops gives the numbers of one without a break."""

import os
import signal
from pathlib import Path

import pytest
import torch
from mmengine.runner import TestLoop

from ssl_bench.errors import Interrupted
from ssl_bench.toolbox.hooks import CostHook
from ssl_bench.transfer import probes
from ssl_bench.transfer.run import run_task
from tests.processes import run_in_processes, under_torchrun
from tests.transfer.test_resume import ITERATIONS, assert_same, source_of

# a loop by iterations, and one by epochs with two batches an update
OPTIONS = {
    'mini_seg_fcn': {**ITERATIONS, 'default_hooks.checkpoint.interval': 99},
    'mini_finetune': {
        'train_cfg.max_epochs': 2,
        'train_dataloader.batch_size': 8,
        'auto_scale_lr.base_batch_size': 16,
        'default_hooks.checkpoint.interval': 99,
    },
}


def sent_in(function, when, rank=0):
    """A function that first sends this process SIGTERM, at a call of it."""
    calls = []

    def sends(*args, **kwargs):
        calls.append(1)
        mine = rank == int(os.environ.get('RANK', 0))
        if len(calls) == when and mine:
            os.kill(os.getpid(), signal.SIGTERM)
        return function(*args, **kwargs)

    return sends


def stop(monkeypatch, place, name, when, go, rank=0):
    """Run a task that has the signal at a call of a function; the message."""
    with monkeypatch.context() as patch:
        patch.setattr(place, name, sent_in(getattr(place, name), when, rank))
        with pytest.raises(Interrupted) as caught:
            run_task(*go)
    return str(caught.value)


def last(folder):
    named = (folder / 'last_checkpoint').read_text()
    return torch.load(named, weights_only=False)


def stopped(task, root, folder, monkeypatch, rank=0):
    """A run that is stopped in training and in its test; both compared."""
    go = (source_of(task), task, 0)
    rest = (root, OPTIONS[task])
    straight = run_task(*go, folder / 'straight', *rest)
    cut = (*go, folder / 'cut', *rest)
    found = stop(monkeypatch, CostHook, 'after_train_iter', 2, cut, rank)
    assert found.startswith('stopped by SIGTERM; saved ')
    assert found.endswith('.pth. The same command continues.')
    if rank == 0:  # every process is here
        found = stop(monkeypatch, TestLoop, 'run_iter', 1, cut)
        assert 'outside of training: what was trained is saved' in found
    again = run_task(*cut)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert_same(last(straight.folder)[key], last(again.folder)[key], key)
    assert again.record['metrics'] == straight.record['metrics']
    assert straight.record['resumptions'] == 0
    costs = [
        outcome.record['cost']['images_per_second']
        * outcome.record['cost']['train_seconds']
        for outcome in (straight, again)
    ]
    assert costs[1] == pytest.approx(costs[0])
    return again.record['resumptions']


@pytest.mark.slow
@pytest.mark.parametrize('task', OPTIONS)
def test_a_stopped_run_gives_the_same_numbers(
    registered, mini_root, tmp_path, task, monkeypatch
):
    found = stopped(task, str(mini_root), tmp_path, monkeypatch)
    assert found == 2  # to train, and to test


def two(rank, task, root, folder):
    """`stopped` in one of two processes; the second has the signal."""
    under_torchrun(rank, 2)
    OPTIONS[task]['train_dataloader.batch_size'] //= 2
    with pytest.MonkeyPatch.context() as patch:
        return stopped(task, root, Path(folder), patch, rank=1)


@pytest.mark.slow
def test_a_signal_to_one_of_two_processes(registered, mini_root, tmp_path):
    arguments = 'mini_finetune', str(mini_root), str(tmp_path)
    assert run_in_processes(two, 2, *arguments) == [1, 1]


@pytest.mark.slow
def test_a_stopped_probe_goes_on(registered, mini_root, tmp_path, monkeypatch):
    """In the extraction, and in the training of its layer."""
    go = (source_of('x'), 'mini_linear_cached', 0)
    rest = str(mini_root), {'train_dataloader.batch_size': 16}
    straight = run_task(*go, tmp_path / 'straight', *rest)
    cut = (*go, tmp_path / 'cut', *rest)
    found = stop(monkeypatch, probes.Frozen, 'forward', 1, cut)
    assert 'saved features of' in found
    found = stop(monkeypatch, probes, 'score', 1, cut)
    assert 'outside of training' in found
    again = run_task(*cut)
    assert again.record['metrics'] == straight.record['metrics']
