"""A task's toolbox config, fitted to a backbone, a machine and a data root."""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.config import load_config, map_nodes, rebase
from ssl_bench.config_edits import values_at
from ssl_bench.config_keys import plain_keys
from ssl_bench.engine.optim import leave_out_mixed
from ssl_bench.errors import UserError
from ssl_bench.results.record import run_identity
from ssl_bench.tasks.table import find_task, task_config
from ssl_bench.toolbox.fraction import take_fraction
from ssl_bench.toolbox.scorer import scorer_of
from ssl_bench.transfer.architecture import (
    architecture_name,
    network_name,
    start_at_full_strength,
    unnamed_heads,
)
from ssl_bench.transfer.checkpoint_choice import KEY as CHOICE
from ssl_bench.transfer.checkpoint_choice import check_choice
from ssl_bench.transfer.frozen_classification import note_heads
from ssl_bench.transfer.frozen_depth import check_groups, fit_depther
from ssl_bench.transfer.map_heads import note_resnet
from ssl_bench.transfer.own import fit_own_data, place
from ssl_bench.transfer.recipes import (
    choose_recipe,
    fit_architecture,
    override,
)
from ssl_bench.transfer.timm_detection import traits_of
from ssl_bench.transfer.trained import (
    FROZEN,
    FULL,
    check_kind,
    kind_of,
    set_kind,
)


@dataclass
class Plan:
    """A task ready to run.

    Attributes:
        task (str): Its id.
        config (Config): Toolbox config, nothing left to decide but seed,
            work dir and weights.
        config_sha256 (str): Of the task's settings before they were fitted
            to backbone, machine and data root: the protocol's identity.
        arch (str): Name of the architecture, for instance resnet18-w16.
        changes (list[str]): What was fitted, for log and record.
        departures (list[str]): What the user changed, so that the number is
            not the protocol's: for the record.
        elsewhere (list[Path]): What loaders read although it is not of the
            task's data set.
        trained (Trained, optional): What is tested without training.
        convention (str): Of the weights, if it is not torchvision's.
        heads (int): Of attention, of a ViT whose name does not say them.
    """

    task: str
    config: Config
    config_sha256: str
    arch: str = ''
    changes: list[str] = field(default_factory=list)
    departures: list[str] = field(default_factory=list)
    elsewhere: list[Path] = field(default_factory=list)
    trained: Any = None
    convention: str = ''
    heads: int = 0

    @property
    def identity(self) -> str:
        """Settings and architecture: what a run is the same run by."""
        return run_identity(
            self.config_sha256, self.arch, self.convention, self.heads
        )


def make_plan(
    task: str,
    arch_args: dict[str, Any] | None = None,
    data_root: str | None = None,
    overrides: dict[str, Any] | None = None,
    recipe: str | None = None,
    fraction: float | None = None,
    processes: int = 1,
    accelerator: bool = False,
    train: str = FULL,
) -> Plan:
    """Read a task's config and fit it.

    Args:
        task (str): Task id.
        arch_args (dict, optional): ``describe(architecture)`` of the
            backbone; the config's own architecture when None.
        data_root (str, optional): Folder above VOCdevkit, coco, imagenet;
            the task's own when None.
        overrides (dict, optional): Dotted keys and values.
        recipe (str, optional): One of the config's ``recipes``, the settings
            of a paper that departs from the task's own.
        fraction (float, optional): Part of the training images, drawn from
            a fixed seed.
        processes (int): Of the run.
        accelerator (bool): Whether they run on accelerators.
        train (str): What is trained of the backbone, as `read_kind` reads
            it.

    Raises:
        UserError: Unknown task, bad overrides, an architecture that the
            task cannot take, or of which that cannot be trained.
    """
    row = find_task(task)
    config = load_config(task_config(task))
    config.pop('TASK')
    chosen = choose_recipe(config, task, recipe, arch_args)
    fit_own_data(config, row)
    plan = _with_options(task, config, overrides or {}, fraction, train)
    if row.own is not None:
        place(config, row.own)
    elif data_root is not None:
        for name, value in config.items():
            if name.endswith(('_dataloader', '_evaluator')):
                config[name] = rebase(value, row.root, str(data_root))
    plan.changes += chosen
    check_settings(config)
    check_choice(config, task)
    _fit_network(plan, plain_keys(overrides or {}), recipe, arch_args)
    if row.toolbox != 'probe' and not row.trained_by:
        check_length(config)
        fit_batch(plan, processes)
        check_groups(config)
        fit_norms(plan, processes, accelerator)
        fit_precision(plan, accelerator)
        scorer_of(config.test_evaluator)  # refuses what cannot be used
    return plan


