"""The settings of a pretraining config, in a line or two."""

import inspect
from collections.abc import Iterator
from typing import Any

from mmpretrain.registry import MODELS

from ssl_bench.data.pipeline import build_pipeline, view_summary

SGD_LIKE = dict(PaperLARS='LARS')
PARTS = ('backbone', 'neck', 'data_preprocessor', 'init_cfg', 'norm_cfg')
NO_NUMBERS = ('type', '_scope_')


def settings_line(config) -> str:
    """Batch, epochs, optimizer, rate, schedule and views of a config.

    Args:
        config (mmengine.Config): A pretraining config.
    """
    optimizer = config.optim_wrapper.optimizer
    kind = SGD_LIKE.get(optimizer.type, optimizer.type)
    return '; '.join(
        [
            f'batch {config.auto_scale_lr.base_batch_size}',
            f'{config.train_cfg.max_epochs} epochs',
            f'{kind}, lr {optimizer.lr:g}, weight decay '
            f'{optimizer.get("weight_decay", 0):g}',
            schedule(config.param_scheduler),
            view_summary(build_pipeline(config)),
        ]
    )


def model_line(config) -> str:
    """``threshold=0.7, momentum=0.99, ...``: the method's own numbers.

    These are the config's, and the defaults of the class for the others. Of
    nested parts (``head``, ``propagation``) they are the config's. Backbone
    and neck are left out: the names of configs tell them.

    Args:
        config (mmengine.Config): A pretraining config.
    """
    kind = MODELS.get(config.model.type)
    values = {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not parameter.empty
    }
    values.update(config.model)
    return ', '.join(_scalars(values))


def _scalars(values: dict[str, Any], prefix: str = '') -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and name not in PARTS:
            yield from _scalars(value, f'{prefix}{name}.')
        elif name not in NO_NUMBERS and isinstance(
            value, (bool, int, float, str)
        ):
            yield f'{prefix}{name}={value!r}'


def schedule(schedulers: list[dict[str, Any]]) -> str:
    """``cosine after 10 epochs of warm-up``, from mmengine's schedulers."""
    words, warmup = [], ''
    for entry in schedulers:
        if entry['type'] == 'LinearLR':
            unit = 'epochs' if entry.get('by_epoch', True) else 'iterations'
            warmup = f' after {entry["end"]} {unit} of warm-up'
        elif entry['type'] == 'WarmupCosineLR':
            words.append('cosine')
            warmup = f' after {entry["warmup"]} epochs of warm-up'
        elif entry['type'] == 'CosineAnnealingLR':
            words.append('cosine')
        else:
            words.append(entry['type'])
    return ' and '.join(words) + warmup
