"""How long training waits for its data: real runs, images in memory.

python benchmarks/data_wait.py [--paper] [--methods pixpro] [--workers 12]

JPEG files of 500x375 pixels are written to /dev/shm, a file system in memory,
and `pretrain` trains on them under bfloat16, with all that it has on by
default on the device. Printed are, in images per second, the loader alone, the
run, and the run's step with a batch at hand; and the share of the run's time
between the end of a step's hooks and the arrival of the next batch. A third of
--seconds is for the loader, a third for the run to use up what its workers
have ready, and a third for what is printed.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from one_step import METHODS, OURS, write_images
from step_rows import machine
from timing import free, synchronise

from ssl_bench import register_all_modules
from ssl_bench.config import load_config
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.files import write_text

MEMORY = Path('/dev/shm')
STEPS = 10  # that are repeated on one batch


class Enough(Exception):
    """The time of a run is over; its argument is what was measured."""


class Ends(Hook):
    """Notes when the hooks of a step are done: the last of them."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.time = 0.0

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """The run asks for its next batch now."""
        self.time = time.perf_counter()


@HOOKS.register_module()
class Watch(Hook):
    """Measures a run from inside, and ends it: the first of the hooks.

    Args:
        seconds (float): To measure, a third of it the loader alone.
        batch (int): Images per step.
        device (str): Of the run.
    """

    priority = 'HIGHEST'

    def __init__(self, seconds: float, batch: int, device: str) -> None:
        self.seconds, self.batch, self.device = seconds, batch, device
        self.found: dict[str, float] = {}
        self.ends = Ends()
        self.waited, self.steps = 0.0, 0
        self.begin, self.started = 0.0, 0.0

    def before_train(self, runner: Any) -> None:
        """The loader alone, for a third of the time."""
        batches = chain.from_iterable(repeat(runner.train_dataloader))
        next(batches)
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < self.seconds / 3:
            next(batches)
            count += self.batch
        spent = time.perf_counter() - started
        self.found['loader_per_s'] = count / spent
        runner.register_hook(self.ends)
        self.begin = time.perf_counter()

    def before_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """A batch is here."""
        if self.started:
            self.waited += time.perf_counter() - self.ends.time

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Start to count, or end the run."""
        now = time.perf_counter()
        if not self.started:
            if now - self.begin >= self.seconds / 3:
                synchronise(self.device)
                self.started = time.perf_counter()
            return
        self.steps += 1
        if now - self.started < self.seconds / 3:
            return
        synchronise(self.device)
        spent = time.perf_counter() - self.started
        self.found['loop_per_s'] = self.steps * self.batch / spent
        self.found['waiting'] = self.waited / spent
        self.found['step_per_s'] = self._at_hand(runner, data_batch)
        raise Enough(self.found)

    def _at_hand(self, runner: Any, data_batch: Any) -> float:
        """Images per second of steps on one batch."""
        started, steps = time.perf_counter(), 0
        while steps < STEPS and time.perf_counter() - started < 10:
            runner.model.train_step(data_batch, runner.optim_wrapper)
            steps += 1
        synchronise(self.device)
        return steps * self.batch / (time.perf_counter() - started)


def linked_images(folder: Path, files: int, count: int) -> Path:
    """A folder of ``count`` names for ``files`` different JPEG files."""
    written = sorted(write_images(folder / 'files', files).glob('*.jpg'))
    (folder / 'train').mkdir()
    for index in range(count):
        os.link(written[index % files], folder / f'train/{index:06d}.jpg')
    return folder / 'train'


def measure(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """A row: one run, from its loader to a step on one batch."""
    config = load_config(METHODS[name][0 if args.paper else 1])
    config.speed = dict(amp=True)
    settings = config.train_dataloader
    settings.dataset.data_root = str(folder)
    settings.batch_size, settings.num_workers = args.batch, args.workers
    settings.persistent_workers = args.workers > 0
    settings.pin_memory = args.device == 'cuda'
    config.train_cfg.max_epochs = 10**6
    config.console_level = 'ERROR'
    watch = dict(type='Watch', seconds=args.seconds, device=args.device)
    watch['batch'] = args.batch
    config.custom_hooks = [*config.get('custom_hooks', []), watch]
    try:
        with tempfile.TemporaryDirectory() as work_dir:
            pretrain(config, work_dir)
    except Enough as end:
        return dict(
            method=name, batch=args.batch, workers=args.workers, **end.args[0]
        )
    raise AssertionError('the run has ended before its time')


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'])
    parser.add_argument('--paper', action='store_true', help='full sizes')
    parser.add_argument(
        '--methods', nargs='+', default=['mocov2', 'pixpro'], choices=OURS
    )
    parser.add_argument('--workers', type=int, default=12)
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--images', type=int, default=65536, help='an epoch')
    parser.add_argument('--files', type=int, default=256, help='that differ')
    parser.add_argument(
        '--seconds', type=float, default=30.0, help='of each method'
    )
    parser.add_argument('--out', type=Path, help='a JSON file')
    args = parser.parse_args(words)
    found = 'cuda' if torch.cuda.is_available() else 'cpu'
    args.device = args.device or found
    if args.device != found:
        parser.error(f'a run takes the device that is here: {found}.')
    return args


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    args = parse_args(words)
    register_all_modules()
    rows = []
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder = linked_images(Path(name), args.files, args.images)
        for method in args.methods:
            row = measure(method, folder, args)
            free(args.device)
            rows.append(row)
            print(
                f'{method:13} batch {args.batch}, {args.workers} workers: '
                f'loader alone {row["loader_per_s"]:.0f} img/s, training '
                f'{row["loop_per_s"]:.0f} of {row["step_per_s"]:.0f} img/s, '
                f'waiting {row["waiting"]:.1%}',
                flush=True,
            )
            if args.out:
                content = dict(machine=machine(args.device), rows=rows)
                write_text(args.out, json.dumps(content, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