def _with_options(
    task: str,
    config: Config,
    overrides: dict[str, Any],
    fraction: float | None,
    train: str,
) -> Plan:
    """Put the user's options into a config: now it has its identity."""
    start_at_full_strength(config)
    override(config, overrides, task)
    set_kind(config, task, train)
    part = [] if fraction is None else [take_fraction(config, fraction)]
    if find_task(task).trained_by:
        drop_training(config)
        part = []  # it was the classifier's
    options = plain_keys(overrides).items()
    return Plan(
        task,
        config,
        settings_sha256(config),
        changes=part,
        departures=[*(f'{key}={value}' for key, value in options), *part],
    )


def _fit_network(
    plan: Plan,
    overrides: dict[str, Any],
    recipe: str | None,
    arch_args: dict[str, Any] | None,
) -> None:
    """Give the config the backbone's architecture, and the plan its name.

    Args:
        overrides (dict): Those that the architecture must keep.
        **others: As `make_plan`.
    """
    config = plan.config
    if arch_args is not None:
        wanted = {
            key: copy.deepcopy(values_at(config, key)) for key in overrides
        }
        plan.changes += fit_architecture(config, plan.task, recipe, arch_args)
        plan.convention = arch_args.get('convention', '')
    plan.changes += fit_depther(config)
    if arch_args is not None:
        check_kept(config, overrides, wanted)
    plan.changes += note_resnet(config) + note_heads(config)
    if arch_args is not None and arch_args['family'] == 'vit':
        plan.arch = network_name(arch_args)  # also in the wrapper of timm's
        plan.heads = unnamed_heads(arch_args)
        check_kind(config, plan.arch)
    else:
        plan.arch = architecture_name(config)
        check_kind(config)


def check_length(config: Config) -> None:
    """Refuse a training of no iterations.

    Raises:
        UserError: ``max_iters`` or ``max_epochs`` is below 1.
    """
    for name in ('max_iters', 'max_epochs'):
        _check_count(f'train_cfg.{name}', config.train_cfg.get(name, 1))


def _check_count(key: str, value: Any) -> None:
    if not isinstance(value, int) or value < 1:
        raise UserError(
            f'{key} must be 1 or more, a whole number, not {value!r}.'
        )


def check_settings(config: Config) -> None:
    """Refuse values that no network or preprocessor can have.

    Raises:
        UserError: A rate of stochastic depth outside of 0 to 1, or a size
            of crops that is no height and width.
    """
    model = config.get('model') or {}
    for name, node in (
        ('model.backbone', model.get('backbone')),
        ('timm_backbone', config.get('timm_backbone')),
    ):
        rate = (node or {}).get('drop_path_rate') or 0
        if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise UserError(
                f'{name}.drop_path_rate must be 0 or more and below 1, not '
                f'{rate!r}.'
            )
    size = (model.get('data_preprocessor') or {}).get('size')
    segments = model.get('type') in ('EncoderDecoder', 'FrozenSegmentor')
    if segments and size is not None:
        sides = size if isinstance(size, (list, tuple)) else ()
        if len(sides) != 2 or not all(
            type(side) is int and side > 0 for side in sides
        ):
            raise UserError(
                'model.data_preprocessor.size must be a height and a width, '
                f'such as (512,512), not {size!r}.'
            )


def check_kept(
    config: Config, overrides: dict[str, Any], wanted: dict[str, list[Any]]
) -> None:
    """Refuse options that the backbone's architecture replaced.

    Args:
        config (Config): Fitted to the architecture.
        overrides (dict): The options.
        wanted (dict): For each its values before that.

    Raises:
        UserError: Such an option would have no effect.
    """
    for key, value in overrides.items():
        if isinstance(value, dict):
            continue
        place = re.sub(r'^timm_backbone\.', 'model.backbone.', key)
        found = values_at(config, place)
        if not _same(found, wanted[key]):
            now = ', '.join(dict.fromkeys(map(str, found)))
            raise UserError(
                f'{key}={value} has no effect: the backbone that is '
                'transferred decides it'
                + ('.' if found == [None] else f', and it is {now}.')
            )


def _same(found: Any, wanted: Any) -> bool:
    """Whether two values are the same; nothing is as good as 0 or False."""
    if isinstance(found, (list, tuple)) and isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    return bool(found == wanted) or (found is None and not wanted)


def drop_training(config: Config) -> None:
    """Leave what tests a classifier that another task has trained."""
    for name in (
        'train_dataloader',
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'auto_scale_lr',
        'recipes',
        'fixed_positions',
    ):
        config.pop(name, None)


