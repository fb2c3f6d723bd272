"""Kill runs at random moments, resume them, and compare the numbers.

Each kind of run is done once without a break. Then it is started in another
folder, killed with SIGKILL at a random moment, started again with the same
command, and so on until it ends; its metrics and the weights and optimizer of
its last checkpoint must be those of the run without a break, bit for bit.
Every second kill hits the whole process group, the others the first process
alone, whose children then have to end by themselves.

With ``--signal``, a signal that asks for the end takes the place of SIGKILL.
The exit code then has to say that the work is saved, too.

Example: python tests/faults/kill.py --kills 20 --out work_dirs/faults
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ssl_bench.launch.command import Command
from ssl_bench.run_folder import LOCK, newest_checkpoint

LIMIT = 1200  # seconds that a command may take
# the exit codes that each signal may give; of SIGKILL it is the system's
CODES = {'KILL': (-9,), 'TERM': (75,), 'USR1': (75,), 'INT': (130,)}
MOST = 60  # starts of one run before it counts as lost
SIZES = (
    '--imagenet-train 80 --imagenet-val 40 --voc07-trainval 16 '
    '--voc07-test 12 --voc12-trainval 12 --seg-train 16 --seg-val 8 '
    '--coco-train 16 --coco-val 8'
).split()
PRETRAIN = (
    'train_dataloader.persistent_workers=False '
    'default_hooks.logger.interval=1 train_cfg.max_epochs=4'
).split()
TRANSFER = (
    'train_cfg.max_iters=8 train_cfg.val_interval=8 '
    'default_hooks.checkpoint.interval=2'
).split()
SUITE = """
methods: [{checkpoint: random, arch: resnet18-w16}]
tasks: [mini_seg_fcn]
seeds: [0, 1]
data_root: %s
work_dir: %s
overrides:
  train_cfg.max_iters: 8
  train_cfg.val_interval: 8
  default_hooks.checkpoint.interval: 2
