"""Speed of one training step, per method and form of the computation.

python benchmarks/step.py [--paper] [--device cuda] [--methods pixpro ...]

A form adds one option of ``speed`` to those before it: float32; TF32; bfloat16
autocast; channels_last; torch.compile of backbone, neck and heads; a fused
optimizer. `ssl_bench.engine.speed` does it, as in a run. Each is printed in
images (not views) per second, next to the limit: the method's own passes of
its backbone, with and without gradient as the method makes them, on the same
batch, and their backward pass. There is no head, loss, queue, momentum update
or optimizer in it.

The batch is made once, on the device, by the config's own views of random
images, so no data is waited for. Without --paper the recipes of configs/mini
are measured at a small batch; with it, those of configs/, at 256 images, or
at half as many until the step fits the memory. On a CPU, one thread does it
and its own time counts, so that other programs change less.
"""

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from data_wait import main as measure_runs
from one_step import (
    DRAWN,
    METHODS,
    OURS,
    Setting,
    apply_form,
    drawn_items,
    prepare,
    write_images,
)
from step_rows import Report, Row
from timing import free, peak_mib, seconds_of, synchronise

from ssl_bench import register_all_modules
from ssl_bench.config import load_config
from ssl_bench.engine.compiling import compile_parts, parts_to_compile
from ssl_bench.engine.speed import backends, encoders

EAGER = ('float32', 'tf32', 'bfloat16', 'channels_last')
COMPILED = ('compile', 'fused')
FORMS = EAGER + COMPILED
# a compilation is not started with less time than this, in seconds
COMPILE_TIME = 60


class OutOfTime(Exception):
    """The limit of --seconds."""


def measure(setting: Setting, form: str, args) -> Row:
    """Time a step and its limit in one form."""
    row = Row(setting.name, form, setting.batch)
    row.note = apply_form(setting, form, args.device)
    return row if row.note else timed(setting, row, args)


def timed(setting: Setting, row: Row, args) -> Row:
    """A row with the times of a step and of its limit."""
    device = args.device
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    counters = torch._dynamo.utils.counters
    counters.clear()
    with backends(setting.on, device):
        row.images_per_s = setting.batch / seconds_of(
            setting.step, device, args.warm, args.runs
        )
        if row.form == 'compile':
            graphs = counters['stats']['unique_graphs']
            breaks = sum(counters['graph_break'].values())
            row.note = f'{graphs} graphs, {breaks} breaks'
        row.peak_mib = peak_mib(device)
        setting.model.zero_grad(set_to_none=True)
        row.limit_per_s = setting.batch / seconds_of(
            setting.limit, device, args.warm, args.runs
        )
    return row


def compiled_backbone(setting: Setting, note: str, args) -> Row:
    """The row of `compile` with backbones alone: the rest did not compile."""
    for module in parts_to_compile(setting.model):
        module.__dict__.pop('forward', None)
    torch._dynamo.reset()
    compile_parts(encoders(setting.model))
    row = timed(setting, Row(setting.name, 'compile', setting.batch), args)
    row.note = f'backbone alone, {row.note}: {note}'
    return row


def reason(error: Exception) -> str:
    """An error in a line."""
    return f'{type(error).__name__}: {" ".join(str(error).split())[:300]}'


