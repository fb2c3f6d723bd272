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
import copy
import gc
import json
import logging
import platform
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor, nn

from ssl_bench import register_all_modules
from ssl_bench.config import load_config
from ssl_bench.engine.compiling import compile_parts, parts_to_compile
from ssl_bench.engine.param_groups import MergedGroups
from ssl_bench.engine.speed import (
    OPTIONS,
    Speed,
    backends,
    choose,
    convert,
    encoders,
    limits,
    set_up,
)

# name: config of the paper's size, and of the embedded images if there is one
METHODS: dict[str, tuple[str, str | None]] = {
    'mocov2': ('mocov2_r50_200e', 'mini/mocov2_r18'),
    'pixpro': ('pixpro_r50_100e', 'mini/pixpro_r18'),
    'insloc_fpn': ('insloc_r50_fpn', 'mini/insloc_r18_fpn'),
    'lewel_b': ('lewel_b_eman_r50_100e', 'mini/lewel_b_r18'),
    'barlow_twins': ('barlow_twins_r50_300e', 'mini/barlow_twins_r18'),
    'siamese_im': ('siamese_im_vitb16_400e', 'mini/siamese_im_vit_tiny'),
    'pixcontrast': ('pixcontrast_r50_100e', 'mini/pixcontrast_r18'),
    'insloc_c4': ('insloc_r50_c4', 'mini/insloc_r18_c4'),
    'lewel_m': ('lewel_m_r50_200e', 'mini/lewel_m_r18'),
    'simsiam': ('simsiam_r50_100e', None),
    'simclr': ('simclr_r50_200e', None),
    'byol': ('byol_r50_300e', None),
    'densecl': ('densecl_r50_200e', None),
    'mocov3': ('mocov3_vitb16_300e', None),
    'mae': ('mae_vitb16_800e', None),
}
OURS = tuple(name for name, (_, mini) in METHODS.items() if mini)
EAGER = ('float32', 'tf32', 'bfloat16', 'channels_last')
COMPILED = ('compile', 'fused')
FORMS = EAGER + COMPILED
# the option that a form adds, where it has another name
ADDS = dict(bfloat16='amp')
# a compilation is not started with less time than this, in seconds
COMPILE_TIME = 60
ENOUGH = 1.5  # seconds that are measured, if three steps do not take more
DRAWN = 16  # images that the views are made of; the batch repeats them


class OutOfTime(Exception):
    """The limit of --seconds."""


@dataclass
class Row:
    """What is known of one method in one form."""

    method: str
    form: str
    batch: int
    images_per_s: float | None = None
    limit_per_s: float | None = None
    peak_mib: float | None = None
    note: str = ''

    @property
    def share(self) -> float | None:
        """Speed as a fraction of the limit."""
        if not self.images_per_s or not self.limit_per_s:
            return None
        return self.images_per_s / self.limit_per_s


@dataclass
class Setting:
    """One method on one device, in the form it has at the moment."""

    name: str
    config: Any
    model: nn.Module
    wrapper: Any
    data: dict
    batch: int
    passes: list = field(default_factory=list)
    on: Speed = Speed()

    def step(self) -> Tensor:
        """One training step without hooks and logs: the loss."""
        with self.wrapper.optim_context(self.model):
            terms = self.model(**self.data, mode='loss')
        loss, _ = self.model.parse_losses(terms)
        self.wrapper.update_params(loss)
        return loss.detach()

    def limit(self) -> None:
        """The backbone's passes of such a step, and their backward pass."""
        outputs, grads = [], []
        with self.wrapper.optim_context(self.model):
            for module, inputs, grad in self.passes:
                with nullcontext() if grad else torch.no_grad():
                    result = module(*inputs)
                if grad:
                    maps = tensors_of(result)
                    outputs += maps
                    grads += [torch.ones_like(one) for one in maps]
        torch.autograd.backward(outputs, grads)
        self.model.zero_grad(set_to_none=True)


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors with a gradient in what a backbone returns."""
    parts = [result] if isinstance(result, Tensor) else list(result)
    return [
        part
        for part in parts
        if isinstance(part, Tensor) and part.requires_grad
    ]


def write_images(folder: Path, count: int, size=(500, 375)) -> Path:
    """JPEG files of smooth random colours; returns the folder."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        noise = rng.integers(-12, 13, (size[1], size[0], 3))
        pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f'{index:05d}.jpg', quality=90)
    return folder


def drawn_items(config, folder: Path, count: int) -> list[dict]:
    """Views of images in a folder, as the config's loader makes them."""
    from mmpretrain.registry import DATASETS

    settings = copy.deepcopy(config.train_dataloader.dataset)
    settings.data_root = str(folder)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(settings)
    return [dataset[index] for index in range(count)]


def batch_of(items: list[dict], model: nn.Module, batch: int) -> dict:
    """A batch that repeats the items, on the model's device, normalised."""
    rows = [copy.deepcopy(items[i % len(items)]) for i in range(batch)]
    return model.data_preprocessor(default_collate(rows), True)


def plain_speed(config) -> None:
    """Turn off what a form can add; cuDNN's choice is not one of these."""
    config.speed = dict.fromkeys(OPTIONS, False) | dict(cudnn_benchmark='auto')