"""


def pretraining(batch: int, workers: int, *more: str) -> Callable:
    """The words of a pretraining, for data and a work dir."""

    def words(data: Path, work: Path) -> list[str]:
        return [
            *('pretrain', 'configs/mini/pixpro_r18.py', '--quiet', '--wait'),
            *('--resume', 'auto', '--work-dir', str(work), '--cfg-options'),
            f'train_dataloader.dataset.data_root={data}/imagenet/train',
            f'train_dataloader.batch_size={batch}',
            f'train_dataloader.num_workers={workers}',
            *PRETRAIN,
            *more,
        ]

    return words


def transfer(task: str, *options: str) -> Callable:
    """The words of a transfer, for data and a work dir."""

    def words(data: Path, work: Path) -> list[str]:
        return [
            *('transfer', 'random', '--arch', 'resnet18-w16', '--wait'),
            *('--tasks', task, '--data-root', str(data)),
            *('--work-dir', str(work)),
            *(['--cfg-options', *options] if options else []),
        ]

    return words


def suite(data: Path, work: Path) -> list[str]:
    """The words of a suite; its file is written next to the work dir."""
    path = work.with_suffix('.yaml')
    path.write_text(SUITE % (data, work))
    return ['run', str(path), '--jobs', '2', '--wait']


KINDS: dict[str, Callable] = {
    'pretraining by epoch': pretraining(
        16, 1, 'default_hooks.checkpoint.interval=1'
    ),
    'pretraining by iteration': pretraining(
        16,
        0,
        'default_hooks.checkpoint.by_epoch=False',
        'default_hooks.checkpoint.interval=2',
    ),
    'pretraining, two processes': pretraining(
        8, 0, 'default_hooks.checkpoint.interval=1'
    ),
    'detection': transfer(
        'mini_voc_det_c4', 'custom_hooks.0.num_iters=1', *TRANSFER
    ),
    'segmentation': transfer('mini_seg_fcn', *TRANSFER),
    'probe': transfer('mini_linear'),
    'suite': suite,
}


@dataclass
class Row:
    """What became of one kind of run.

    Attributes:
        kills (int): That hit a running command.
        runs (int): That ended, with at least one kill.
        equal (int): Of these, with the numbers of the run without a break.
        lost (list[str]): Why others are lost.
    """

    kills: int = 0
    runs: int = 0
    equal: int = 0
    lost: list[str] = field(default_factory=list)


def numbers(work: Path) -> dict[str, Any]:
    """Metrics of every record and a digest of every last checkpoint.

    Args:
        work (Path): The folder of a run, or above the folders of several.
    """
    found: dict[str, Any] = {}
    for path in sorted(work.rglob('result.json')):
        record = json.loads(path.read_text())
        found[str(path.relative_to(work))] = record['metrics']
    for folder in sorted({path.parent for path in work.rglob('*_*.pth')}):
        last = newest_checkpoint(folder)
        if last is not None:
            content = torch.load(last, weights_only=False, map_location='cpu')
            found[str(last.relative_to(work))] = digest(
                {key: content.get(key) for key in ('state_dict', 'optimizer')}
            )
    return found


def digest(content: Any) -> str:
    """A hash of nested containers of tensors and plain values."""
    total = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            array = value.detach().contiguous().view(-1)
            total.update(str((value.dtype, tuple(value.shape))).encode())
            total.update(array.view(torch.uint8).numpy().tobytes())
        elif isinstance(value, dict):
            for key in value:
                total.update(repr(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for item in value:
                add(item)
        else:
            total.update(repr(value).encode())

    add(content)
    return total.hexdigest()[:16]


def start(words: list[str], processes: int, log: Path) -> subprocess.Popen:
    """Start a command in a process group of its own."""
    with open(log, 'ab') as file:
        return subprocess.Popen(
            Command(tuple(words)).argv(processes),
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={'OMP_NUM_THREADS': '1', **os.environ},
        )


def wait_for_work(process: subprocess.Popen, work: Path, since: float) -> None:
    """Wait until a command has taken a folder, or has ended."""
    while process.poll() is None:
        for path in (*work.glob(LOCK), *work.glob(f'*/{LOCK}')):
            if path.stat().st_mtime >= since:
                return
        time.sleep(0.05)


def hit(process: subprocess.Popen, name: str, group: bool) -> int:
    """Send a signal to a command.

    Args:
        process (Popen): The command.
        name (str): One of `CODES`.
        group (bool): To all its processes, not to the first alone.

    Returns:
        int: Its exit code; 0 if it came to its end.
    """
    if process.poll() is None:
        send = os.killpg if group else os.kill
        send(process.pid, signal.Signals[f'SIG{name}'])
    return end(process)


def end(process: subprocess.Popen) -> int:
    """The exit code of a command that is left alone."""
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return -1


def tail(log: Path) -> str:
    """The last line that a command printed."""
    lines = log.read_text(errors='replace').split('\n')
    return next((line for line in reversed(lines) if line.strip()), '')[:300]


def try_kind(
    words: Callable,
    processes: int,
    kills: int,
    data: Path,
    home: Path,
    draw: random.Random,
    name: str = 'KILL',
) -> Row:
    """Kill one kind of run until there were enough kills."""
    row = Row()
    straight, work, log = home / 'straight', home / 'killed', home / 'log.txt'
    begun = time.time()
    process = start(words(data, straight), processes, log)
    wait_for_work(process, straight, begun)
    working = time.time()
    if end(process):
        row.lost.append(f'without a kill: {tail(log)}')
        return row
    length = time.time() - working
    wanted = numbers(straight)
    while row.kills < kills and not row.lost:
        shutil.rmtree(work, ignore_errors=True)
        before, starts = row.kills, 0
        while True:
            starts += 1
            begun = time.time()
            process = start(words(data, work), processes, log)
            if row.kills < kills and starts < MOST:
                wait_for_work(process, work, begun)
                late = time.monotonic() + draw.uniform(0, length)
                while process.poll() is None and time.monotonic() < late:
                    time.sleep(0.01)
                code = hit(process, name, group=row.kills % 2 == 0)
                if code in CODES[name]:
                    row.kills += 1
                    continue
                break
            code = end(process)
            break
        if row.kills == before and not code:
            continue  # it ended before the kill
        row.runs += 1
        if code:
            row.lost.append(f'exit code {code}: {tail(log)}')
        elif numbers(work) != wanted:
            row.lost.append(f'{numbers(work)} instead of {wanted}')
        else:
            row.equal += 1
    return row


def main() -> int:
    """Try every kind, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--kills', type=int, default=20, help='of each kind')
    parser.add_argument('--signal', choices=CODES, default='KILL')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/faults'))
    parser.add_argument(
        '--only', nargs='+', choices=KINDS, default=list(KINDS), metavar='KIND'
    )
    args = parser.parse_args()
    # a shell has its background jobs ignore it, and what they start, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    out = args.out.resolve()
    data = out / 'data'
    subprocess.run(
        Command(('data', 'mini', '--root', str(data), *SIZES)).argv(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    print(
        '| kind | kills | runs | equal | lost |\n| :-- | --: | --: | --: | --: |'
    )
    failed = False
    for name in args.only:
        home = out / name.replace(' ', '_').replace(',', '')
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        row = try_kind(
            KINDS[name],
            2 if 'two processes' in name else 1,
            args.kills,
            data,
            home,
            random.Random(f'{args.seed} {name}'),
            args.signal,
        )
        print(
            f'| {name} | {row.kills} | {row.runs} | {row.equal} | '
            f'{len(row.lost)} |',
            flush=True,
        )
        for reason in row.lost:
            print(f'  {name}: {reason}', file=sys.stderr, flush=True)
        failed = failed or bool(row.lost)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
