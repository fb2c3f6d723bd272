"""How long training waits for its data, with the real loader.

python benchmarks/data_wait.py [--paper] [--methods pixpro] [--workers 12]

JPEG files of 500x375 pixels are written to a temporary folder and read by the
config's own loader. Printed are the images per second of the loader alone, of
the training loop (bfloat16, channels_last on a GPU, the loss read after each
step as the runner does), and the share of the loop's time that is spent
waiting for the next batch.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from step import METHODS, OURS, Setting, build, machine, write_images

from ssl_bench import register_all_modules
from ssl_bench.config import load_config


def linked_images(folder: Path, files: int, count: int) -> Path:
    """A folder of ``count`` names for ``files`` different JPEG files."""
    written = sorted(write_images(folder / 'files', files).glob('*.jpg'))
    (folder / 'train').mkdir()
    for index in range(count):
        os.link(written[index % files], folder / f'train/{index:06d}.jpg')
    return folder / 'train'


def endless(loader) -> Iterator[dict]:
    """Batches, epoch after epoch."""
    while True:
        yield from loader


def measure(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Loader alone, then the loop; images per second and waiting."""
    config = load_config(METHODS[name][0 if args.paper else 1])
    settings = config.train_dataloader
    settings.dataset.data_root = str(folder)
    settings.sampler.batch_size = settings.batch_size = args.batch
    settings.num_workers = args.workers
    settings.persistent_workers = args.workers > 0
    settings.pin_memory = args.device == 'cuda'
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        loader = Runner.build_dataloader(settings, seed=0)
    batches = endless(loader)
    next(batches)
    alone, started = 0, time.perf_counter()
    while time.perf_counter() - started < args.seconds / 3:
        next(batches)
        alone += args.batch
    alone_per_s = alone / (time.perf_counter() - started)
    model, wrapper = build(config, args.device)
    if args.device == 'cuda':
        model.to(memory_format=torch.channels_last)
    setting = Setting(name, config, model, wrapper, {}, args.batch, amp=True)

    def train_one() -> float:
        """A step; seconds of waiting for its batch."""
        begun = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter() - begun
        setting.data = model.data_preprocessor(batch, True)
        float(setting.step())
        return waited

    for _ in range(3):
        train_one()
    waits, started = [], time.perf_counter()
    while time.perf_counter() - started < args.seconds * 2 / 3:
        waits.append(train_one())
    seconds = time.perf_counter() - started
    return dict(
        method=name,
        batch=args.batch,
        workers=args.workers,
        loader_per_s=alone_per_s,
        loop_per_s=len(waits) * args.batch / seconds,
        waiting=sum(waits) / seconds,
    )


def parse_args() -> argparse.Namespace:
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
    parser.add_argument('--images', type=int, default=8192, help='an epoch')
    parser.add_argument('--files', type=int, default=256, help='that differ')
    parser.add_argument(
        '--seconds', type=float, default=30.0, help='of each method'
    )
    parser.add_argument('--out', type=Path, help='a JSON file')
    args = parser.parse_args()
    args.device = args.device or (
        'cuda' if torch.cuda.is_available() else 'cpu'
    )
    return args


def main() -> int:
    """Measure and print."""
    args = parse_args()
    register_all_modules()
    logging.disable(logging.WARNING)  # each weight's initialisation
    torch.backends.cudnn.benchmark = True
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = linked_images(Path(name), args.files, args.images)
        for method in args.methods:
            row = measure(method, folder, args)
            rows.append(row)
            print(
                f'{method:13} batch {args.batch}, {args.workers} workers: '
                f'loader alone {row["loader_per_s"]:.0f} img/s, training '
                f'{row["loop_per_s"]:.0f} img/s, waiting '
                f'{row["waiting"]:.0%}',
                flush=True,
            )
            if args.out:
                content = dict(machine=machine(args.device), rows=rows)
                args.out.write_text(json.dumps(content, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
