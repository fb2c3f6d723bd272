"""Tasks of mmdet, on own images with boxes and masks of objects."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ssl_bench.errors import UserError
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task

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
    for split, loader in (
        ('train', 'train_dataloader'),
        ('val', 'test_dataloader'),
    ):
        config[loader].dataset = _with_one_set(
            config[loader].dataset, split, row, own
        )
    if own.kind == 'coco':
        evaluator.ann_file = 'own:val/labels'
    count = 0
    for node in _nodes(config.model):
        if 'num_classes' in node:
            node['num_classes'] = len(own.classes)
            count += 1
    if not count:
        raise UserError(
            f'{row.id}: its network has no `num_classes` to change.'
        )


def _with_one_set(node: Any, split: str, row: Task, own: OwnData) -> Any:
    """A data set, in what joins or chooses from others, on own files.

    Raises:
        UserError: It is not one of `SETS`.
    """
    if 'datasets' in node:
        node['datasets'] = [
            _with_one_set(node['datasets'][0], split, row, own)
        ]
    elif 'dataset' in node:
        node['dataset'] = _with_one_set(node['dataset'], split, row, own)
    elif str(node.get('type')).rpartition('.')[2] in SETS:
        return _refit(node, split, own)
    else:
        raise UserError(
            f'{row.id}: it reads its images with {node.get("type")}, not '
            f'with one of {", ".join(SETS)}.'
        )
    return node


def _refit(reader: dict[str, Any], split: str, own: OwnData) -> dict[str, Any]:
    """One reader: how it trains and what it filters stay."""
    place = f'own:{split}/'
    kept = {
        key: value
        for key, value in reader.items()
        if key not in ('data_root', 'ann_file', 'data_prefix', 'metainfo')
    }
    found = dict(kept, metainfo=dict(classes=own.classes), whole=own.apart)
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


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict of a network's config that knows the classes."""
    if isinstance(value, dict):
        yield value
        value = [part for key, part in value.items() if key != 'rpn_head']
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _nodes(item)
