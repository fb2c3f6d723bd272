"""What this machine and the environment offer to a run, checked before it.

Each check gives one line, with which a run stops; `ssl_bench.health` asks
them for `ssl-bench doctor`.
"""

import errno
import inspect
import os
import random
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ssl_bench.errors import UserError, one_line, unknown_name

# from a scheduler that needs the machine (SIGTERM) or says so ahead of time
# (Slurm's ``--signal``, submitit), and from a terminal that is closed
ENDING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
STOP = (*ENDING, signal.SIGINT)  # and Ctrl-C
# seconds: less is the same signal, by two ways; torchrun sends on at once what
# the terminal has sent already
APART = 2.0
LAUNCH = ('RANK', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
SHARED = '/dev/shm'  # where the workers of a loader put batches
TIMEOUT = 'SSL_BENCH_RANK_TIMEOUT'
CACHE = 'SSL_BENCH_CACHE'
TRACK = 'SSL_BENCH_TRACK'
TRACKERS = ('mlflow', 'wandb')  # next to TensorBoard
# what a user may set; docs/settings.md says what each is for
VARIABLES = ('SSL_BENCH_CONFIGS', 'SSL_BENCH_NO_LOCK', CACHE, TIMEOUT, TRACK)
OWN_FILES = 256  # that a process opens next to those of its loaders


def trackers() -> list[str]:
    """Trackers that get the log of a run, next to its own files.

    Raises:
        UserError: There is none of that name, its package is missing, or it
            knows no account.
    """
    said = os.environ.get(TRACK, '').split(',')
    names = list(dict.fromkeys(name.strip() for name in said if name.strip()))
    for name in names:
        if name not in TRACKERS:
            raise unknown_name(f'tracker in {TRACK}', name, TRACKERS)
        if find_spec(name) is None:
            raise UserError(
                f'{name} is not installed: pip install "ssl-bench[{name}]"'
            )
    if 'wandb' in names:
        _require_account()
    return names


def _require_account() -> None:
    """Check that W&B would not ask somebody at a terminal."""
    if os.environ.get('WANDB_MODE') in ('offline', 'disabled', 'dryrun'):
        return
    import wandb

    try:
        if 'prompt' in inspect.signature(wandb.login).parameters:
            known = wandb.login(prompt=False, verify=False)
        else:  # wandb of 2025
            known = bool(wandb.api.api_key)
    except Exception as error:  # of its own settings
        raise UserError(
            f'Weights & Biases does not start: {one_line(error)}'
        ) from error
    if not known:
        raise UserError(
            'Weights & Biases knows no account here: run `wandb login`, or '
            'set WANDB_MODE=offline and send the run later (`wandb sync`).'
        )


def world_size() -> int:
    """Processes that torchrun started; one without it.

    Raises:
        UserError: ``WORLD_SIZE`` and what belongs to it do not fit.
    """
    if 'WORLD_SIZE' not in os.environ:
        return 1
    size = _number('WORLD_SIZE', 1)
    missing = [name for name in LAUNCH if not os.environ.get(name)]
    if size > 1 and missing:
        raise UserError(
            f'WORLD_SIZE={size} is set, but {", ".join(missing)} '
            f'{"is" if len(missing) == 1 else "are"} not: start the processes '
            'with `torchrun -m ssl_bench ...`, or `unset WORLD_SIZE` for one '
            'process.'
        )
    if size > 1 and _number('RANK', 0) >= size:
        raise UserError(
            f'RANK={os.environ["RANK"]} does not exist among WORLD_SIZE='
            f'{size} processes, whose ranks are 0 to {size - 1}. Start '
            'them with torchrun, which sets both.'
        )
    return size


def _number(name: str, lowest: int) -> int:
    """An environment variable that is a whole number."""
    text = os.environ.get(name, '')
    if not text.isascii() or not text.isdigit() or int(text) < lowest:
        raise UserError(
            f'{name}={text!r} is not a whole number of {lowest} or more. '
            'torchrun sets it; `unset` it for one process.'
        )
    return int(text)


def rank_timeout() -> float:
    """Seconds after which a process that does not answer ends the run.

    Raises:
        UserError: The environment variable is not a number above 0.
    """
    text = os.environ.get(TIMEOUT, '600')
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float('inf'):
        raise UserError(
            f'{TIMEOUT}={text!r} is not a number of seconds above 0.'
        )
    return seconds


def require_port(port: int) -> None:
    """Check that the first process can listen on a port of this machine.

    Raises:
        UserError: Another program listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('', port))
        except (OSError, OverflowError) as error:
            with socket.socket() as other:
                other.bind(('', 0))
                free = other.getsockname()[1]
            raise UserError(
                f'port {port} of {socket.gethostname()} cannot be used '
                f'({getattr(error, "strerror", None) or error}): another run '
                f'may have it. Choose another with PORT={free}, the same '
                'for every machine of the run.'
            ) from error


def raise_file_limit() -> int:
    """Allow as many open files as the system lets this process have.

    Returns:
        int: The limit from now on.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2**20 if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):  # macOS has a lower one in the kernel
            return soft
        return most
    return 2**63 if soft == resource.RLIM_INFINITY else soft


