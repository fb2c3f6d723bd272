"""How a training step's time and memory grow with what the user chooses.

python benchmarks/scaling.py [--methods pixpro] [--quantities batch queue]

Each method is measured at rising batches, queue lengths, image sizes, pyramid
levels (InsLoc) and embedding widths (Barlow Twins), one of them at a time;
the list of the training images at rising numbers of files. A slope is the
exponent of a power law, fitted to all sizes; `last` is that of the two largest
sizes, where what grows fastest shows most. Sizes are counted in images, keys,
pixels of a view, levels, features and files, so 1 is linear.

Time is CPU time on a CPU, without the kernel's, and that of CUDA events on a
GPU; of repeated steps it is the shortest. Memory is that of the model and its
optimizer, and the most that one step allocates besides. The recipes of
configs/mini are measured; with --paper those of configs/. Returns 1 if
something grows faster than linear and faster than the method's formula.
"""

import argparse
import gc
import itertools
import json
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import one_step
import torch
from growth import FASTER, Row, as_markdown, growths, picture
from step_rows import machine as machine_of
from timing import free
from torch import nn

from ssl_bench import register_all_modules
from ssl_bench.config import load_config
from ssl_bench.engine.speed import Speed, backends
from ssl_bench.files import write_text

QUEUES = {
    'mocov2': 'model.queue_len',
    'lewel_m': 'model.queue_len',
    'insloc_fpn': 'model.queue_length',
    'insloc_c4': 'model.queue_length',
    'densecl': 'model.queue_len',
}
METHODS = {
    'batch': one_step.OURS,
    'queue': tuple(name for name in QUEUES if name in one_step.OURS),
    'pixels': one_step.OURS,
    'levels': ('insloc_fpn',),
    'width': ('barlow_twins',),
    'files': ('images',),
}
# sides of views for 'pixels'
SIZES: dict[str, tuple[int, ...]] = {
    'batch': (8, 16, 32, 64, 128),
    'queue': (2048, 4096, 8192, 16384, 32768),
    'pixels': (64, 96, 128, 192),
    'levels': (1, 2, 3, 4),
    'width': (256, 512, 1024, 2048, 4096),
    'files': (4000, 8000, 16000, 32000, 64000),
}
PAPER: dict[str, tuple[int, ...]] = SIZES | {
    'batch': (16, 32, 64, 128, 256),
    'queue': (4096, 16384, 65536),
    'pixels': (128, 192, 256, 320),
    'width': (1024, 2048, 4096, 8192, 16384),
}
TINY: dict[str, tuple[int, ...]] = {
    'batch': (4, 8),
    'queue': (64, 128),
    'pixels': (64, 96),
    'levels': (1, 2),
    'width': (64, 128),
    'files': (40, 80),
}
BATCH = {'queue': 32, 'pixels': 8, 'levels': 16, 'width': 64}


