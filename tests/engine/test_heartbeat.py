"""Processes that are stopped, and those that only work for long."""

import multiprocessing
import os
import re
import signal
import socket
import time

import pytest
import torch

from ssl_bench.engine.distributed import join_processes
from ssl_bench.environment import TIMEOUT
from tests.processes import under_torchrun

pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='forks after CUDA do not work'
)


def work(rank, port, log, task):
    """One of two processes; what it prints goes to a file."""
    under_torchrun(rank, 2, port)
    os.environ[TIMEOUT] = '1'
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    import sys

    sys.stderr = os.fdopen(2, 'w', buffering=1)
    torch.set_num_threads(1)
    join_processes()
    task(rank)


def run(folder, task):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context('fork')
    both = [
        fork.Process(
            target=work, args=(rank, port, str(folder / f'{rank}.log'), task)
        )
        for rank in range(2)
    ]
    for process in both:
        process.start()
    return both


def stop_the_second(rank):
    """Both train; the second process stops in the middle."""
    for step in range(1000):
        torch.distributed.all_reduce(torch.ones(1))
        if rank == 1 and step == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.01)


def stop_the_first(rank):
    """The one that has the store."""
    for step in range(1000):
        torch.distributed.all_reduce(torch.ones(1))
        if rank == 0 and step == 3:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.01)


@pytest.mark.parametrize(
    'task, left, message',
    [
        (
            stop_the_second,
            0,
            r'rank 1 \(process {pid} on .*\) does not answer',
        ),
        (stop_the_first, 1, 'rank 0 .* does not answer|cannot be asked'),
    ],
)
def test_a_stopped_process_ends_the_run(tmp_path, task, left, message):
    both = run(tmp_path, task)
    stopped = both[1 - left]
    try:
        both[left].join(30)
        assert both[left].exitcode == 1
    finally:
        for process in both:
            process.kill()
            process.join()
    text = (tmp_path / f'{left}.log').read_text()
    assert re.search(message.format(pid=stopped.pid), text)
    assert 'since 1 s' in text and TIMEOUT in text


def one_works_for_long(rank):
    """The first scores while the second waits for its result, then ends."""
    if rank == 0:
        time.sleep(3)
    torch.distributed.all_reduce(torch.ones(1))
    if rank == 1:
        time.sleep(2)  # after the first has ended


def test_one_that_works_for_long_does_not(tmp_path):
    both = run(tmp_path, one_works_for_long)
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
