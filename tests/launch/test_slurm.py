"""Slurm: what is handed to sbatch, and what a job runs there."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from ssl_bench.errors import UserError
from ssl_bench.launch import Command, slurm
from ssl_bench.launch.suite import Launch

submitit = pytest.importorskip('submitit')

SBATCH = """#!{python}
import os, pathlib, shutil, sys
folder = pathlib.Path({folder!r})
number = 100 + len(list(folder.glob('*.sh')))
shutil.copy(sys.argv[1], folder / f'{{number}}.sh')
print(f'Submitted batch job {{number}}')
"""
SQUEUE = """#!{python}
import pathlib
folder = pathlib.Path({folder!r})
print(folder.joinpath('alive').read_text())
if folder.joinpath('all alive').exists():
    print(*(path.stem for path in folder.glob('*.sh')))
"""
SINFO = """#!/bin/sh
echo "$@" > {folder}/asked
echo '(null)'
"""
COMMANDS = [
    Command(('pretrain', 'a.py')),
    Command(('transfer', 'a.pth', '--tasks', 'mini_knn'), 0),
]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A folder of programs that stand for Slurm's, keeping what they get."""
    folder = tmp_path / 'cluster'
    folder.mkdir()
    (folder / 'alive').write_text('')
    for name, text in (
        ('sbatch', SBATCH),
        ('squeue', SQUEUE),
        ('srun', '#!/bin/sh\n'),
    ):
        program = folder / name
        program.write_text(
            text.format(python=sys.executable, folder=str(folder))
        )
        program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')
    return folder


def test_a_job_waits_for_what_it_needs(cluster, tmp_path):
    launch = Launch(
        executor='slurm',
        processes=4,
        nodes=2,
        slurm=dict(slurm_partition='gpu', timeout_min=90),
    )
    assert slurm.submit(COMMANDS, tmp_path / 'w', launch) == ['100', '101']
    first, second = (
        (cluster / f'{number}.sh').read_text() for number in (100, 101)
    )
    for line in (
        '#SBATCH --partition=gpu',
        '#SBATCH --nodes=2',
        '#SBATCH --gpus-per-node=4',
        '#SBATCH --time=90',
        '#SBATCH --ntasks-per-node=1',
        '#SBATCH --requeue',
        '#SBATCH --signal=USR2@600',
    ):
        assert line in first.splitlines() and line in second.splitlines()
    assert 'dependency' not in first
    assert '#SBATCH --dependency=afterok:100' in second.splitlines()


def test_what_is_queued_is_not_submitted_again(cluster, tmp_path):
    launch = Launch(executor='slurm')
    slurm.submit(COMMANDS, tmp_path / 'w', launch)
    (cluster / 'alive').write_text('100\n7')
    again = [COMMANDS[0], Command(COMMANDS[1].words, 0)]
    assert slurm.submit(again, tmp_path / 'w', launch) == ['100', '102']
    assert '--dependency=afterok:100' in (cluster / '102.sh').read_text()
    assert json.loads((tmp_path / 'w' / slurm.SUBMITTED).read_text()) == {
        str(again[0]): '100',
        str(again[1]): '102',
    }


def test_unknown_settings_and_machines_are_refused(
    cluster, tmp_path, monkeypatch
):
    with pytest.raises(UserError, match='did not take.*colour'):
        slurm.submit(
            COMMANDS,
            tmp_path,
            Launch(executor='slurm', slurm=dict(colour='red')),
        )
    monkeypatch.setenv('PATH', '')
    with pytest.raises(UserError, match='no `sbatch` here'):
        slurm.submit(COMMANDS, tmp_path, Launch(executor='slurm'))


def test_a_job_starts_torchrun_on_each_node(monkeypatch):
    class Here:
        num_nodes, node, job_id = 2, 1, '61234'
        hostnames = ['one', 'two']

        @staticmethod
        def _usr_sig():
            return signal.SIGUSR2

    seen = []
    ended = type('Ended', (), dict(code=0, wait=lambda self: self.code))()
    monkeypatch.setattr(submitit, 'JobEnvironment', Here)
    monkeypatch.setattr(slurm.signal, 'signal', lambda number, handler: None)
    monkeypatch.setattr(
        slurm.subprocess,
        'Popen',
        lambda words, env: seen.append(words) or ended,
    )
    job = slurm.Job(COMMANDS[0], 4)
    job()
    assert seen[0][1:] == [
        '-m',
        'ssl_bench.launch.torchrun',
        '--nnodes=2',
        '--node_rank=1',
        '--master_addr=one',
        '--master_port=21234',
        '--nproc_per_node=4',
        '-m',
        'ssl_bench',
        'pretrain',
        'a.py',
    ]
    Here.num_nodes = 1
    slurm.Job(COMMANDS[0], 1)()
    assert seen[1][1:] == ['-m', 'ssl_bench', 'pretrain', 'a.py']
    ended.code = 2
    with pytest.raises(RuntimeError, match='exit code 2'):
        job()
    ended.code = 75
    monkeypatch.setattr(slurm, 'KILLED_BY_THEN', 0)
    with pytest.raises(RuntimeError, match='stopped, with its work saved'):
        job()