def settings_sha256(config: Config) -> str:
    """Digest of a config's values; the order of keys does not matter."""
    text = json.dumps(config.to_dict(), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def fit_batch(plan: Plan, processes: int) -> None:
    """Keep the protocol's batch with any number of processes.

    Too many processes for the batch get fewer images each. Gradients are
    accumulated when the batch at hand divides the protocol's;
    otherwise the rate is scaled linearly and what is counted in iterations
    is stretched. The images seen stay the same either way.

    Args:
        plan (Plan): Changed in place; what was done is noted.
        processes (int): Of the run.
    """
    config = plan.config
    protocol = config.auto_scale_lr.base_batch_size
    _check_count(
        'train_dataloader.batch_size', config.train_dataloader.batch_size
    )
    have = config.train_dataloader.batch_size * processes
    given = config.optim_wrapper.get('accumulative_counts', 1)
    if have * given == protocol:
        count_batches(config, given)
        return
    if have > protocol and protocol % processes == 0 and given == 1:
        config.train_dataloader.batch_size = protocol // processes
        plan.changes.append(
            f'{protocol // processes} images per process, for a batch of '
            f'{protocol}'
        )
        return
    iterations = 'max_iters' in config.train_cfg
    if protocol % have == 0 and given == 1:
        counts, factor = protocol // have, (protocol // have, 1)
        config.optim_wrapper.accumulative_counts = counts
        done = (
            f'gradients of {counts} batches of {have} are '
            'accumulated; batch norm still sees the small ones'
        )
    else:
        counts, have = given, have * given
        config.optim_wrapper.optimizer.lr *= have / protocol
        done = f'learning rate scaled to {config.optim_wrapper.optimizer.lr:g}'
        shared = gcd(protocol, have)
        factor = protocol // shared, have // shared
        if iterations:
            stretch_schedule(config, *factor)
    count_batches(config, counts)
    if iterations:
        done += f'; schedule of iterations x {factor[0]}/{factor[1]}'
    plan.changes.append(f'batch {have} instead of {protocol}: {done}')


def stretch_schedule(config: Config, numerator: int, denominator: int) -> None:
    """Multiply every count of iterations by a fraction."""

    def scaled(count: int) -> int:
        return -(-count * numerator // denominator)

    stretch_loop(config, scaled)
    for row in config.param_scheduler:
        if row.get('by_epoch', True):
            continue
        for key in ('begin', 'end', 'T_max', 'warmup'):
            if key in row:
                row[key] = scaled(row[key])
        if 'milestones' in row:
            row.milestones = [scaled(count) for count in row.milestones]


def count_batches(config: Config, counts: int) -> None:
    """Let a loop of iterations run over the batches of its updates.

    Schedules are left: they count updates (`UpdateSchedulerHook`).

    Args:
        config (Config): Changed in place.
        counts (int): Batches that make an update.
    """
    if counts > 1:
        stretch_loop(config, lambda count: count * counts)


def stretch_loop(config: Config, scaled: Callable[[int], int]) -> None:
    """Change what the loop and the hooks count in iterations."""
    hooks = [
        hook
        for hook in config.get('custom_hooks') or []
        if hook.get('type') == 'TrainingPreciseBNHook'
    ]
    for hook in hooks:
        hook.num_iters = scaled(hook.num_iters)
    loss = (config.get('model') or {}).get('loss_depth')
    if loss:  # it counts its calls
        loss.warmup = scaled(loss.warmup)
    if 'max_iters' not in config.train_cfg:
        return
    config.train_cfg.max_iters = scaled(config.train_cfg.max_iters)
    config.train_cfg.val_interval = config.train_cfg.max_iters
    if CHOICE in config:
        config[CHOICE].every = scaled(config[CHOICE].every)
    checkpoint = config.get('default_hooks', {}).get('checkpoint', {})
    if 'interval' in checkpoint and not checkpoint.get('by_epoch', True):
        checkpoint.interval = scaled(checkpoint.interval)


def fit_norms(plan: Plan, processes: int, accelerator: bool) -> None:
    """Let SyncBN work where torch's does not: between CPU processes."""
    plan.changes += _own_norms(plan.config, processes)
    found = set(re.findall(r'\b(?:Naive)?SyncBN\b', str(plan.config.model)))
    if accelerator or not found:
        return
    if processes == 1:
        plan.changes += [
            f'{name} is plain BN: there is one process'
            for name in sorted(found)
        ]
        return
    if 'SyncBN' not in found:  # the naive one runs anywhere
        return

    def change(value: Any) -> Any:
        if isinstance(value, dict) and value.get('type') == 'SyncBN':
            value['type'] = 'mmengine.GlobalBN'
        return map_nodes(value, change)

    plan.config.model = change(plan.config.model)
    plan.changes.append("SyncBN is ssl_bench's GlobalBN: CPU processes")


def _own_norms(config: Config, processes: int) -> list[str]:
    """What to say of batch norms that timm builds, which see one process."""
    net = config.model.backbone
    if (
        processes == 1
        or config.model.type != 'EncoderDecoder'
        or net.type != 'TimmBackbone'
        or kind_of(config).name == FROZEN
        or not traits_of(from_header(net.net)).batch_norm
    ):
        return []
    return ["the network's own batch norms are not synchronised"]


def fit_precision(plan: Plan, accelerator: bool) -> None:
    """Leave mixed precision out where there is no accelerator for it."""
    if not accelerator and leave_out_mixed(plan.config.optim_wrapper):
        plan.changes.append('single precision: mixed needs an accelerator')