def build(config, device: str) -> tuple[nn.Module, Any]:
    """A config's model on a device, and its optimizer's wrapper."""
    from mmpretrain.registry import MODELS

    plain_speed(config)
    set_up(config, choose(config, device), device)
    # mmpretrain's moving averages read the length of the run there
    MessageHub.get_current_instance().update_info('max_iters', 1000)
    settings = {'data_preprocessor': config.get('data_preprocessor')}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        torch.manual_seed(0)
        model = MODELS.build(settings | config.model)
        model.init_weights()
        model = model.to(device).train()
    for module in model.modules():
        if hasattr(module, 'set_total_steps'):
            module.set_total_steps(1000)
    return model, build_wrapper(model, config)


def build_wrapper(model: nn.Module, config) -> Any:
    """The optimizer's wrapper, with merged groups as in a run."""
    settings = copy.deepcopy(config.optim_wrapper)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        wrapper = build_optim_wrapper(model, settings)
    MergedGroups(wrapper.optimizer)
    return wrapper


def record_passes(setting: Setting) -> list:
    """Module, inputs and need of gradient of each backbone pass of a step."""
    found: list = []

    def listen(module: nn.Module, inputs: tuple) -> None:
        copies = tuple(
            x.detach().clone() if isinstance(x, Tensor) else x for x in inputs
        )
        found.append((module, copies, torch.is_grad_enabled()))

    handles = [
        module.register_forward_pre_hook(listen)
        for module in encoders(setting.model)
    ]
    setting.step()
    for handle in handles:
        handle.remove()
    return found


def prepare(name: str, config, items: list, batch: int, device: str):
    """A method at a batch size, its passes recorded."""
    config = copy.deepcopy(config)
    config.train_dataloader.batch_size = batch
    model, wrapper = build(config, device)
    data = batch_of(items, model, batch)
    setting = Setting(name, config, model, wrapper, data, batch)
    setting.passes = record_passes(setting)
    return setting


def apply_form(setting: Setting, form: str, device: str) -> str:
    """Add one form to those that a setting has; say what is left out."""
    if form == 'float32':
        return ''
    option = ADDS.get(form, form)
    why_not, _ = limits(setting.config, device)[option]
    if why_not:
        return why_not
    setting.config.speed[option] = True
    setting.on = choose(setting.config, device)
    set_up(setting.config, setting.on, device)
    if option in ('amp', 'fused'):
        setting.wrapper = build_wrapper(setting.model, setting.config)
    if option == 'compile':
        torch._dynamo.reset()
    if option in ('channels_last', 'compile'):
        convert(setting.model, Speed(**{option: True}))
    return ''


def seconds_of(call: Callable, device: str, warm: int, runs: int) -> float:
    """Median seconds of a call, after some that are not counted.

    Of slow calls there are fewer than ``runs``, but three at least.
    """
    for _ in range(warm):
        call()
    synchronise(device)
    started = time.perf_counter()
    call()
    synchronise(device)
    once = time.perf_counter() - started
    runs = min(runs, max(3, int(ENOUGH / once)))
    if device == 'cpu':
        times = []
        for _ in range(runs):
            started = time.process_time()
            call()
            times.append(time.process_time() - started)
        return statistics.median(times)
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    times = [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]
    return statistics.median(times) / 1000


def synchronise(device: str) -> None:
    """Wait for a GPU."""
    if device == 'cuda':
        torch.cuda.synchronize()


def peak_mib(device: str) -> float:
    """Largest memory so far: of the device, or of the process on a CPU."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


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


def free(device: str) -> None:
    """Give memory back."""
    gc.collect()
    if device == 'cuda':
        torch.cuda.empty_cache()


class Report:
    """Prints rows as they come, and keeps a JSON file up to date."""

    def __init__(self, path: Path | None, device: str) -> None:
        self.path, self.rows = path, []
        self.profiles: dict[str, str] = {}
        self.machine = machine(device)
        print(json.dumps(self.machine), flush=True)
        print(
            f'{"method":13} {"form":14} {"batch":>5} {"img/s":>9} '
            f'{"limit":>9} {"share":>6} {"MiB":>7}'
        )

    def add(self, row: Row) -> None:
        """One line, and the file."""
        self.rows.append(asdict(row) | dict(share=row.share))
        numbers = [
            f'{value:9.1f}' if value else f'{"-":>9}'
            for value in (row.images_per_s, row.limit_per_s)
        ]
        share = f'{row.share:6.2f}' if row.share else f'{"-":>6}'
        memory = f'{row.peak_mib:7.0f}' if row.peak_mib else f'{"-":>7}'
        print(
            f'{row.method:13} {row.form:14} {row.batch:5} '
            f'{" ".join(numbers)} {share} {memory} {row.note}',
            flush=True,
        )
        self.write()

    def write(self) -> None:
        """The rows so far."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = dict(
                machine=self.machine, rows=self.rows, profiles=self.profiles
            )
            self.path.write_text(json.dumps(content, indent=1))


def machine(device: str) -> dict:
    """What the numbers depend on."""
    import mmcv
    import torchvision

    facts = dict(
        device=device,
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        mmcv=mmcv.__version__,
        threads=torch.get_num_threads(),
    )
    if device == 'cuda':
        facts |= dict(
            card=torch.cuda.get_device_name(),
            memory_gib=round(
                torch.cuda.get_device_properties(0).total_memory / 2**30, 1
            ),
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
            driver=driver(),
        )
    return facts


def driver() -> str:
    """The version of NVIDIA's driver; empty if it does not tell."""
    try:
        text = Path('/proc/driver/nvidia/version').read_text()
    except OSError:
        return ''
    return next((word for word in text.split() if word.count('.') >= 2), '')


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
    from data_wait import main as measure_runs  # which imports this file

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
