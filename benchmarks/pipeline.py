"""Cost of making views: the plain way against this project's.

python benchmarks/pipeline.py [--rows pixpro ...] [--photometric device]
    [--profile] [--workers 2] [--out FILE]

A row is a method: its views of JPEG files of 500x375 pixels (crops of
photographs, quality 90), once by Pillow and torchvision as the authors'
programs make them (benchmarks/plain_views.py) and once by the data set and
the transforms of this project's config. Both run in this process, in turns,
with one thread, and what is compared is CPU time. ``least`` is what decoding,
cropping and pasting take alone, the calls of our side repeated: a bound for
the colours on the device.

--photometric device  the workers leave the colours to the device; also
                      printed is what painting a batch on --device costs
--profile             where our side's time goes
--workers 2           the data loaders, each in a process of its own, with 1
                      and with so many workers: images per second, the first
                      batch, and the memory of a worker
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import PIL
import plain_views
import torch
import torchvision
from loaders import loaders, print_loaders
from PIL import features
from startup import processor
from view_rows import ROWS, config_of, our_dataset, write_photographs

# stage: the functions that do it, where they are looked up
STAGES: dict[str, tuple[str, ...]] = {
    'decode': ('ssl_bench.data.pretrain_dataset:read_rgb',),
    'rectangle': ('ssl_bench.data.views:draw_crop',),
    'crop': ('ssl_bench.data.views:resized_crop',),
    'flip': ('cv2:flip',),
    'planes': ('ssl_bench.data.views:in_planes',),
    'paste': ('ssl_bench.methods.insloc.views:composite',),
    'anchors': ('ssl_bench.methods.insloc.views:augment_box',),
    'mask': ('ssl_bench.methods.siamese_im.block_mask:BlockMask.__call__',),
    'draw': ('ssl_bench.data.photometric.recipe:Recipe.draw',),
    'pack': ('ssl_bench.data.views:PackViews.transform',),
    'collate': ('mmengine.dataset.utils:default_collate',),
}


def cpu_ms(call: Callable[[int], Any], indices: Sequence[int]) -> float:
    """Milliseconds of CPU of a call, the mean over indices."""
    started = time.process_time()
    for index in indices:
        call(index)
    return (time.process_time() - started) / len(indices) * 1000


def spread(values: Sequence[float]) -> dict[str, float]:
    """Smallest, middle and largest value."""
    return dict(
        min=min(values), median=statistics.median(values), max=max(values)
    )


def compared(plain: Sequence[float], ours: Sequence[float]) -> dict:
    """A row: milliseconds of both in each round, and their ratios.

    Args:
        plain, ours (sequence[float]): Of the same rounds.

    Returns:
        dict: ``plain_ms``, ``ours_ms`` and ``ratio``, how many times the
        plain way's cost ours is, each with min, median and max.
    """
    return dict(
        plain_ms=spread(plain),
        ours_ms=spread(ours),
        ratio=spread([a / b for a, b in zip(plain, ours, strict=True)]),
    )


def in_a_worker():
    """Let torch say that this process is a worker of a loader.

    The random state of the main process is kept in the main process only.
    """
    return patch.object(torch.utils.data._utils.worker, '_worker_info', True)


def compare(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Both ways of a row in alternating rounds."""
    config, way = ROWS[name]
    plain = plain_views.PlainImages(folder, getattr(plain_views, way)())
    settings, _ = config_of(config, folder, args.photometric)
    ours = our_dataset(settings)
    indices = range(len(plain))
    times: dict[str, list[float]] = dict(plain=[], ours=[], least=[])
    with in_a_worker():
        for index in (0, 1):  # imports, caches
            plain[index], ours[index]
        calls = [recorded(ours, index) for index in indices]
        for number in range(args.rounds):
            times['least'].append(cpu_ms(partial(replay, calls), indices))
            epoch = range(number * len(ours), (number + 1) * len(ours))
            order = [('plain', plain, indices), ('ours', ours, epoch)]
            for side, data, chosen in order if number % 2 else order[::-1]:
                times[side].append(cpu_ms(data.__getitem__, chosen))
    row = compared(times['plain'], times['ours'])
    least = compared(times['plain'], times['least'])
    return dict(row=name, **row) | dict(
        least_ms=least['ours_ms'], least_ratio=least['ratio']
    )


