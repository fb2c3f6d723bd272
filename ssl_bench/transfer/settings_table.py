"""A plan's settings next to its protocol's, for people."""

from collections.abc import Iterator
from typing import Any

from ssl_bench.config import data_paths
from ssl_bench.transfer.plan import Plan

SHOWN = (
    'model.backbone',
    'model.maps',
    'model.score_size',
    'checkpoint_choice',
    'backbone',
    'probe',
    'optim_wrapper',
    'param_scheduler',
    'train_cfg',
    'train_dataloader.batch_size',
    'auto_scale_lr.base_batch_size',
    'recipe',
    'what_is_trained',
)


def flat(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested config."""
    if isinstance(value, dict):
        for key in value:
            yield from flat(value[key], f'{name}.{key}' if name else key)
    elif (
        isinstance(value, (list, tuple))
        and value
        and isinstance(value[0], dict)
    ):
        for index, item in enumerate(value):
            yield from flat(item, f'{name}.{index}')
    else:
        yield name, value


def shown_settings(plan: Plan) -> dict[str, Any]:
    """The settings that a protocol is about."""
    return {
        name: value
        for name, value in flat(plan.config.to_dict())
        if name.startswith(SHOWN)
    }


def settings_table(plan: Plan, protocol: Plan) -> str:
    """Settings as they would run, the protocol's next to those that differ.

    Args:
        plan (Plan): Fitted to weights, machine and options.
        protocol (Plan): The task's config unchanged, fitted to the same
            machine.
    """
    ours, theirs = shown_settings(plan), shown_settings(protocol)
    width = max(map(len, [*ours, *theirs]))
    lines = [f'{plan.task} ({plan.arch}), settings {plan.config_sha256[:12]}']
    for name in sorted({*ours, *theirs}):
        line = f'  {name:{width}}  {ours.get(name, "-")}'
        if ours.get(name, '-') != theirs.get(name, '-'):
            line += f'  [protocol: {theirs.get(name, "-")}]'
        lines.append(line)
    lines += [f'  change: {text}' for text in plan.changes]
    lines += [
        f'  reads {path}' + ('' if path.exists() else ' (missing)')
        for path in data_paths(plan.config)
    ]
    return '\n'.join(lines)
