"""Which own data a task takes."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.tasks.own import voc
from ssl_bench.tasks.own.data import OwnData

# tasks of boxes and masks, by the kind of labels, for messages
BOXES = 'coco_frcnn_fpn_1x, coco_dino_4scale'
VOC_BOXES = 'voc07_det_c4, voc0712_det_c4'


def fit_objects(
    task: str, metrics: Mapping[str, Any], own: OwnData, folder: str | Path
) -> OwnData:
    """The form of own data that a detection task reads.

    Args:
        task (str): Its id.
        metrics (Mapping): Of the task.
        own (OwnData): The data.
        folder (str | Path): Where a file that is made of them is written.

    Returns:
        OwnData: XML files as annotation files in COCO's form, for a task
        that is scored in COCO's way, and without masks for a task of boxes;
        else as they are.

    Raises:
        UserError: The task does not take them, and which tasks do.
    """
    scorers = {
        str(rule.toolkit).partition('/')[0] for rule in metrics.values()
    }
    masks = needs_masks(metrics)
    if 'lvis' in scorers:
        raise UserError(
            f'{task} takes LVIS alone, which is scored by how common its '
            'classes are. Take coco_mrcnn_fpn_1x or coco_vitdet_b for boxes '
            f'and masks, or {BOXES} for boxes.'
        )
    if 'coco' in scorers and own.kind == 'voc':
        if masks:
            raise UserError(_no_masks(task, own))
        return _as_coco(own, folder)
    if 'coco' in scorers and own.kind == 'coco' and masks and not own.masked:
        raise UserError(_no_masks(task, own))
    if 'voc' in scorers and own.kind == 'coco':
        raise UserError(
            f"{task} is scored by VOC's rules and takes XML files; for "
            f"COCO's annotation files take {BOXES}"
            + (', coco_mrcnn_fpn_1x.' if own.masked else '.')
        )
    return own.model_copy(update=dict(masked=own.masked and masks))


@cache
def _as_coco(own: OwnData, folder: str | Path) -> OwnData:
    """`voc.as_coco`, once for all tasks of a command."""
    return voc.as_coco(own, folder)


def needs_masks(metrics: Iterable[str]) -> bool:
    """Whether a task with these metrics trains on masks of objects."""
    return any(name.startswith('segm_') for name in metrics)


def _no_masks(task: str, own: OwnData) -> str:
    others = f'{BOXES}, {VOC_BOXES}' if own.kind == 'voc' else BOXES
    return (
        f'{task} trains on masks of objects, and {own.train.labels} has '
        f'boxes alone. Take a task of boxes: {others}.'
    )