def shared_memory_free() -> int | None:
    """Bytes; None where the system has no such folder."""
    return shutil.disk_usage(SHARED).free if os.path.isdir(SHARED) else None


def require_room_for_workers(loader: Any) -> None:
    """Check that the batches of a loader's workers fit in shared memory.

    Nothing is checked where a sample cannot be read: the loader will say
    why.

    Args:
        loader (DataLoader): Whose first sample is read.

    Raises:
        UserError: ``/dev/shm`` is too small, or so few files may be open
            that the workers cannot hand over a batch.
    """
    workers = loader.num_workers
    if not workers:
        return
    batch = getattr(loader.batch_sampler, 'batch_size', None) or 1
    try:
        with _random_numbers_kept():
            sample = loader.dataset[0]
            one = list(_tensors(loader.collate_fn([sample])))
            two = list(_tensors(loader.collate_fn([sample, sample])))
    except Exception:
        return

    def of_a_batch(first: int, second: int) -> int:
        return first + (second - first) * (batch - 1)

    # torchrun says how many processes this machine has
    processes = int(os.environ.get('LOCAL_WORLD_SIZE') or 1)
    waiting = workers * (loader.prefetch_factor or 2)
    size = waiting * processes * of_a_batch(sum(one), sum(two))
    free = shared_memory_free()
    if free is not None and size > free:
        raise UserError(
            f'{SHARED} has {free / 2**20:.0f} MiB free, and the {workers} '
            f'loader workers of {processes} process'
            f'{"es" if processes > 1 else ""} need {size / 2**20:.0f} MiB: '
            'make it larger (docker run --shm-size=16g, or --ipc=host), or '
            'set train_dataloader.num_workers lower; 0 needs none.'
        )
    files = OWN_FILES + waiting * of_a_batch(len(one), len(two))
    limit = raise_file_limit()
    if files > limit:
        raise UserError(
            f'a process may open {limit} files (ulimit -n), and {workers} '
            f'loader workers need about {files}: allow more (`ulimit -n '
            f'{files}`, or the hard limit in /etc/security/limits.conf), or '
            'set train_dataloader.num_workers lower.'
        )


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Whatever is drawn inside, what follows draws as without it."""
    import numpy as np
    import torch

    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _tensors(value: Any) -> Iterator[int]:
    """Bytes of each tensor that a worker hands over."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value.numel() * value.element_size()
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, 'all_items'):  # mmengine's samples
        for _, item in value.all_items():
            yield from _tensors(item)


def leave_terminal() -> None:
    """Print nowhere from here on if the terminal is gone: it would fail."""
    for stream in (1, 2):
        try:
            os.tcgetpgrp(stream)
        except OSError as error:
            if error.errno == errno.EIO:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