def test_a_job_is_queued_again_as_often_as_it_takes(cluster, tmp_path):
    slurm.submit(COMMANDS[:1], tmp_path / 'w', Launch(executor='slurm'))
    waiting = submitit.core.utils.DelayedSubmission.load(
        tmp_path / 'w/jobs/100_submitted.pkl'
    )
    assert waiting._timeout_countdown == slurm.ALWAYS
    again = waiting.function.checkpoint()
    assert again.function.command == COMMANDS[0]
    # the least that submitit asks for is five minutes
    script = (cluster / '100.sh').read_text().splitlines()
    assert '#SBATCH --signal=USR2@60' in script


def test_how_long_before_its_end_a_job_is_told(cluster, tmp_path):
    settings = dict(timeout_min=300, slurm_signal_delay_s=1800)
    launch = Launch(executor='slurm', slurm=settings)
    slurm.submit(COMMANDS[:1], tmp_path / 'w', launch)
    assert '#SBATCH --signal=USR2@1800' in (cluster / '100.sh').read_text()


@pytest.mark.parametrize(
    'settings, message',
    [
        (
            dict(timeout_min=10, slurm_signal_delay_s=600),
            'never go on. .*timeout_min',
        ),
        (dict(slurm_time='1-00:00:00'), 'number of minutes'),
    ],
)
def test_a_time_with_which_no_job_goes_on_is_refused(
    cluster, tmp_path, settings, message
):
    with pytest.raises(UserError, match=message):
        slurm.submit(
            COMMANDS, tmp_path, Launch(executor='slurm', slurm=settings)
        )


def test_a_cluster_without_devices_is_not_asked_for_them(
    cluster, tmp_path, capsys
):
    program = cluster / 'sinfo'
    program.write_text(SINFO.format(folder=cluster))
    program.chmod(0o755)
    for number, (settings, asked) in enumerate(
        [
            (dict(slurm_partition='cpu'), False),
            (dict(gpus_per_node=0), False),
            (dict(gpus_per_node=2), True),
            (dict(slurm_gres='gpu:2'), False),
        ]
    ):
        slurm.submit(
            COMMANDS[:1],
            tmp_path / str(number),
            Launch(executor='slurm', slurm=settings),
        )
        script = (cluster / f'{100 + number}.sh').read_text()
        assert ('--gpus-per-node=2' in script) == asked
        assert 'gpus' not in script or asked
        note = 'no GPU in partition cpu' in capsys.readouterr().err
        assert note == (number == 0)
    assert '#SBATCH --gres=gpu:2' in script
    assert (cluster / 'asked').read_text().split() == [
        '--noheader',
        '--format=%G',
        '--partition=cpu',
    ]


def test_two_submitters_make_one_job_of_a_command(cluster, tmp_path):
    (cluster / 'all alive').touch()
    fork = multiprocessing.get_context('fork')
    both = [
        fork.Process(
            target=slurm.submit,
            args=(COMMANDS, tmp_path / 'w', Launch(executor='slurm')),
        )
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert len(list(cluster.glob('*.sh'))) == len(COMMANDS)


CHILD = """
import signal, sys, time
def save(number, frame):
    time.sleep(0.5)
    print('saved', flush=True)
    sys.exit(75)
signal.signal(signal.SIGUSR2, save)
print('runs', flush=True)
time.sleep(60)
"""
SCONTROL = """#!/bin/sh
echo "$@"
"""


class Saving(Command):
    """A command that saves at a signal."""

    def argv(self, processes=1, rendezvous=()):
        return [sys.executable, '-c', CHILD]


def test_a_job_is_queued_again_when_its_command_has_saved(cluster, tmp_path):
    """submitit's own program, with what Slurm sets and sends."""
    slurm.submit([Saving(())], tmp_path / 'w', Launch(executor='slurm'))
    waiting = tmp_path / 'w/jobs/100_submitted.pkl'
    # it was out of time often already
    left = slurm.ALWAYS - 5000
    delayed = submitit.core.utils.DelayedSubmission.load(waiting)
    delayed.set_timeout(5, left)
    delayed.dump(waiting)
    program = cluster / 'scontrol'
    program.write_text(SCONTROL)
    program.chmod(0o755)
    task = subprocess.Popen(
        [sys.executable, '-m', 'submitit.core._submit', waiting.parent],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(sys.path),
            'SUBMITIT_EXECUTOR': 'slurm',
            'SLURM_JOB_ID': '100',
            'SLURM_JOB_NUM_NODES': '1',
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    for line in task.stdout:
        if line == 'runs\n':
            break
    time.sleep(0.3)
    task.send_signal(signal.SIGUSR2)
    said = [
        line
        for line in task.stdout.read().splitlines()
        if not line.startswith('submitit ')
    ]
    assert task.wait(30) == 255  # as submitit ends what is queued again
    assert said == ['saved', 'requeue 100']
    again = submitit.core.utils.DelayedSubmission.load(waiting)
    assert again.function.process is None
    assert again._timeout_countdown == left - 1
