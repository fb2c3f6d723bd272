"""What a run checks before it reads data or trains; a dry run does the same.

`check_run` is called by both, so that they refuse the same with the same
words. The network is built on torch's meta device, without values, and the
weights are loaded into it by the functions that fill the real one.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import (
    DATASETS,
    HOOKS,
    MODELS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    DefaultScope,
)
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader

import ssl_bench.engine.hooks
import ssl_bench.engine.saving
import ssl_bench.layers.global_bn
import ssl_bench.toolbox.hooks  # noqa: F401  registers, as those above
from ssl_bench.engine.runner import build_errors, require_optimizer
from ssl_bench.errors import UserError, one_line
from ssl_bench.results import SCHEMA, validate
from ssl_bench.tasks.table import find_task, task_config
from ssl_bench.toolbox.reported import reported
from ssl_bench.transfer.frozen import frozen_model
from ssl_bench.transfer.frozen_classification import check_headline
from ssl_bench.transfer.held import hold
from ssl_bench.transfer.lora import own_names
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.probe_scores import PROBES
from ssl_bench.transfer.probe_settings import check_settings
from ssl_bench.transfer.probes import data_scope
from ssl_bench.transfer.record import Measured, make_record
from ssl_bench.transfer.shapes import check_shapes, image_size
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.toolkit_output import unheard
from ssl_bench.transfer.trained import KEY, kind_of
from ssl_bench.transfer.weights import (
    hold_positions,
    load_backbone,
    load_classifier,
    load_whole,
)

# parts of a config that decide what a network is
OF_NETWORK = ('model', 'backbone', 'data_preprocessor', 'fixed_positions', KEY)
# what mmengine takes out of a loader's settings before torch gets them
NOT_OURS = (
    'dataset',
    'sampler',
    'batch_sampler',
    'collate_fn',
    'worker_init_fn',
    'num_batch_per_epoch',
)


def check_run(
    plan: Plan,
    source: Source,
    seed: int,
    run_id: str,
    root: str,
    data: bool = True,
) -> None:
    """Check that a plan runs with these weights, and its record is accepted.

    Args:
        plan (Plan): What would run.
        source (Source): Whose weights are loaded as the run loads them.
        seed (int): Of the run.
        run_id (str): Of its record.
        root (str): Data root.
        data (bool): Whether the data are there, so that the record can say
            what they are.

    Raises:
        UserError: A name or number that records do not take, a metric that
            the evaluator does not report, a setting that nothing can be
            built of, or weights that do not fit the task's network.
    """
    check_metrics(plan)
    check_record(plan, source, seed, run_id, root, data)
    check_network(plan, source)


def check_record(
    plan: Plan,
    source: Source,
    seed: int,
    run_id: str,
    root: str,
    data: bool = True,
) -> None:
    """Check that the record of a run will be accepted.

    Raises:
        UserError: A name or number in it that records do not take.
    """
    name, rule = next(iter(find_task(plan.task).metrics.items()))
    preview = Measured({name: rule.lowest}, 0)
    record = make_record(
        plan,
        source,
        seed,
        run_id,
        preview,
        datetime.now(timezone.utc),
        root,
        data,
    )
    validate(dict(record, schema=SCHEMA, status='completed'))


def check_metrics(plan: Plan) -> None:
    """Check that the numbers of a task are those that it will get.

    Raises:
        UserError: The probe or evaluator is known and reports other names.
    """
    config, row = plan.config, find_task(plan.task)
    if row.toolbox == 'probe':
        kind = config.probe.get('type')
        probe = PROBES.get(str(kind))  # an unknown one is refused later
        names = None if probe is None else probe.reports(config.probe)
    else:
        kind = config.test_evaluator.get('type')
        names = reported(config.test_evaluator)
        check_headline(config)
    for name, rule in row.metrics.items():
        wanted = rule.toolkit or name.split('_')[0]
        if names is not None and wanted not in names:
            raise UserError(
                f'{plan.task}: the metric {name} is {wanted!r} of {kind}, '
                f'which reports {", ".join(sorted(names))}. Correct TASK in '
                f'{task_config(plan.task)}, or the setting that changed it.'
            )


def check_network(plan: Plan, source: Source) -> None:
    """Build what a run builds of a plan, and load the weights strictly.

    The network has no values; the data sets alone are left out.

    Raises:
        UserError: Something cannot be built, or a tensor finds no place, or
            a place no tensor.
    """
    config = plan.config
    scope = data_scope(config)
    with unheard(), DefaultScope.overwrite_default_scope(scope):
        if 'probe' in config:
            check_settings(config.probe)
        check_loaders(config)
        module: Any = _without_values(_Built.of(plan, scope))
        if plan.trained is not None:
            load_classifier(module, plan.trained)
        elif source.backbone is None or find_task(plan.task).trained_by:
            pass  # nothing is loaded
        elif 'probe' in config:
            load_whole(module.backbone, source)
        else:
            head = config.get('transfer_neck_and_head', False)
            with own_names(module):
                load_backbone(module, source, head)
        if config.get('optim_wrapper'):
            check_training(config, module)


def check_loaders(config: Config) -> None:
    """Build the steps of the loaders, and the loaders of a stand-in.

    Raises:
        UserError: torch or a step does not take a setting.
    """
    stand_in: Any = [0]
    for name, loader in config.items():
        if not name.endswith('_dataloader') or not loader:
            continue
        options = {
            key: value for key, value in loader.items() if key not in NOT_OURS
        }
        if loader.get('batch_sampler') is not None:
            options.pop('drop_last', None)
        try:
            DataLoader(stand_in, **options)
        except (TypeError, ValueError) as error:
            raise UserError(f'{name}: {one_line(error)}') from error
        for dataset in _sets(loader.get('dataset')):
            with DATASETS.switch_scope_and_registry(None) as registry:
                kind = registry.get(str(dataset.get('type')))
            check = getattr(kind, 'check_settings', None)
            if check is not None:
                check(dataset)
            with build_errors():
                for step in dataset.get('pipeline') or ():
                    TRANSFORMS.build(step)


def _sets(dataset: Any) -> Iterator[Any]:
    """The configs of a data set, and of those inside it."""
    if isinstance(dataset, Mapping):
        yield dataset
        for name in ('dataset', 'datasets'):
            yield from _sets(dataset.get(name))
    elif isinstance(dataset, (list, tuple)):
        for inner in dataset:
            yield from _sets(inner)


def check_training(config: Config, module: nn.Module) -> None:
    """Build what trains a network: optimizer, schedules and hooks.

    Args:
        config (Config): A plan's.
        module (nn.Module): Its network, perhaps on the meta device.

    Raises:
        UserError: Unknown names, or values that they do not take.
    """
    with build_errors():
        require_optimizer(config.optim_wrapper)
        wrapper = build_optim_wrapper(module, config.optim_wrapper)
        rows = config.get('param_scheduler') or []
        for row in rows if isinstance(rows, list) else [rows]:
            PARAM_SCHEDULERS.build(
                dict(row), default_args=dict(optimizer=wrapper, epoch_length=1)
            )
        for hook in config.get('custom_hooks') or []:
            HOOKS.build(dict(hook))


@dataclass(frozen=True)
class _Built:
    """What a network is built of; equal texts give equal networks."""

    text: str
    scope: str
    task: str = field(compare=False)
    config: Config = field(compare=False)

    @classmethod
    def of(cls, plan: Plan, scope: str) -> '_Built':
        """A plan's network."""
        config = plan.config
        parts = {name: config.get(name) for name in OF_NETWORK}
        if 'probe' in config:
            parts['probe'] = [
                config.probe.get(key) for key in ('compute', 'pool', 'maps')
            ]
        parts['images'] = image_size(config)
        text = json.dumps(parts, sort_keys=True, default=str)
        return cls(text, scope, plan.task, config)

    def build(self) -> nn.Module:
        """As a run builds it."""
        config = self.config
        if 'probe' in config:
            return frozen_model(config)
        settings = copy.deepcopy(config.model)
        if config.get('data_preprocessor'):
            settings.setdefault('data_preprocessor', config.data_preprocessor)
        model: nn.Module = MODELS.build(settings)
        hold_positions(model, config)
        hold(model, kind_of(config))
        return model


class _RatesHaveValues(TorchFunctionMode):
    """On the meta device, rates of drop path that are read at once."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


@lru_cache(maxsize=16)
def _without_values(built: _Built) -> nn.Module:
    """A network on the meta device, or in memory if it cannot be there.

    Once for all weights and tasks that have the same.

    Raises:
        UserError: It cannot be built.
    """
    with build_errors():
        try:
            with torch.device('meta'), _RatesHaveValues():
                module = built.build()
        except (NotImplementedError, RuntimeError):
            # it reads values, or is wrong, as this says
            try:
                module = built.build()
            except RuntimeError as error:
                raise UserError(
                    f'the network cannot be built: {one_line(error)}'
                ) from error
    check_shapes(built.config, module, built.task)
    return module