def resized(name: str, side: int, config: Any) -> dict[str, Any]:
    """The edits that give a method views of ``side`` pixels."""
    data = 'train_dataloader.dataset.pipeline'
    if name.startswith('insloc'):
        return {
            f'{data}.InsLocViews.canvas': (side, side),
            f'{data}.InsLocViews.size_range': (side // 2, side),
        }
    edits = {f'{data}.MakeViews.views.*.size': side}
    if name == 'siamese_im':
        patch = config.model.backbone.get('patch_size', 16)
        patches = (side // patch) ** 2
        edits |= {
            'model.backbone.img_size': side,
            f'{data}.AddBlockMask.size': side,
            'model.num_masked': round(118 / 196 * patches),
        }
    return edits


def with_levels(count: int, config: Any) -> dict[str, Any]:
    """The edits that leave InsLoc the finest pyramid levels."""
    widths = config.model.neck.in_channels
    return {
        'model.backbone.out_indices': tuple(range(count)),
        'model.neck.in_channels': list(widths[:count]),
        'model.neck.num_outs': count,
        'model.roi_head.strides': config.model.roi_head.strides[:count],
        'model.augmented_levels': (count - 1,),
    }


def edits_of(
    quantity: str, name: str, size: int, config: Any
) -> dict[str, Any]:
    """What a config needs for one size of a quantity."""
    if quantity == 'queue':
        return {QUEUES[name]: size}
    if quantity == 'pixels':
        return resized(name, size, config)
    if quantity == 'levels':
        return with_levels(size, config)
    if quantity == 'width':
        return {
            'model.neck.out_channels': size,
            'model.head.in_channels': size,
        }
    return {QUEUES[name]: SIZES['queue'][0]} if name in QUEUES else {}


def held_bytes(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Bytes of weights, buffers and the optimizer's state."""
    state = [
        value
        for values in optimizer.state.values()
        for value in values.values()
    ]
    tensors = [*model.parameters(), *model.buffers(), *state]
    return sum(
        tensor.nbytes for tensor in tensors if isinstance(tensor, torch.Tensor)
    )


def peak_bytes(call: Callable[[], Any], device: str) -> int:
    """The most that a call has allocated at one time."""
    if device == 'cuda':
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(
        activities=kinds, profile_memory=True
    ) as found:
        call()
    with tempfile.NamedTemporaryFile(suffix='.json') as file:
        found.export_chrome_trace(file.name)
        events = json.loads(Path(file.name).read_bytes())['traceEvents']
    changes = [
        event['args']['Bytes']
        for event in sorted(
            (event for event in events if event.get('name') == '[memory]'),
            key=lambda event: event['ts'],
        )
    ]
    return max(itertools.accumulate(changes), default=0)


def seconds_of(call: Callable[[], Any], device: str) -> float:
    """Of one call: the program's CPU time, or the device's own.

    The kernel's time is left out: it is that of memory for large tensors,
    which malloc takes and gives back each time.
    """
    if device == 'cpu':
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        call()
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    first.record()
    call()
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1000


def measure(
    quantity: str, name: str, sizes: tuple[int, ...], folder: Path, args
) -> list[Row]:
    """Steps of one method at all sizes, in turns."""
    recipe = one_step.METHODS[name][0 if args.paper else 1]
    settings = []
    for size in sizes:
        batch = size if quantity == 'batch' else args.batches[quantity]
        edits = edits_of(quantity, name, size, load_config(recipe))
        config = load_config(recipe, edits)
        items = one_step.drawn_items(config, folder, min(batch, args.drawn))
        model, wrapper = one_step.build(config, args.device)
        data = one_step.batch_of(items, model, batch)
        setting = one_step.Setting(name, config, model, wrapper, data, batch)
        setting.step()
        settings.append(setting)
    times: list[list[float]] = [[] for _ in sizes]
    for _ in range(args.rounds):
        for found, setting in zip(times, settings):
            found.append(seconds_of(setting.step, args.device))
    rows = []
    for size, found, setting in zip(sizes, times, settings):
        held = held_bytes(setting.model, setting.wrapper.optimizer)
        peak = peak_bytes(setting.step, args.device)
        rows.append(
            Row(
                quantity,
                name,
                size**2 if quantity == 'pixels' else size,
                min(found),
                (held + peak) / 2**20,
            )
        )
    return rows


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096 / 2**20


def list_files(folder: str) -> tuple[float, float]:
    """CPU seconds and MiB of a loader over a folder, up to its order."""
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    config = load_config('mini/pixpro_r18')
    settings = config.train_dataloader
    settings.dataset.data_root = folder
    settings.update(num_workers=0, persistent_workers=False)
    gc.collect()
    gc.freeze()  # else it copies the parent's memory while it counts
    before, started = resident_mib(), time.process_time()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        loader = Runner.build_dataloader(settings, seed=0)
    next(iter(loader.batch_sampler))
    return time.process_time() - started, resident_mib() - before


def measure_files(
    sizes: tuple[int, ...], folder: Path, rounds: int
) -> list[Row]:
    """The list of the training images, in processes of their own."""
    rows, made = [], 0
    for size in sizes:
        for index in range(made, size):
            path = folder / f'list/{index // 1300:04d}/{index:08d}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if not made:  # imports and caches, which the processes share
            list_files(str(folder / 'list'))
        made = size
        fork = multiprocessing.get_context('fork')
        with fork.Pool(1, maxtasksperchild=1) as pool:
            found = [
                pool.apply(list_files, (str(folder / 'list'),))
                for _ in range(rounds)
            ]
        rows.append(Row('files', 'images', size, *map(min, zip(*found))))
    return rows


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'])
    parser.add_argument('--paper', action='store_true', help='full sizes')
    parser.add_argument('--tiny', action='store_true', help='smallest sizes')
    parser.add_argument(
        '--methods', nargs='+', default=one_step.OURS, choices=one_step.OURS
    )
    parser.add_argument(
        '--quantities', nargs='+', default=[*SIZES], choices=SIZES
    )
    parser.add_argument('--rounds', type=int, help='timed steps; 5, tiny: 1')
    parser.add_argument('--out', type=Path, help='a JSON file')
    parser.add_argument('--picture', type=Path, help='an SVG file')
    args = parser.parse_args(words)
    args.device = args.device or (
        'cuda' if torch.cuda.is_available() else 'cpu'
    )
    args.sizes = TINY if args.tiny else PAPER if args.paper else SIZES
    args.batches = dict.fromkeys(BATCH, 4) if args.tiny else BATCH
    args.drawn = 2 if args.tiny else one_step.DRAWN
    args.rounds = args.rounds or (1 if args.tiny else 5)
    return args


def main(words: list[str] | None = None) -> int:
    """Measure, print and draw; 1 if something grows too fast."""
    args = parse_args(words)
    register_all_modules()
    logging.disable(logging.WARNING)  # each weight's initialisation
    torch.set_num_threads(1)
    machine = machine_of(args.device)
    print(json.dumps(machine), flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = one_step.write_images(folder / 'images', args.drawn)
        for quantity in args.quantities:
            sizes = args.sizes[quantity]
            if quantity == 'files':
                new = [measure_files(sizes, folder, args.rounds)]
            else:
                new = (
                    measure(quantity, method, sizes, images, args)
                    for method in METHODS[quantity]
                    if method in args.methods
                )
            with backends(Speed(), args.device):  # plain float32
                for found in new:
                    for growth in growths(found):
                        print(growth.line(), flush=True)
                    rows += found
                    free(args.device)
                    if args.out:
                        content = dict(
                            machine=machine, rows=[asdict(row) for row in rows]
                        )
                        write_text(args.out, json.dumps(content, indent=1))
    found = growths(rows)
    print('\n' + as_markdown(found))
    if args.picture:
        write_text(args.picture, picture(found))
    fast = [growth for growth in found if growth.verdict == FASTER]
    return int(bool(fast))


if __name__ == '__main__':
    sys.exit(main())
