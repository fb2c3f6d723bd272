"""What a result may be about: task ids, metrics, names for tables.

Plain data, so that reading results needs no toolkit. The transfer station
has its own table of how a task is run; a test compares the two.
"""

import re
from dataclasses import dataclass

from ssl_bench.errors import unknown_name

BOX = ('bbox_AP', 'bbox_AP50', 'bbox_AP75')
MASK = ('segm_AP', 'segm_AP50', 'segm_AP75')


@dataclass(frozen=True)
class Task:
    """How a task stands in a table.

    Args:
        title (str): Short heading.
        group (str): ``detection``, ``segmentation``, ``classification``,
            ``features`` or ``robustness``.
        metrics (tuple[str, ...]): Those shown, the main one first.
    """

    title: str
    group: str
    metrics: tuple[str, ...]


def _detection(title: str, *metrics: str) -> Task:
    return Task(title, 'detection', metrics or BOX + MASK)


def _segmentation(title: str) -> Task:
    return Task(title, 'segmentation', ('mIoU',))


def _top1(title: str, group: str, *more: str) -> Task:
    return Task(title, group, ('top1',) + more)


TASKS: dict[str, Task] = {
    'voc0712_det_c4': _detection('VOC07+12 detection, C4', *BOX),
    'coco_mrcnn_c4_1x': _detection('COCO Mask R-CNN C4, 1x'),
    'coco_mrcnn_c4_2x': _detection('COCO Mask R-CNN C4, 2x'),
    'coco_mrcnn_fpn_1x': _detection('COCO Mask R-CNN FPN, 1x'),
    'coco_mrcnn_fpn_2x': _detection('COCO Mask R-CNN FPN, 2x'),
    'coco_vitdet_b': _detection('COCO ViTDet-B'),
    'lvis_vitdet_b': _detection(
        'LVIS ViTDet-B', 'bbox_AP', 'bbox_APr', 'segm_AP', 'segm_APr'
    ),
    'voc12aug_fcn': _segmentation('VOC12+aug FCN'),
    'cityscapes_fcn': _segmentation('Cityscapes FCN'),
    'ade20k_upernet_vitb': _segmentation('ADE20K UPerNet, ViT-B'),
    'in1k_linear': _top1('ImageNet linear', 'classification', 'top5'),
    'in1k_knn': _top1('ImageNet kNN', 'features'),
    'in1k_linear_cached': _top1(
        'ImageNet linear, no augmentation', 'features'
    ),
    'in1k_semi1': _top1('ImageNet, 1% labels', 'classification', 'top5'),
    'in1k_semi10': _top1('ImageNet, 10% labels', 'classification', 'top5'),
    'in1k_finetune': _top1('ImageNet fine-tuning', 'classification', 'top5'),
    'in1k_fewshot1': _top1('ImageNet 1%, frozen features', 'features'),
    'places205_linear': _top1('Places205 linear', 'classification'),
    'inat18_linear': _top1('iNat18 linear', 'classification'),
    'voc07_svm': Task('VOC07 linear SVM', 'features', ('mAP',)),
    'in_a': _top1('ImageNet-A', 'robustness'),
    'in_r': _top1('ImageNet-R', 'robustness'),
    'in_sketch': _top1('ImageNet-Sketch', 'robustness'),
    'in_c': Task('ImageNet-C', 'robustness', ('1-mCE', 'mCE')),
    'mini_voc_det_c4': _detection('Mini VOC detection, C4', *BOX),
    'mini_coco_mrcnn_fpn': _detection('Mini COCO Mask R-CNN FPN'),
    'mini_coco_vitdet': _detection('Mini COCO ViTDet'),
    'mini_lvis_vitdet': _detection(
        'Mini LVIS ViTDet', 'bbox_AP', 'bbox_APr', 'segm_AP', 'segm_APr'
    ),
    'mini_seg_upernet': _segmentation('Mini UPerNet segmentation'),
    'mini_seg_fcn': _segmentation('Mini FCN segmentation'),
    'mini_linear': _top1('Mini linear', 'classification', 'top5'),
    'mini_knn': _top1('Mini kNN', 'features'),
    'mini_linear_cached': _top1('Mini linear, no augmentation', 'features'),
    'mini_voc07_svm': Task('Mini VOC linear SVM', 'features', ('mAP',)),
    'mini_semi10': _top1('Mini 10% of the labels', 'classification', 'top5'),
    'mini_fewshot10': _top1('Mini 10%, frozen features', 'features'),
    'mini_places_linear': _top1('Mini Places linear', 'classification'),
    'mini_inat_linear': _top1('Mini iNat linear', 'classification'),
    'mini_in_a': _top1('Mini ImageNet-A', 'robustness'),
    'mini_in_r': _top1('Mini ImageNet-R', 'robustness'),
    'mini_in_sketch': _top1('Mini ImageNet-Sketch', 'robustness'),
    'mini_in_c': Task('Mini ImageNet-C', 'robustness', ('1-mCE', 'mCE')),
    'mini_finetune': _top1('Mini fine-tuning', 'classification', 'top5'),
}