def profile(setting: Setting, device: str, lines: int = 10) -> str:
    """Where one step's time goes, operators by their own time."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    kinds = [ProfilerActivity.CPU]
    if device == 'cuda':
        kinds.append(ProfilerActivity.CUDA)
    with backends(setting.on, device), record(activities=kinds) as found:
        setting.step()
        synchronise(device)
    order = f'self_{"cpu" if device == "cpu" else "device"}_time_total'
    return found.key_averages().table(
        sort_by=order, row_limit=lines, max_name_column_width=60
    )


def profile_or_reason(setting: Setting, device: str) -> str:
    """A profile; why there is none, if the profiler does not work here."""
    try:
        return profile(setting, device)
    except (RuntimeError, AttributeError) as error:
        return f'no profile: {error}'


def largest_setting(name: str, config, items: list, batch: int, args):
    """The method at the batch, or at half as many until a step fits."""
    while True:
        try:
            return prepare(name, config, items, batch, args.device)
        except torch.OutOfMemoryError:
            if batch <= 8:
                raise
        free(args.device)
        batch //= 2
        print(f'{name}: out of memory; trying {batch} images', flush=True)


def run_method(
    name: str, forms: list[str], config, items: list, batch: int, args, report
) -> int:
    """Measure forms, each on top of the ones before; returns the batch."""
    setting = largest_setting(name, config, items, batch, args)
    # what the forms come on top of, measured before or not asked for
    under = [form for form in EAGER if form in args.forms] or EAGER
    for form in under if set(forms) <= set(COMPILED) else []:
        apply_form(setting, form, args.device)
    last = [form for form in forms if form in EAGER][-1:]
    for form in forms:
        if form == 'compile' and args.left() < args.compile_time:
            report.add(Row(name, form, setting.batch, note='no time left'))
            break
        try:
            report.add(measure(setting, form, args))
        except torch.OutOfMemoryError:
            report.add(Row(name, form, setting.batch, note='out of memory'))
        except OutOfTime:
            raise
        except Exception as error:  # a compiler's: the rest still counts
            note = reason(error)
            if form != 'compile':
                report.add(Row(name, form, setting.batch, note=note))
                break
            try:
                report.add(compiled_backbone(setting, note, args))
            except OutOfTime:
                raise
            except Exception as second:
                note = reason(second)
                report.add(Row(name, form, setting.batch, note=note))
                break
        if [form] == last and args.profile:
            report.profiles[name] = profile_or_reason(setting, args.device)
            report.write()
    return setting.batch


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'])
    parser.add_argument('--paper', action='store_true', help='full sizes')
    parser.add_argument(
        '--methods',
        nargs='+',
        default=OURS,
        choices=[*METHODS, 'all'],
        metavar='NAME',
        help=f'of {", ".join(METHODS)}, or all; default: {", ".join(OURS)}',
    )
    parser.add_argument('--forms', nargs='+', default=FORMS, choices=FORMS)
    parser.add_argument('--batch', type=int, help='images; 256, small: 16')
    parser.add_argument(
        '--runs', type=int, help='timed steps, at most; 8, small: 3'
    )
    parser.add_argument('--warm', type=int, help='steps before; 2, small: 1')
    parser.add_argument(
        '--seconds', type=float, default=3600.0, help='stop after this long'
    )
    parser.add_argument(
        '--compile-time',
        type=float,
        default=COMPILE_TIME,
        help='seconds that must be left for a compilation to start',
    )
    parser.add_argument(
        '--profile',
        action='store_true',
        help='first 10 lines of a profile of the last form without compiler',
    )
    parser.add_argument(
        '--data',
        type=int,
        metavar='WORKERS',
        help='then the share of a run that waits for its data: data_wait.py',
    )
    parser.add_argument('--out', type=Path, help='a JSON file')
    args = parser.parse_args(words)
    if 'all' in args.methods:
        args.methods = [name for name in METHODS if args.paper or name in OURS]
    for name in args.methods:
        if not args.paper and name not in OURS:
            parser.error(f'{name} has no small recipe; add --paper.')
    args.batch = args.batch or (256 if args.paper else 16)
    args.runs = args.runs or (8 if args.paper else 3)
    if args.warm is None:
        args.warm = 2 if args.paper else 1
    args.device = args.device or (
        'cuda' if torch.cuda.is_available() else 'cpu'
    )
    end = time.monotonic() + args.seconds
    args.left = lambda: end - time.monotonic()
    return args


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` after so many seconds, wherever the program is."""

    def stop(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def measure_all(args: argparse.Namespace, report: Report) -> None:
    """All methods eager, then all compiled: the cheap numbers come first."""
    batches: dict[str, int] = {}
    parts = [
        [form for form in part if form in args.forms]
        for part in (EAGER, COMPILED)
    ]
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder) / 'images', DRAWN)
        items: dict[str, list] = {}
        for forms in filter(None, parts):
            for name in args.methods:
                config = load_config(METHODS[name][0 if args.paper else 1])
                if name not in items:
                    count = min(DRAWN, args.batch)
                    items[name] = drawn_items(config, images, count)
                batch = batches.get(name, args.batch)
                try:
                    batches[name] = run_method(
                        name, forms, config, items[name], batch, args, report
                    )
                except OutOfTime:
                    raise
                except Exception as error:  # the other methods still count
                    report.add(Row(name, forms[0], batch, note=reason(error)))
                free(args.device)


def wait_for_data(args: argparse.Namespace) -> None:
    """Runs with the real loader: how long they wait for a batch."""
    words = ['--paper'] * args.paper + ['--methods', *args.methods]
    words += ['--batch', str(args.batch), '--workers', str(args.data)]
    measure_runs(words)


def main(words: list[str] | None = None) -> int:
    """Measure; 0 if every form was measured or said why not."""
    args = parse_args(words)
    register_all_modules()
    logging.disable(logging.WARNING)  # each weight's initialisation
    if args.device == 'cpu':
        torch.set_num_threads(1)
    report = Report(args.out, args.device)
    try:
        with time_limit(args.seconds):
            measure_all(args, report)
    except OutOfTime:
        print(f'stopped after {args.seconds:.0f} s (--seconds)')
        report.write()
        return 1
    if args.data is not None:
        wait_for_data(args)
    failed = [row for row in report.rows if not row['images_per_s']]
    failed = [row for row in failed if 'Error' in row['note']]
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