def recorded(data: Any, index: int) -> list[Callable[[], Any]]:
    """The calls that decode, crop and paste for an item, to be repeated."""
    calls: list[Callable[[], Any]] = []

    def noting(call: Callable) -> Callable:
        def noted(*args: Any) -> Any:
            calls.append(partial(call, *args))
            return call(*args)

        return noted

    with ExitStack() as stack:
        for stage in ('decode', 'crop', 'paste'):
            for place in STAGES[stage]:
                owner, name = found(place)
                call = noting(getattr(owner, name))
                stack.enter_context(patch.object(owner, name, call))
        data[index]
    return calls


def replay(calls: Sequence[Sequence[Callable[[], Any]]], index: int) -> None:
    """Repeat the calls of an item."""
    for call in calls[index]:
        call()


class Clock:
    """CPU time of stages; a stage inside another is not counted twice."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.running: list[float] = []  # time of inner stages

    def timed(self, stage: str, call: Callable) -> Callable:
        """The same call, counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.running.append(0.0)
            started = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                whole = time.process_time() - started
                own = whole - self.running.pop()
                self.seconds[stage] = self.seconds.get(stage, 0) + own
                if self.running:
                    self.running[-1] += whole

        return counted

    @contextmanager
    def listening(self):
        """Count the functions of `STAGES`, and each change of colours."""
        from ssl_bench.data.photometric import on_image

        with ExitStack() as stack:
            for stage, places in STAGES.items():
                for place in places:
                    owner, name = found(place)
                    call = self.timed(stage, getattr(owner, name))
                    stack.enter_context(patch.object(owner, name, call))
            paint = {
                name: self.timed(name, call)
                for name, call in on_image.PAINT.items()
            }
            stack.enter_context(patch.dict(on_image.PAINT, paint))
            yield


def found(place: str) -> tuple[Any, str]:
    """The module or class that has a function, and its name there."""
    module, _, path = place.partition(':')
    *owners, name = path.split('.')
    owner = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    return owner, name