# Tasks that papers print and this project does not run.
PUBLISHED_ONLY: dict[str, Task] = {
    'voc07_det_c4': _detection('VOC07 detection, C4', *BOX),
    'voc0712_det_c4_mmdet': _detection('VOC07+12 C4, mmselfsup', *BOX),
    'coco_mrcnn_fpn_6x': _detection('COCO Mask R-CNN FPN, 6x'),
    'coco_mrcnn_fpn_unspecified': _detection(
        'COCO Mask R-CNN FPN, schedule not stated'
    ),
    'coco_mrcnn_fpn_1x_mmdet': _detection('COCO FPN 1x, mmselfsup'),
    'coco_frcnn_fpn_1x': _detection('COCO Faster R-CNN FPN, 1x', *BOX),
    'coco10pct_mrcnn_fpn_12k': _detection('10% of COCO, FPN, 12k'),
    'coco_mrcnn_vitb_fpn': _detection('COCO Mask R-CNN ViT-B (MAE)'),
    'coco_cascade_vitb': _detection('COCO Cascade R-CNN, ViT-B'),
    'lvis_mrcnn_fpn': _detection('LVIS Mask R-CNN FPN'),
    'lvis_mrcnn_fpn_1x': _detection('LVIS Mask R-CNN FPN, 1x'),
    'cityscapes_mrcnn_fpn': _detection('Cityscapes instances', *MASK[:2]),
    'voc12_seg_unspecified': _segmentation('VOC12, protocol not stated'),
    'voc12_linseg_frozen': _segmentation('VOC12 linear head, frozen'),
    'voc12_linseg_finetune': _segmentation('VOC12 linear head, tuned'),
    'cityscapes_linseg_frozen': _segmentation('Cityscapes linear, frozen'),
    'places205_finetune': _top1('Places205 fine-tuning', 'classification'),
    'inat18_finetune': _top1('iNat18 fine-tuning', 'classification'),
}

# Points by which two faithful runs may differ; docs/leaderboard.md says why.
TOLERANCE = {'AP75': 1.0, 'mIoU': 1.0, '1-mCE': 1.0, 'mCE': 1.0}
TOLERANCE_ELSE = 0.5

MINI = re.compile(r'mini_[a-z0-9]+(_[a-z0-9]+)*')

# Highest possible value; ImageNet-C errors are relative to AlexNet's.
METRICS: dict[str, float] = {
    **{
        f'{kind}_AP{part}': 100.0
        for kind in ('bbox', 'segm')
        for part in ('', '50', '75', 's', 'm', 'l', 'r', 'c', 'f')
    },
    **dict.fromkeys(
        ('mIoU', 'mAcc', 'aAcc', 'top1', 'top5', 'mAP', '1-mCE'), 100.0
    ),
    'mCE': 1000.0,
}
# Lowest where it is not 0: a classifier may err more than AlexNet.
LOWEST: dict[str, float] = {'1-mCE': -900.0}


def is_known_task(task: str) -> bool:
    """Whether the project runs ``task`` (any ``mini_*`` name counts)."""
    return task in TASKS or MINI.fullmatch(task) is not None


def check_task(task: str) -> None:
    """Raise a ``UserError`` with the nearest ids for an unknown task."""
    if not is_known_task(task):
        raise unknown_name('task', task, TASKS)


def task_info(task: str) -> Task:
    """Heading, group and metrics of a known or published-only task."""
    known = TASKS.get(task) or PUBLISHED_ONLY.get(task)
    return known or Task(task.replace('_', ' ').capitalize(), 'other', ())


def base_metric(metric: str) -> str | None:
    """The known metric that ``metric`` is a variety of, or None.

    A variety adds words after an underscore: ``top1_k200`` (another k),
    ``mIoU_ms_flip`` (multi-scale test).
    """
    if metric in METRICS:
        return metric
    parts = metric.split('_')
    for end in range(len(parts) - 1, 0, -1):
        base = '_'.join(parts[:end])
        if base in METRICS:
            return base
    return None


def higher_is_better(metric: str) -> bool:
    """True except for errors."""
    return base_metric(metric) != 'mCE'


def tolerance(metric: str) -> float:
    """Points between measured and published that count as the same."""
    kind = (base_metric(metric) or metric).split('_')[-1]
    return TOLERANCE.get(kind, TOLERANCE_ELSE)


def metric_title(metric: str) -> str:
    """Heading of a metric: ``bbox_AP50`` is ``box AP50``."""
    return (
        metric.replace('bbox_', 'box ')
        .replace('segm_', 'mask ')
        .replace('_', ' ')
    )


def task_order(task: str) -> tuple[int, str]:
    """Sort key: the table above, then any other ``mini_*`` by name."""
    for table, offset in ((TASKS, 0), (PUBLISHED_ONLY, 1000)):
        if task in table:
            return offset + list(table).index(task), task
    return 900, task


def metric_order(task: str, metric: str) -> tuple[int, str]:
    """Sort key: the task's own metrics first, its main one first of all."""
    shown = task_info(task).metrics
    return (shown.index(metric) if metric in shown else len(shown)), metric
