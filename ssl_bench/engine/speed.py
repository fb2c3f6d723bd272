"""What makes a pretraining fast: which options are on, and what they do.

A config's ``speed`` is a dict of these options, each True, False or
``'auto'``, which is the value of those left out: what is fast on the device
and changes nothing but how results are rounded. Only one module decides it, so
that `ssl-bench pretrain` and ``benchmarks/step.py`` do the same.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ssl_bench.engine.compiling import (
    compile_parts,
    parts_to_compile,
    require_compiler,
)
from ssl_bench.engine.distributed import cpu_wrapper, unwrapped
from ssl_bench.engine.optim import leave_out_mixed, set_precision
from ssl_bench.errors import UserError, unknown_name

HAVE_FUSED = ('Adagrad', 'Adam', 'AdamW', 'SGD')  # torch's
SINGLE = 'single precision: mixed needs an accelerator'
LABEL = 'speed: '  # how the line of a checkpoint begins


@dataclasses.dataclass(frozen=True)
class Speed:
    """What is on in a run.

    Args:
        amp (bool): bfloat16 autocast. False in a config is single precision,
            ``'auto'`` what its ``optim_wrapper`` says, if it can run here.
        compile (bool): torch.compile of backbone, neck, heads, and their
            moving averages. ``'auto'`` is off: it takes minutes at the start.
        channels_last (bool): Convolutions stored with channels last.
        tf32 (bool): TF32 in matrix products and convolutions.
        cudnn_benchmark (bool): cuDNN times its algorithms and takes the
            fastest.
        prefetch (bool): The next batch's images are copied to the device
            while a step runs.
        fused (bool): The optimizer's fused form.
        bucket_view (bool): Gradients are views of the buffers that processes
            exchange, which saves a copy and its memory.
        static_graph (bool): Every step uses the same parameters, so that
            DistributedDataParallel looks for unused ones once. ``'auto'`` is
            off: only the user knows.
    """

    amp: bool = False
    compile: bool = False
    channels_last: bool = False
    tf32: bool = False
    cudnn_benchmark: bool = False
    prefetch: bool = False
    fused: bool = False
    bucket_view: bool = False
    static_graph: bool = False

    def __str__(self) -> str:
        """What is on, in words; empty if nothing is."""
        words = dict(
            amp='bfloat16 autocast',
            compile='torch.compile',
            tf32='TF32',
            cudnn_benchmark='cuDNN benchmark',
            fused='fused optimizer',
            bucket_view='gradients as bucket views',
            static_graph='static graph',
        )
        return ', '.join(
            words.get(name, name)
            for name, on in dataclasses.asdict(self).items()
            if on
        )


OPTIONS = tuple(field.name for field in dataclasses.fields(Speed))


def choose(config: Config, device: str, processes: int = 1) -> Speed:
    """Decide what is on.

    Args:
        config (Config): A pretraining config.
        device (str): ``'cpu'``, ``'cuda'`` or another type.
        processes (int): Of the run.

    Raises:
        UserError: An unknown option or value, or one that cannot be on here.
    """
    _refuse_old_keys(config)
    asked = given(config.get('speed'))
    on: dict[str, bool] = {}
    for name, value in asked.items():
        if name not in OPTIONS:
            raise unknown_name('option of speed', name, OPTIONS)
        if not isinstance(value, bool) and value != 'auto':  # 1 is True
            raise UserError(
                f"speed.{name} must be True, False or 'auto', not {value!r}."
            )
    for name, (why_not, auto) in limits(config, device).items():
        value = asked.get(name, 'auto')
        if value is True and why_not:
            raise UserError(
                f"speed.{name}=True: {why_not}. Leave it out ('auto')."
            )
        on[name] = auto and not why_not if value == 'auto' else bool(value)
    if on['compile']:
        require_compiler(device)
    if processes == 1:
        on['bucket_view'] = on['static_graph'] = False
    return Speed(**on)


def _refuse_old_keys(config: Config) -> None:
    """Options that stood elsewhere must not be read over."""
    old = {
        'channels_last': config.get('channels_last'),
        'env_cfg.cudnn_benchmark': (config.get('env_cfg') or {}).get(
            'cudnn_benchmark'
        ),
    }
    for key, value in old.items():
        if value:
            name = key.rpartition('.')[2]
            raise UserError(
                f'{key} is not read in a pretraining: write '
                f'speed.{name} (speed=dict({name}=True)).'
            )


def limits(config: Config, device: str) -> dict[str, tuple[str, bool]]:
    """What a device and a config leave of the options.

    Args:
        config (Config): A pretraining config.
        device (str): As of `choose`.

    Returns:
        dict: Of each option, why it cannot be on here (empty if it can), and
        what ``'auto'`` is then.
    """
    cuda = device == 'cuda'
    exact = config.get('randomness', {}).get('deterministic', False)
    no_tf32 = (
        ''
        if cuda and torch.cuda.get_device_capability()[0] >= 8
        else 'the device has no TF32'
    )
    by_time = (
        'randomness.deterministic=True does not allow kernels that are '
        'chosen by their time'
    )
    settings = config.optim_wrapper.get('optimizer') or {}
    kind = getattr(settings.get('type'), '__name__', settings.get('type'))
    own = 'fused' in settings or 'foreach' in settings
    wrapper = (config.get('model_wrapper_cfg') or {}).get('type')
    other = wrapper not in (None, 'MMDistributedDataParallel')
    ddp = f'{wrapper} is not DistributedDataParallel' if other else ''
    parts = config.optim_wrapper.get('accumulative_counts', 1) > 1
    # torch 2.14's reducer then fails its own check
    accumulated = 'it does not work with accumulated gradients' * parts
    return dict(
        amp=('', False),
        compile=(by_time if exact else '', False),
        # with torch 2.14 and oneDNN 3.12 on an AVX2 machine, training of
        # small ResNets wrote outside its memory and crashed
        channels_last=('it is not safe on a CPU' * (device == 'cpu'), cuda),
        tf32=(no_tf32, True),
        cudnn_benchmark=(
            (by_time if exact else '') if cuda else 'the device has no cuDNN',
            True,
        ),
        prefetch=('', cuda),
        fused=(
            '' if kind in HAVE_FUSED else f'{kind} has no fused form',
            cuda and not own,
        ),
        bucket_view=(ddp, True),
        static_graph=(ddp or accumulated, False),
    )


def set_up(config: Config, on: Speed, device: str) -> list[str]:
    """Write into a config what has to be there before it is built.

    Args:
        config (Config): A pretraining config, changed in place.
        on (Speed): Of `choose`.
        device (str): As there.

    Returns:
        list[str]: What the run's checkpoints say of it.
    """
    wrapper = config.optim_wrapper
    single = False
    if on.amp:
        set_precision(wrapper, 'BFloat16OptimWrapper')
    elif (config.get('speed') or {}).get('amp') is False:
        set_precision(wrapper, 'OptimWrapper')
    elif device == 'cpu':
        single = leave_out_mixed(wrapper)
    if on.fused:
        wrapper.optimizer.fused = True
    if on.prefetch and device != 'cpu':
        # a copy out of other memory does not run next to a step
        config.train_dataloader.setdefault('pin_memory', True)
    if on.bucket_view or on.static_graph:
        given = cpu_wrapper(config, config.get('model_wrapper_cfg'))
        del given['device_ids']
        config.model_wrapper_cfg = given | dict(
            gradient_as_bucket_view=on.bucket_view,
            static_graph=on.static_graph,
        )
    return [SINGLE] * single + [f'{LABEL}{on}'] * bool(str(on))


def begun_with(changes: Any, now: list[str]) -> list[str]:
    """What a run that goes on says, if its beginning had other options.

    Args:
        changes (list[str], optional): Of the checkpoint; None if that one
            says nothing of changes.
        now (list[str]): Of the run.
    """
    if changes is None:
        return []
    kept = [text for text in changes if text.startswith('begun with speed')]
    lines = [
        next((text for text in texts if text.startswith(LABEL)), LABEL)
        for texts in (changes, now)
    ]
    if lines[0] != lines[1]:
        text = lines[0].removeprefix(LABEL) or 'nothing on'
        kept.append(f'begun with {LABEL}{text}')
    return list(dict.fromkeys(kept))


@contextmanager
def backends(on: Speed, device: str) -> Iterator[None]:
    """Set torch's switches of the process, and set them back at the end."""
    if device != 'cuda':
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32 = cudnn.allow_tf32 = on.tf32
    cudnn.benchmark = on.cudnn_benchmark
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


