"""The transforms of a pretraining config, and the views that they make.

A transform of this project that makes views has ``view_sizes()``, the height
and width of each view, and ``view_summary()``, the same in a line for people.
mmpretrain's transforms have neither; this module answers for them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.registry import DefaultScope
from mmpretrain.datasets.transforms import MultiView, RandomResizedCrop
from mmpretrain.registry import TRANSFORMS

from ssl_bench.data.views import Area, Size, summarise
from ssl_bench.errors import UserError

Transform = Any


def build_pipeline(config) -> list[Transform]:
    """Build the transforms of a config's training data.

    Args:
        config (mmengine.Config): A pretraining config.

    Raises:
        UserError: It has no pipeline, or data sets with different ones.
    """
    pipelines = pipelines_of(config)
    if any(pipeline != pipelines[0] for pipeline in pipelines):
        raise UserError(
            'the data sets of train_dataloader.dataset have different '
            'pipelines: give them the same one.'
        )
    scope = config.get('default_scope', 'mmpretrain')
    with DefaultScope.overwrite_default_scope(scope):
        return [TRANSFORMS.build(step) for step in pipelines[0]]


def pipelines_of(config) -> list[list[dict]]:
    """The pipeline of each data set, also of those in another one.

    Raises:
        UserError: There is none.
    """
    waiting, found = [config.train_dataloader.dataset], []
    while waiting:
        dataset = waiting.pop()
        inner = dataset.get('datasets') or [dataset.get('dataset')]
        waiting += filter(None, inner)
        if 'pipeline' in dataset:
            found.append(dataset.pipeline)
    if not found:
        raise UserError(
            'train_dataloader.dataset has no pipeline, which makes the views.'
        )
    return found


def view_sizes(transforms: Sequence[Transform]) -> list[Size]:
    """Height and width of each view that the transforms make."""
    sizes: list[Size] = []
    for step in transforms:
        if hasattr(step, 'view_sizes'):
            sizes += step.view_sizes()
        else:
            sizes += [size for size, _ in _toolkit_views(step)]
    return sizes


def view_summary(transforms: Sequence[Transform]) -> str:
    """The same in a line: ``2 views of 224 px (area 0.2 to 1)``."""
    lines = (
        step.view_summary()
        if hasattr(step, 'view_summary')
        else summarise(_toolkit_views(step))
        for step in transforms
    )
    return ' + '.join(line for line in lines if line)


def _toolkit_views(step: Transform) -> Iterator[tuple[Size, Area]]:
    """Size and crop areas of each view that a transform of mmpretrain makes.

    ``MultiView`` has a pipeline for each of its views.
    """
    if isinstance(step, RandomResizedCrop):
        height, width = step.scale
        yield (height, width), step.crop_ratio_range
    elif isinstance(step, MultiView):
        for pipeline in step.transforms:
            for inner in pipeline.transforms:
                yield from _toolkit_views(inner)
