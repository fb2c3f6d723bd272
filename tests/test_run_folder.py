"""One writer per folder; the newest whole checkpoint, by looking."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from ssl_bench import run_folder
from ssl_bench.errors import UserError
from ssl_bench.run_folder import (
    LOCK,
    hold,
    newest_checkpoint,
    remove_leftovers,
)

HOLDER = """
import sys, time
from ssl_bench.run_folder import hold
with hold(sys.argv[1]):
    print('held', flush=True)
    time.sleep(60)
"""


def checkpoint(path, iterations=None):
    """A small file of the kind that a run writes."""
    meta = {} if iterations is None else dict(iter=iterations)
    torch.save(dict(meta=meta, state_dict=dict(a=torch.ones(2000))), path)
    return path


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'SLURM_JOB_ID': '77'},
    )
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_refused_until_the_first_ends(tmp_path, other):
    with pytest.raises(UserError) as error:
        with hold(tmp_path):
            pass
    assert f'in use by process {other.pid} on ' in str(error.value)
    assert 'Slurm job 77, since 20' in str(error.value)
    assert '\n' not in str(error.value)
    other.kill()  # no file has to be removed by hand
    other.wait()
    with hold(tmp_path):
        pass


def test_a_second_writer_may_wait(tmp_path, other, monkeypatch, capsys):
    monkeypatch.setattr(run_folder, 'POLL', 0.01)
    monkeypatch.setattr(
        run_folder.time, 'sleep', lambda _: (other.kill(), other.wait())
    )
    with hold(tmp_path, wait=True):
        pass
    assert f'waiting for {tmp_path}' in capsys.readouterr().err


def test_a_process_does_not_hold_twice(tmp_path):
    with hold(tmp_path / 'a'):
        with hold(tmp_path / 'b'):  # another folder
            pass
        with pytest.raises(UserError, match='in use by this process'):
            with hold(tmp_path / 'b/../a'):
                pass
    with hold(tmp_path / 'a'):
        pass


def test_a_forked_worker_does_not_keep_the_lock(tmp_path):
    child = os.fork if hasattr(os, 'fork') else pytest.skip('no fork')
    with hold(tmp_path):
        pid = child()
        if not pid:  # as a loader's worker that outlives its parent
            time.sleep(60)
            os._exit(0)
    try:
        other = subprocess.run(
            [sys.executable, '-c', HOLDER.replace('60', '0'), str(tmp_path)],
            capture_output=True,
            text=True,
        )
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert other.stdout == 'held\n'


def test_a_forked_child_is_another_process(tmp_path):
    with hold(tmp_path):
        pid = os.fork()
        if not pid:
            try:
                with hold(tmp_path):
                    os._exit(0)
            except UserError:
                os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        # the child has closed the file; the lock of this process stays
        second = subprocess.run(
            [sys.executable, '-c', HOLDER, str(tmp_path)],
            capture_output=True,
            text=True,
        )
    assert 'in use by process' in second.stderr


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, 'Function not implemented')

    monkeypatch.setattr(run_folder.fcntl, 'lockf', none)
    with pytest.raises(UserError, match='no locks.*SSL_BENCH_NO_LOCK=1'):
        with hold(tmp_path):
            pass
    monkeypatch.setenv('SSL_BENCH_NO_LOCK', '1')
    with hold(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='cannot write .*file/a/.lock'):
        with hold(tmp_path / 'file/a'):
            pass
    (tmp_path / 'new').mkdir()
    (tmp_path / 'new' / LOCK).symlink_to('/dev/full')
    with pytest.raises(UserError, match='No space left'):
        with hold(tmp_path / 'new'):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_what_killed_writers_left_is_removed(tmp_path):
    for name in (
        '.a.txt.x1_y2z3q.part',
        '.iter_8.pth.part',
        '.part',
        'b.part',
    ):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['.part', 'b.part']


def test_the_newest_is_found_by_its_number(tmp_path, capsys):
    assert newest_checkpoint(tmp_path / 'none') is None
    home = tmp_path / 'home'
    home.mkdir()
    last = checkpoint(home / 'iter_10.pth', 10)
    checkpoint(home / 'iter_8.pth', 8)
    checkpoint(home / 'best_9.pth', 9)
    (home / '.iter_12.pth.part').touch()
    os.utime(last, (1, 1))  # a copy has other times
    for pointer in ('', '/gone/iter_8.pth', f'{home}/iter_8.pth'):
        (home / 'last_checkpoint').write_text(pointer)
        assert newest_checkpoint(home) == last
    moved = shutil.move(home, tmp_path / 'moved')
    assert newest_checkpoint(moved) == tmp_path / 'moved/iter_10.pth'
    assert capsys.readouterr().err == ''


def test_the_newest_of_epochs_and_iterations(tmp_path):
    checkpoint(tmp_path / 'epoch_2.pth', 20)
    checkpoint(tmp_path / 'iter_19.pth', 19)
    assert newest_checkpoint(tmp_path).name == 'epoch_2.pth'
    checkpoint(tmp_path / 'iter_23.pth', 23)
    assert newest_checkpoint(tmp_path).name == 'iter_23.pth'


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def one_byte_other(path):
    content = bytearray(path.read_bytes())
    content[content.index(b'\0\0\x80\x3f\0\0\x80\x3f')] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('damage', (truncated, emptied, one_byte_other))
def test_a_damaged_newest_is_passed_over(tmp_path, damage, capsys):
    for number in (1, 2, 3):
        checkpoint(tmp_path / f'epoch_{number}.pth', number)
    assert newest_checkpoint(tmp_path).name == 'epoch_3.pth'
    damage(tmp_path / 'epoch_3.pth')
    assert newest_checkpoint(tmp_path).name == 'epoch_2.pth'
    note = capsys.readouterr().err
    assert 'epoch_3.pth is passed over: it' in note
    assert 'Going on from epoch_2.pth.' in note
    for number in (1, 2):
        truncated(tmp_path / f'epoch_{number}.pth')
    assert newest_checkpoint(tmp_path) is None
    assert 'no other checkpoint' in capsys.readouterr().err