def profile(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Milliseconds per image of each stage of our side, and of the rest."""
    from mmengine.dataset import utils

    config, _ = config_of(ROWS[name][0], folder, args.photometric)
    ours = our_dataset(config)
    clock, count = Clock(), len(ours) * args.rounds
    ours[0]
    with in_a_worker(), clock.listening():
        whole = clock.timed('other', ours.__getitem__)
        items = [whole(index) for index in range(count)][: args.batch]
    with clock.listening():
        utils.default_collate(items)
    seconds = dict(clock.seconds)
    collate = seconds.pop('collate', 0.0)
    stages = {
        stage: value / count * 1000
        for stage, value in sorted(seconds.items(), key=lambda kv: -kv[1])
    }
    return stages | dict(collate=collate / len(items) * 1000)


def painting(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Milliseconds per image of a batch on the device.

    Returns:
        dict: ``paint_ms``, copying a batch and changing its colours;
        ``prepare_ms``, the data preprocessor after it (floats, mean and
        deviation); each with min, median and max.
    """
    from mmengine.dataset import default_collate
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    config, painter = config_of(ROWS[name][0], folder, 'device')
    ours = our_dataset(config)
    batch = default_collate([ours[index] for index in range(args.batch)])
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        preprocessor = MODELS.build(
            config.model.get('data_preprocessor') or config.data_preprocessor
        ).to(args.device)
    painted = painter.painted(batch, preprocessor)
    # on a CPU, other programs should not count
    clock = time.process_time if args.device == 'cpu' else time.perf_counter
    times: dict[str, list[float]] = dict(paint_ms=[], prepare_ms=[])
    for _ in range(max(args.rounds, 2)):
        for key, call in (
            ('paint_ms', lambda: painter.painted(batch, preprocessor)),
            ('prepare_ms', lambda: preprocessor(dict(painted), True)),
        ):
            synchronise(args.device)
            started = clock()
            call()
            synchronise(args.device)
            seconds = clock() - started
            times[key].append(seconds / args.batch * 1000)
    return dict(row=name, device=args.device, batch=args.batch) | {
        key: spread(values) for key, values in times.items()
    }


def synchronise(device: str) -> None:
    """Wait for what an accelerator was given."""
    if torch.device(device).type != 'cpu':
        torch.accelerator.synchronize(device)


def machine() -> dict:
    """What the numbers depend on."""
    turbo = features.version_feature('libjpeg_turbo')
    return dict(
        processor=processor(),
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        pillow=PIL.__version__,
        pillow_jpeg=f'libjpeg-turbo {turbo}'
        if turbo
        else f'libjpeg {features.version("jpg")}',
        opencv=cv2.__version__,
        opencv_jpeg=opencv_jpeg(),
        numpy=np.__version__,
    )


def opencv_jpeg() -> str:
    """The JPEG library of OpenCV."""
    lines = cv2.getBuildInformation().splitlines()
    found = [line.split(':', 1)[1] for line in lines if ' JPEG:' in line]
    return found[0].strip() if found else ''


def print_row(row: dict) -> None:
    """A line of the table."""
    numbers = [row['plain_ms']['median'], row['ours_ms']['median']]
    ratio, least = row['ratio'], row['least_ms']['median']
    print(
        f'{row["row"]:18} {numbers[0]:9.2f} {numbers[1]:9.2f} '
        f'{1000 / numbers[0]:9.1f} {1000 / numbers[1]:9.1f} '
        f'{ratio["min"]:8.2f} {ratio["median"]:7.2f} {ratio["max"]:7.2f} '
        f'{least:9.2f} {row["least_ratio"]["median"]:6.2f}',
        flush=True,
    )


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--rows', nargs='+', default=list(ROWS), choices=ROWS)
    parser.add_argument('--images', type=int, default=64, help='JPEG files')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--photometric', choices=['worker', 'device'], default='worker'
    )
    parser.add_argument('--device', default='cpu', help='that paints')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--profile', action='store_true')
    parser.add_argument('--workers', type=int, default=0)
    parser.add_argument('--tiny', action='store_true', help='smallest sizes')
    parser.add_argument('--out', type=Path, help='a JSON file')
    args = parser.parse_args(words)
    if args.tiny:
        args.images, args.rounds, args.batch = 4, 2, 2
    return args


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    args = parse_args(words)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    report: dict = dict(machine=machine(), photometric=args.photometric)
    print(json.dumps(report), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_photographs(Path(temporary) / 'images', args.images)
        measure(folder, args, report)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1))
    return 0


def measure(folder: Path, args: argparse.Namespace, report: dict) -> None:
    """All rows, printed and put into the report."""
    report['rows'] = []
    print(
        f'{"CPU of one process":18} {"plain, ms":>9} {"ours, ms":>9} '
        f'{"img/s":>9} {"img/s":>9} {"min":>8} {"ratio":>7} {"max":>7} '
        f'{"least, ms":>9} {"ratio":>6}'
    )
    for name in args.rows:
        report['rows'].append(compare(name, folder, args))
        print_row(report['rows'][-1])
    if args.profile:
        report['profile'] = {}
        for name in args.rows:
            stages = report['profile'][name] = profile(name, folder, args)
            text = ', '.join(f'{k} {v:.2f}' for k, v in stages.items())
            print(f'{name:18} ms per image: {text}', flush=True)
    if args.photometric == 'device':
        report['painting'] = []
        for name in args.rows:
            row = painting(name, folder, args)
            report['painting'].append(row)
            paint, prepare = row['paint_ms'], row['prepare_ms']
            print(
                f'{name:18} on {args.device}, batch {args.batch}: painting '
                f'{paint["median"]:.3f} ms per image ({paint["min"]:.3f} to '
                f'{paint["max"]:.3f}), then the data preprocessor '
                f'{prepare["median"]:.3f} ms',
                flush=True,
            )
    if args.workers:
        report['loaders'] = []
        for name in args.rows:
            report['loaders'].append(loaders(name, folder, args))
            print_loaders(report['loaders'][-1])


if __name__ == '__main__':
    sys.exit(main())