def encoders(model: nn.Module) -> list[nn.Module]:
    """The backbone and its moving averages."""
    kind = type(model.backbone)
    return [module for module in model.modules() if type(module) is kind]


def convert(model: nn.Module, on: Speed) -> None:
    """Give a model that has its weights the form of the run.

    Initialisation fills a tensor in the order of its memory, so before it
    the weights would be others.
    """
    if on.channels_last:
        model.to(memory_format=torch.channels_last)
    if on.compile:
        compile_parts(parts_to_compile(model))


def own_form(groups: list[dict[str, Any]], saved: list[dict]) -> None:
    """Keep the form of an optimizer when it gets a saved state.

    Args:
        groups (list[dict]): Of the optimizer.
        saved (list[dict]): Those of the state, changed in place.
    """
    for group, other in zip(groups, saved):
        for name in ('fused', 'foreach'):
            if name in group:
                other[name] = group[name]


class SpeedHook(Hook):
    """Bring the model into the form of the run before its first step.

    Args:
        on (Speed): What is on.
    """

    def __init__(self, on: Speed) -> None:
        self.on = on

    def before_train(self, runner: Runner) -> None:
        """Convert it, and let the copies of its other data not wait."""
        model = unwrapped(runner.model)
        convert(model, self.on)
        if self.on.prefetch:
            model.data_preprocessor._non_blocking = True
        runner.logger.info(f'{LABEL}{self.on}')


def given(speed: Any, **flags: bool) -> dict[str, Any]:
    """A config's ``speed`` with flags of the command line that are set.

    Raises:
        UserError: It is not a dict.
    """
    if speed is not None and not isinstance(speed, Mapping):
        raise UserError(
            f'speed is a dict of options ({", ".join(OPTIONS)}), not '
            f'{speed!r}: write speed.tf32=False and the like.'
        )
    return {**(speed or {}), **{k: True for k, v in flags.items() if v}}
