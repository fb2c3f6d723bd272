"""The contact sheet of a pretraining config, drawn the way of its method.

A model may have a function ``contact_sheet(config)`` or
``contact_sheet(config, state=None)`` that returns a `Sheet`. With ``state``
it gets the tensors of a checkpoint, for what the model learns about views.
"""

import inspect
from collections.abc import Callable
from pathlib import Path

from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, MODELS
from PIL import Image

from ssl_bench import register_all_modules
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.data.contact_sheet import Sheet, contact_sheet, marked
from ssl_bench.data.painting import set_painting
from ssl_bench.engine.runner import require_model
from ssl_bench.errors import UserError


def views_of(
    config, count: int, checkpoint: str | Path | None = None
) -> Image.Image:
    """Contact sheet of ``count`` samples of a config's data.

    Args:
        config (mmengine.Config): A pretraining config.
        count (int): Samples, spread evenly over the data set.
        checkpoint (str | Path, optional): Of a run of the config, for a
            method whose sheet shows what the model has learnt.

    Raises:
        UserError: A checkpoint for a method whose sheet needs none.
    """
    register_all_modules()
    if count < 1:
        raise UserError(f'{count} samples: name 1 or more.')
    require_model(config)
    if checkpoint is not None and not takes_checkpoint(config):
        raise UserError(
            f'the picture of {config.model.type} shows views only; leave '
            '--checkpoint out.'
        )
    state = None
    if checkpoint is not None:
        state = unwrap(read_object(checkpoint), checkpoint).state
    # also for the copy of a config that a run left with its settings
    config.photometric = 'worker'
    set_painting(config, 'cpu')
    with DefaultScope.overwrite_default_scope(config.default_scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        hook = _hook(config)
        sheet = (
            hook(config, state) if takes_checkpoint(config) else hook(config)
        )
    step = max(1, len(dataset) // count)
    items = [dataset[i * step] for i in range(count)]
    return contact_sheet(items, sheet)


def takes_checkpoint(config) -> bool:
    """Whether the method's sheet shows what the model has learnt."""
    register_all_modules()
    return 'state' in inspect.signature(_hook(config)).parameters


def _hook(config) -> Callable[..., Sheet]:
    """The function of the model's class, or the one of all others."""
    kind = MODELS.get(config.model.type)
    return getattr(kind, 'contact_sheet', lambda config: Sheet(marked()))
