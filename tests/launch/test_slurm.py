"""Slurm: what is handed to sbatch, and what a job runs there."""

import json
import os
import sys

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
print(pathlib.Path({folder!r}, 'alive').read_text())
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

    seen = []
    monkeypatch.setattr(submitit, 'JobEnvironment', Here)
    monkeypatch.setattr(
        slurm.subprocess, 'run', lambda words: seen.append(words) or Done
    )
    Done = type('Done', (), dict(returncode=0))
    job = slurm.Job(COMMANDS[0], 4)
    job()
    assert seen[0][1:] == [
        '-m',
        'torch.distributed.run',
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
    Done.returncode = 2
    with pytest.raises(RuntimeError, match='exit code 2'):
        job()


def test_a_job_that_is_cut_off_is_queued_again():
    again = slurm.Job(COMMANDS[0], 1).checkpoint()
    assert again.function.command == COMMANDS[0]
