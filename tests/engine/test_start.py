"""Where a pretraining starts, and what it leaves as it is."""

import copy
import os
import subprocess
import sys

import pytest
import torch

from ssl_bench.engine.pretrain import pretrain
from ssl_bench.engine.start import find_start, is_last
from ssl_bench.errors import UserError
from ssl_bench.run_folder import newest_checkpoint

EPOCHS = dict(by_epoch=True, max_epochs=3)


def checkpoint(folder, epoch):
    path = folder / f'epoch_{epoch}.pth'
    torch.save(dict(meta=dict(epoch=epoch, iter=3 * epoch, seed=0)), path)
    return path


def test_a_new_folder_starts_afresh(tmp_path):
    for folder in (tmp_path, tmp_path / 'new'):
        assert find_start(folder, EPOCHS, 0).checkpoint is None
        assert find_start(folder, EPOCHS, 0, 'auto').checkpoint is None
        assert find_start(folder, EPOCHS, 0, force=True).replaced == []
        with pytest.raises(UserError, match='has no checkpoint. Leave --res'):
            find_start(folder, EPOCHS, 0, True)


def test_a_started_run_is_kept(tmp_path):
    first = checkpoint(tmp_path, 1)
    with pytest.raises(
        UserError,
        match='has a pretraining.*epoch_1.pth.*--resume.*--force.*--work-dir',
    ):
        find_start(tmp_path, EPOCHS, 0)
    for resume in (True, 'auto'):
        start = find_start(tmp_path, EPOCHS, 0, resume)
        assert (start.checkpoint, start.finished) == (first, False)
        with pytest.raises(UserError, match='one of the two'):
            find_start(tmp_path, EPOCHS, 0, resume, force=True)
    assert find_start(tmp_path, EPOCHS, 0, force=True).replaced == [first]
    os.truncate(first, 100)
    with pytest.raises(UserError, match='none of its checkpoints is whole'):
        find_start(tmp_path, EPOCHS, 0, True)


def test_a_finished_run_is_finished(tmp_path):
    checkpoint(tmp_path, 2)
    assert not find_start(tmp_path, EPOCHS, 0, True).finished
    last = checkpoint(tmp_path, 3)
    assert find_start(tmp_path, EPOCHS, 0, True).finished
    # of another seed: the check before a resume refuses it
    assert not find_start(tmp_path, EPOCHS, 1, True).finished
    assert not is_last(last, dict(max_epochs=4), 0)  # a longer run goes on
    assert is_last(last, dict(by_epoch=False, max_iters=9), 0)
    assert not is_last(last, dict(by_epoch=False, max_iters=10), 0)


def test_a_named_file_does_not_replace_later_ones(tmp_path):
    first, second = checkpoint(tmp_path, 1), checkpoint(tmp_path, 2)
    other = tmp_path / 'other'
    other.mkdir()
    assert find_start(other, EPOCHS, 0, str(first)).checkpoint == first
    with pytest.raises(UserError, match='epoch_2.pth is as far as .*--force'):
        find_start(tmp_path, EPOCHS, 0, str(first))
    start = find_start(tmp_path, EPOCHS, 0, str(first), force=True)
    assert (start.checkpoint, start.replaced) == (first, [second])
    assert find_start(tmp_path, EPOCHS, 0, str(second)).replaced == []
    with pytest.raises(UserError, match='no checkpoint'):
        find_start(tmp_path, EPOCHS, 0, str(tmp_path / 'none.pth'))


def state(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_repeat_resume_and_force(config, tmp_path, capsys):
    """One folder: refused, cut and damaged, resumed, finished, replaced."""
    work = tmp_path / 'run'
    last = pretrain(copy.deepcopy(config), work)
    wanted = state(last)
    with pytest.raises(UserError, match='has a pretraining already'):
        pretrain(copy.deepcopy(config), work)
    for name in ('.epoch_2.pth.part', '.epoch_2.pth.abcd_123.part'):
        (work / name).touch()  # of a killed writer
    os.truncate(last, last.stat().st_size - 50)
    (work / 'last_checkpoint').write_text('')
    moved = work.rename(tmp_path / 'moved')
    last = pretrain(copy.deepcopy(config), moved, resume=True)
    assert last == moved / 'epoch_2.pth'
    assert 'Going on from epoch_1.pth' in capsys.readouterr().err
    for name, value in state(last).items():
        assert torch.equal(value, wanted[name]), name
    assert not list(moved.glob('.*.part'))
    before = last.stat().st_mtime_ns
    assert pretrain(copy.deepcopy(config), moved, resume=True) == last
    assert 'finished' in capsys.readouterr().err
    assert last.stat().st_mtime_ns == before
    config.train_cfg.max_epochs = 1
    pretrain(config, moved, force=True)
    assert newest_checkpoint(moved).name == 'epoch_1.pth'


def test_two_pretrainings_in_one_folder(config, tmp_path):
    work = tmp_path / 'run'
    code = (
        'import sys\nfrom ssl_bench.run_folder import hold\n'
        'with hold(sys.argv[1]):\n    print(1, flush=True); input()\n'
    )
    with subprocess.Popen(
        [sys.executable, '-c', code, str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        with pytest.raises(UserError, match=f'in use by process {other.pid}'):
            pretrain(config, work)
        assert [path.name for path in work.iterdir()] == ['.lock']
        other.communicate(b'\n')
