"""Segmentation tasks and dense probes, on own masks."""

from typing import Any

from mmengine.config import Config

from ssl_bench.tasks.layouts.masks import IGNORED
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task
from ssl_bench.transfer.own.loaders import import_with, nodes, replace_sets
from ssl_bench.transfer.own.takers import require_taken

HEADS = ('decode_head', 'auxiliary_head')


def fit(config: Config, row: Task, own: OwnData) -> None:
    """Loaders of masks; heads, probe and scores for the classes.

    Labels count as they are in the files, and 255 does not count: that a
    protocol takes 0 for no class is a rule of its own data set. Weights of
    classes are of the protocol's classes: own ones have equal weights.

    Args:
        config (Config): Of a task of mmseg, or of a probe of patches.
        row (Task): The task.
        own (OwnData): Masks.

    Raises:
        UserError: The task takes no masks.
    """
    require_taken(row, 'masks')
    names = [*own.classes]
    metainfo = dict(classes=names, palette=palette(len(names)))

    def own_set(split: str, reader: Any) -> dict[str, Any]:
        listed = getattr(own, split).names
        return dict(
            type='OwnMasks',
            data_root=f'own:{split}/images',
            masks=f'own:{split}/labels',
            ann_file=f'own:{split}/names' if listed else '',
            metainfo=metainfo,
            pipeline=reader.get('pipeline') or [],
        )

    replace_sets(config, own_set)
    import_with(config, 'ssl_bench.toolbox.load_masks')
    for name in ('train_dataloader', 'test_dataloader'):
        for node in nodes(config[name]):
            if node.get('type') == 'LoadAnnotations':
                node['reduce_zero_label'] = False
    if config.get('probe'):
        config.probe.update(classes=len(names), ignore=[IGNORED])
    if config.get('model'):
        _fit_model(config.model, len(names))
    evaluator = config.get('test_evaluator') or {}
    if 'ignore' in evaluator:
        evaluator['ignore'] = [IGNORED]
    if 'ignore_index' in evaluator:
        evaluator['ignore_index'] = IGNORED


def _fit_model(model: Any, classes: int) -> None:
    """Sizes of heads, equal weights of classes, 255 for no class."""
    pixels = model.get('data_preprocessor') or {}
    if 'seg_pad_val' in pixels:
        pixels['seg_pad_val'] = IGNORED
    for name in HEADS:
        for node in nodes(model.get(name)):
            if 'num_classes' in node:
                node['num_classes'] = classes
            if 'ignore_index' in node:
                node['ignore_index'] = IGNORED
            node.pop('class_weight', None)


def palette(classes: int) -> list[list[int]]:
    """A colour for each class, all distinct, as VOC makes them.

    Reference: Everingham et al., VOC development kit, ``VOClabelcolormap``:
        the bits of the label, three at a time, are the upper bits of red,
        green and blue.

    Args:
        classes (int): At most 255.
    """
    return [
        [
            sum((label >> 3 * bit + part & 1) << 7 - bit for bit in range(3))
            for part in range(3)
        ]
        for label in range(classes)
    ]
