"""Where the colours of views change: in the loader, or on the device.

The loader draws every number in both cases, so the same seed gives the same
views. A config's ``photometric`` says where the pixels change: ``'worker'``,
``'device'``, or ``'auto'``, which is the device if it is an accelerator.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from ssl_bench.data.photometric import Recipe
from ssl_bench.data.photometric.on_image import compiles
from ssl_bench.data.pipeline import Transform, build_pipeline, pipelines_of
from ssl_bench.errors import UserError, unknown_name

SETTINGS = ('auto', 'device', 'worker')


class PaintViews:
    """Change the colours of a batch before its data preprocessor gets it.

    Args:
        recipes (sequence[Recipe]): One for each view.
    """

    def __init__(self, recipes: Sequence[Recipe]) -> None:
        self.recipes = recipes

    def attach(self, preprocessor: BaseDataPreprocessor) -> None:
        """Paint all training data that a preprocessor gets from now on."""
        preprocessor.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(
        self, preprocessor: BaseDataPreprocessor, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict] | None:
        """What the preprocessor gets instead of a batch of training data.

        Args:
            preprocessor (BaseDataPreprocessor): Its device is used.
            args (tuple): The collated batch: ``inputs``, uint8 views
                (N, H, W, 3), and ``photometric``, the parameters of each,
                (N, 1 + P), as `finished` makes them; then whether it is for
                training.
            kwargs (dict): The same, by names.
        """
        data, training = _arguments(*args, **kwargs)
        if not training:
            return None
        return (self.painted(data, preprocessor), training), {}

    def painted(
        self, data: Mapping[str, Any], preprocessor: BaseDataPreprocessor
    ) -> dict[str, Any]:
        """The batch on the device, with its colours changed.

        Raises:
            UserError: It has no parameters.
        """
        data = dict(data)
        parameters = data.pop('photometric', None)
        if parameters is None:
            raise UserError(
                'the batch has no parameters of its colour changes: end the '
                "pipeline with PackViews, or set `photometric = 'worker'`."
            )
        views = data['inputs']
        several = not isinstance(views, Tensor)
        views = [
            self._view(recipe, preprocessor.cast_data(view), numbers)
            for recipe, view, numbers in zip(
                self.recipes,
                views if several else [views],
                parameters,
                strict=True,
            )
        ]
        data['inputs'] = views if several else views[0]
        return data

    @staticmethod
    def _view(recipe: Recipe, pixels: Tensor, numbers: Tensor) -> Tensor:
        """A batch of views, (N, H, W, 3), as (N, 3, H, W) and painted."""
        from ssl_bench.data.photometric import on_batch

        images = pixels.permute(0, 3, 1, 2).contiguous()
        on_batch.mirror(images, numbers[:, :1])
        return recipe.on_batch(images, numbers[:, 1:])


def _arguments(
    data: Mapping[str, Any], training: bool = False
) -> tuple[Mapping[str, Any], bool]:
    """The arguments of a data preprocessor's ``forward``."""
    return data, training


def set_painting(config: Config, device: str) -> PaintViews | None:
    """Tell the transforms of a config whether they change colours.

    Args:
        config (Config): A pretraining config; each transform that makes
            views gets its ``painted`` here.
        device (str): The kind of device that trains: ``'cpu'``, ``'cuda'``.

    Returns:
        PaintViews | None: What changes them on the device; None if the
        loader's workers do, or there are none.

    Raises:
        UserError: Another setting; ``'device'`` with a pipeline whose
            colours only a worker can change.
    """
    setting = config.get('photometric', 'auto')
    if not isinstance(setting, str):
        raise UserError(
            f'photometric says where colours change ({", ".join(SETTINGS)}); '
            f'it is {type(setting).__name__}. Give your own variable of the '
            'config another name.'
        )
    if setting not in SETTINGS:
        raise unknown_name('setting of `photometric`', setting, SETTINGS)
    steps = build_pipeline(config)
    recipes = [r for step in steps for r in getattr(step, 'recipes', ())]
    later = setting == 'device' or (setting == 'auto' and device != 'cpu')
    if later and setting == 'device':
        require_later(steps, recipes)
    elif later:
        try:
            require_later(steps, recipes)
        except UserError as error:
            print_log(
                f'colours change in the workers: {error}',
                'current',
                logging.WARNING,
            )
            later = False
    coloured = any(recipe.operations for recipe in recipes)
    later = later and coloured
    if coloured and not later:
        compiles()  # once, and not in each worker
    for pipeline in pipelines_of(config):
        for own, step in zip(pipeline, steps):
            if hasattr(step, 'recipes'):
                own['painted'] = not later
    return PaintViews(recipes) if later else None


def require_later(
    steps: Sequence[Transform], recipes: Sequence[Recipe]
) -> None:
    """Check that colours can change after the whole pipeline.

    Raises:
        UserError: A transform after the views could read or change pixels,
            nothing makes views from recipes, or a step of a recipe is a
            user's.
    """
    made = False
    for step in steps:
        if made and not getattr(step, 'leaves_pixels', False):
            raise UserError(
                f'{type(step).__name__} after the views could need their '
                "colours: set `photometric = 'worker'`. If it leaves pixels "
                'alone, give its class `leaves_pixels = True`.'
            )
        made = made or hasattr(step, 'recipes')
    if not made:
        raise UserError(
            'no transform of the data makes views with recipes of colours, '
            "as MakeViews does: set `photometric = 'worker'`."
        )
    for recipe in recipes:
        recipe.require_batches()
