"""Tasks on single images, on own class folders."""

from typing import Any

from mmengine.config import Config

from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task, says_something
from ssl_bench.transfer.own.loaders import import_with, nodes, replace_sets
from ssl_bench.transfer.own.takers import require_taken


def fit(config: Config, row: Task, own: OwnData) -> None:
    """Loaders of folders; heads and scores for the classes.

    Args:
        config (Config): Of a task of mmpretrain, or of a probe of images.
        row (Task): The task.
        own (OwnData): Class folders.

    Raises:
        UserError: The task takes no class folders.
    """
    require_taken(row, 'folders')
    names = [*own.classes]

    def own_set(split: str, reader: Any) -> dict[str, Any]:
        listed = getattr(own, split).names
        return dict(
            type='ClassFolders',
            data_root=f'own:{split}/images',
            ann_file=f'own:{split}/names' if listed else '',
            names=names,
            pipeline=reader.get('pipeline') or [],
        )

    replace_sets(config, own_set)
    import_with(config, 'ssl_bench.toolbox.image_sets')
    model = config.get('model') or {}
    for part in (
        config.get('data_preprocessor'),  # batches of mixed labels
        model.get('data_preprocessor'),
        model.get('train_cfg'),
        model.get('head'),
    ):
        for node in nodes(part):
            if 'num_classes' in node:
                node['num_classes'] = len(names)
    for part in (model.get('head'), config.get('test_evaluator')):
        for node in nodes(part):
            if 'topk' in node:
                node['topk'] = _useful(node['topk'], len(names))


def fit_neighbours(probe: dict[str, Any], images: int) -> list[str]:
    """A k above the number of training images becomes that number.

    Args:
        probe (dict): Of a config; changed in place.
        images (int): In training.

    Returns:
        list[str]: What a record should say.
    """
    if probe['type'] != 'knn' or probe.get('per_class') is not None:
        return []
    above = [k for k in probe['neighbours'] if k > images]
    if not above and probe['headline'] <= images:
        return []
    named = ', '.join(map(str, above or [probe['headline']]))
    probe['neighbours'] = sorted({min(k, images) for k in probe['neighbours']})
    probe['headline'] = min(probe['headline'], images)
    return [f'k is {images}, all training images, and not {named}']


def _useful(topk: Any, classes: int) -> tuple[int, ...]:
    """Of a score's k those that are not 100 % whatever is predicted."""
    counts = topk if isinstance(topk, (list, tuple)) else (topk,)
    return tuple(k for k in counts if says_something(f'top{k}', classes))
