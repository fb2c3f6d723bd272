"""Run a pretraining config, in one process or several, on any device."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import barrier, is_main_process

from ssl_bench import register_all_modules
from ssl_bench.config import load_config
from ssl_bench.data.painting import PaintViews, set_painting
from ssl_bench.data.pretrain_dataset import require_images
from ssl_bench.engine.compiling import compile_errors
from ssl_bench.engine.cost import PretrainCostHook
from ssl_bench.engine.distributed import (
    join_processes,
    launcher,
    plain_error,
    unwrapped,
    world_size,
)
from ssl_bench.engine.runner import AtomicRunner, build_errors, require_model
from ssl_bench.engine.schedules import refuse_absolute_rates
from ssl_bench.engine.sizes import check_sizes
from ssl_bench.engine.speed import (
    SINGLE,
    Speed,
    SpeedHook,
    backends,
    choose,
    set_up,
)
from ssl_bench.engine.start import Start, find_start
from ssl_bench.engine.stopping import stoppable
from ssl_bench.engine.tracking import Tracking, tracked
from ssl_bench.engine.what_was_read import (
    ProvenanceHook,
    changes_of,
    departures_of,
)
from ssl_bench.errors import UserError
from ssl_bench.files import disk_errors, require_writable
from ssl_bench.layers.global_bn import replace_sync_bn
from ssl_bench.run_folder import from_first, hold, newest_checkpoint, note


@stoppable('The same command')
def pretrain(
    config: Config,
    work_dir: str | Path,
    resume: bool | str = False,
    seed: int | None = None,
    quiet: bool = False,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
    wait: bool = False,
) -> Path:
    """Train and return the last checkpoint.

    Under torchrun (``WORLD_SIZE`` in the environment) it joins the process
    group (`join_processes`).

    Args:
        config (Config): A pretraining config; its ``randomness``,
            ``launcher`` and ``work_dir`` are set here. Its ``speed`` says
            how it is made fast (`Speed`), its ``photometric`` where the
            colours of views change (`set_painting`).
        work_dir (str | Path): Where checkpoints and logs go.
        resume (bool | str): Continue from the newest checkpoint of
            ``work_dir``, or from the file named; a finished run is left as
            it is.
        seed (int, optional): Replaces the config's seed.
        quiet (bool): One progress line instead of log lines, which are
            still in the log file.
        options (Mapping, optional): What the user changed in the config,
            by dotted keys, for the checkpoint.
        force (bool): Remove the checkpoints of an earlier run in
            ``work_dir`` that this one would replace.
        wait (bool): Wait while another process writes in ``work_dir``.

    Returns:
        Path: The checkpoint of the last epoch.

    Raises:
        UserError: Data, checkpoint or settings that cannot work; another
            process writes in ``work_dir``, or another run is there.
        Interrupted: A signal ended it; a checkpoint is saved.
    """
    register_all_modules()
    require_model(config)
    if config.train_dataloader.batch_size < 1:
        raise UserError('train_dataloader.batch_size must be 1 or more.')
    refuse_absolute_rates(config)
    require_writable(work_dir)
    config.work_dir = str(work_dir)
    # mmengine names loggers by the second; two runs must not share one
    config.experiment_name = f'{Path(work_dir).name}-{time.monotonic_ns()}'
    config.launcher = launcher()
    _set_seed(config, seed)
    on = choose(config, get_device(), world_size())
    join_processes()
    where = partial(
        find_start,
        work_dir,
        config.train_cfg,
        config.randomness.seed,
        resume,
        force,
    )
    # a mistake makes no folder
    from_first(lambda: Path(work_dir).exists() or where())
    if not Path(work_dir).exists():
        require_images(config.train_dataloader.dataset)
    with hold(work_dir, wait), disk_errors():
        start = from_first(where)
        assert start is not None  # all processes have joined
        if start.finished and start.checkpoint:
            note(f'{work_dir} is finished: nothing is left to train.')
            return start.checkpoint
        title = Path(work_dir).absolute().name
        with tracked(work_dir, title, partial(_fields, config)) as tracking:
            return _train(config, start, on, quiet, options or {}, tracking)


def _train(
    config: Config,
    start: Start,
    on: Speed,
    quiet: bool,
    options: Mapping[str, Any],
    tracking: Tracking,
) -> Path:
    """Build and run what `pretrain` was given; the last checkpoint."""
    require_images(config.train_dataloader.dataset)
    _set_provenance(config)
    changes = changes_of(options) + set_up(config, on, get_device())
    config.resume = start.checkpoint is not None
    config.load_from = start.checkpoint and str(start.checkpoint)
    _set_data(config)
    _set_hooks(config, quiet)
    with build_errors():
        painter = set_painting(config, get_device())
    if painter:
        changes.append(f'colours of views changed on {get_device()}')
    runner = _build(config, on.prefetch, painter)
    departures = departures_of(config, options, _global_batch(config))
    runner.register_hook(ProvenanceHook(departures, changes))
    runner.register_hook(SpeedHook(on))
    runner.register_hook(PretrainCostHook())
    tracking.attach(runner)
    _say_batch(runner, config)
    if SINGLE in changes:
        runner.logger.warning(
            "the config's mixed precision needs an "
            'accelerator: this run is in single precision '
            '(--amp runs it under bfloat16)'
        )
    if is_main_process():
        for path in start.replaced:
            path.unlink(missing_ok=True)
    try:
        with (
            _cores_shared_with(config.train_dataloader.num_workers),
            backends(on, get_device()),
            compile_errors(on.compile),
        ):
            runner.train()
    except UserError as error:
        raise plain_error(error) from error
    barrier()  # the first process can still be writing
    last = from_first(lambda: newest_checkpoint(config.work_dir))
    last = last or start.checkpoint  # of another folder, at its end
    assert last is not None  # the run has just written it
    return last


@contextmanager
def _cores_shared_with(workers: int) -> Iterator[None]:
    """In training on a CPU, leave a core for each worker of the loader.

    OpenMP's threads use their core while they wait, so one thread too many
    slows all of them down.
    """
    threads = torch.get_num_threads()
    if get_device() == 'cpu':
        torch.set_num_threads(max(1, threads - workers))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _build(
    config: Config, prefetch: bool, painter: PaintViews | None
) -> AtomicRunner:
    """The runner with its model and data; a mistake gives one line."""
    with build_errors():
        runner = AtomicRunner.from_cfg(config)
        runner.prefetch = prefetch
        if painter:
            painter.attach(unwrapped(runner.model).data_preprocessor)
        check_sizes(config, runner.model, runner.world_size)
        _ = runner.train_loop  # builds the loader, its data, transforms
        if runner.world_size > 1:
            replace_sync_bn(runner.model)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    return runner


def _set_seed(config: Config, seed: int | None) -> None:
    """Set one seed for all processes, which an exact resume needs.

    mmpretrain's recipes draw a seed at each start, or one for each process.
    Code that has to differ between processes adds the rank itself.
    """
    if seed is None:
        seed = config.get('randomness', {}).get('seed')
    config.randomness = dict(
        seed=0 if seed is None else seed,
        deterministic=config.get('randomness', {}).get('deterministic', False),
    )


def _global_batch(config: Config) -> int:
    """Images per optimizer step, over all processes."""
    return (
        config.train_dataloader.batch_size
        * world_size()
        * config.optim_wrapper.get('accumulative_counts', 1)
    )


def _fields(config: Config) -> dict[str, str | int | float]:
    """What a tracker is told about a pretraining."""
    method = config.get('method') or dict(name=config.model.type)
    fields = dict(
        kind='pretraining',
        method=method['name'],
        variant=method.get('variant', ''),
        config=Path(config.filename or '').stem,
        seed=config.randomness.seed,
        batch=_global_batch(config),
    )
    return {name: value for name, value in fields.items() if value != ''}


def _set_provenance(config: Config) -> None:
    """Add what the checkpoint says about itself next to its settings."""
    if 'method' not in config:
        config.method = dict(name=config.model.type)
    config.method.batch = _global_batch(config)
    if config.filename:
        config.method.config = Path(config.filename).stem


def _set_data(config: Config) -> None:
    """Tell the sampler the batch size, which only the loader has."""
    loader = config.train_dataloader
    if loader.sampler.type == 'StreamSampler':
        loader.sampler.batch_size = loader.batch_size


def _set_hooks(config: Config, quiet: bool) -> None:
    """Add the hooks of every pretraining, and those that are asked for."""
    if 'pretraining_hooks' not in config:  # over a recipe of mmpretrain
        listed = load_config('_base_/pretraining_hooks')
        config.pretraining_hooks = listed.pretraining_hooks
    hooks = [*config.pretraining_hooks]
    if quiet:
        config.console_level = 'ERROR'
        title = f'pretrain {Path(config.work_dir).name}'
        hooks.append(dict(type='ProgressHook', title=title))
    own = [*(config.get('custom_hooks') or [])]
    for hook in own:
        if not isinstance(hook, Mapping) or 'type' not in hook:
            raise UserError(
                f"custom_hooks has {hook!r}: write dict(type='NAME', ...) in "
                'a config.'
            )
    given = {hook['type'] for hook in own}
    config.custom_hooks = own + [
        hook for hook in hooks if hook['type'] not in given
    ]


def _say_batch(runner: AtomicRunner, config: Config) -> None:
    """Warn if the learning rate is for another global batch."""
    batch, base = _global_batch(config), config.auto_scale_lr.base_batch_size
    if batch != base and is_main_process():
        what = (
            'was scaled linearly'
            if config.auto_scale_lr.get('enable')
            else 'is unchanged (--auto-scale-lr scales it)'
        )
        runner.logger.warning(
            f'the global batch is {batch} on {runner.world_size} processes, '
            f"the config's is {base}; the learning rate {what}."
        )
