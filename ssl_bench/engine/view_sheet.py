"""The contact sheet of a pretraining config, drawn the way of its method.

A model may have a function ``contact_sheet(config)`` or
``contact_sheet(config, state=None)`` that returns a `Sheet`. With ``state``
it gets the tensors of a checkpoint, for what the model learns about views.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, MODELS
from PIL import Image
from torch import Tensor

from ssl_bench import register_all_modules
from ssl_bench.baselines import SHEETS
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.data.contact_sheet import (
    Sheet,
    contact_sheet,
    marked,
    overlap_legend,
)
from ssl_bench.data.painting import set_painting
from ssl_bench.engine.runner import require_model
from ssl_bench.errors import UserError
from ssl_bench.sheet_file import VIEWS, Contents, Legend, save_sheet


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
    return _drawn(config, count, checkpoint)[0]


def write_views(
    config, path: str | Path, count: int, checkpoint: str | Path | None = None
) -> None:
    """As `views_of`, to a file that says what is on it.

    Raises:
        UserError: As `views_of`; the file cannot be written.
    """
    image, legend = _drawn(config, count, checkpoint)
    save_sheet(image, path, contents_of(config, legend))


def contents_of(config, legend: Sequence[Legend]) -> Contents:
    """What a sheet of a config's views says of itself."""
    name = config.get('method', {}).get('config') or config.filename or ''
    seed = config.get('randomness', {}).get('seed')
    return Contents(VIEWS, legend, config=Path(name).stem, seed=seed)


def _drawn(
    config, count: int, checkpoint: str | Path | None
) -> tuple[Image.Image, Sequence[Legend]]:
    """Sheet and legend of a config that no run has built yet."""
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
    paint_in_worker(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    return draw_views(config, dataset, count, state)


def paint_in_worker(config) -> None:
    """Let the data set change colours, whatever a run has set."""
    config.photometric = 'worker'
    set_painting(config, 'cpu')


def draw_views(
    config, dataset, count: int, state: Mapping[str, Tensor] | None = None
) -> tuple[Image.Image, Sequence[Legend]]:
    """Sheet of samples spread evenly over a data set, and its legend.

    Args:
        config (mmengine.Config): A pretraining config.
        dataset (Dataset): With the config's transforms, which paint.
        count (int): Samples; fewer if the data set has fewer.
        state (mapping, optional): The model's tensors, for a method whose
            sheet shows what the model has learnt.
    """
    with DefaultScope.overwrite_default_scope(config.default_scope):
        hook = _hook(config)
        sheet = (
            hook(config, state) if takes_checkpoint(config) else hook(config)
        )
    count = min(count, len(dataset))
    items = [dataset[i * len(dataset) // count] for i in range(count)]
    return contact_sheet(items, sheet), sheet.legend(items[0])


def takes_checkpoint(config) -> bool:
    """Whether the method's sheet shows what the model has learnt."""
    register_all_modules()
    return 'state' in inspect.signature(_hook(config)).parameters


def views_sheet(config) -> Sheet:
    """How samples of a method are drawn that says nothing of it."""
    return Sheet(marked(), legend=overlap_legend)


def _hook(config) -> Callable[..., Sheet]:
    """The function of the model's class, or the one of all others."""
    kind = MODELS.get(config.model.type)
    module = SHEETS.get(kind.__name__)
    if module:
        return import_module(module).contact_sheet
    return getattr(kind, 'contact_sheet', views_sheet)
