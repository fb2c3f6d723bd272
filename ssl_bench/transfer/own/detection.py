"""Tasks of mmdet, on own images with boxes and masks of objects."""

from functools import partial
from typing import Any

from mmengine.config import Config

from ssl_bench.errors import UserError
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task
from ssl_bench.transfer.own.loaders import nodes, replace_sets

SETS = ('CocoInstances', 'VOCDetection')
# what scores, and the kind of labels that it takes
TAKES = dict(ExactCocoMetric='coco', VOCDetectionMetric='voc')


def fit(config: Config, row: Task, own: OwnData) -> None:
    """The task's readers on own files; heads for the classes.

    Args:
        config (Config): Of a task of mmdet; changed in place.
        row (Task): The task.
        own (OwnData): Of the kind that its evaluator takes.

    Raises:
        UserError: It takes another kind, or reads its data in a way that is
            not known here.
    """
    evaluator = config.test_evaluator
    kind = str(evaluator.get('type')).rpartition('.')[2]
    if TAKES.get(kind) != own.kind:
        raise UserError(
            f'{row.id}: it is scored by {kind}, which does not take '
            f'{own.kind}.'
        )
    replace_sets(config, partial(_own_set, row, own))
    if own.kind == 'coco':
        evaluator.ann_file = 'own:val/labels'
    count = 0
    for name, part in config.model.items():
        if name == 'rpn_head':  # it tells objects from background
            continue
        for node in nodes(part):
            if 'num_classes' in node:
                node['num_classes'] = len(own.classes)
                count += 1
    if not count:
        raise UserError(
            f'{row.id}: its network has no `num_classes` to change.'
        )


def _own_set(row: Task, own: OwnData, split: str, reader: Any) -> Any:
    """A reader of own files: how it trains and what it filters stay.

    Raises:
        UserError: It is not one of `SETS`.
    """
    if str(reader.get('type')).rpartition('.')[2] not in SETS:
        raise UserError(
            f'{row.id}: it reads its images with {reader.get("type")}, not '
            f'with one of {", ".join(SETS)}.'
        )
    place = f'own:{split}/'
    found = dict(
        reader, metainfo=dict(classes=[*own.classes]), whole=own.apart
    )
    if own.kind == 'coco':
        return dict(
            found,
            data_root='',
            ann_file=f'{place}labels',
            data_prefix=dict(img=f'{place}images'),
        )
    return dict(
        found,
        data_root=f'{place}labels',
        ann_file=f'{place}names' if getattr(own, split).names else '',
        data_prefix=dict(sub_data_root=''),
        img_subdir=f'{place}images',
        ann_subdir=f'{place}labels',
    )
