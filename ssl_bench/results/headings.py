"""What tables say of a task: its heading, its metrics, its place.

Tasks that the project runs come from the task table; tasks that only papers
print are listed here; a user's own are described by their records. A record
may also be of a task that is not installed: it is shown under its id, and its
metrics are not ranked.
"""

from dataclasses import dataclass

from ssl_bench.tasks.facts import Metric
from ssl_bench.tasks.own.data import OWN
from ssl_bench.tasks.table import tasks

BOX = ('bbox_AP', 'bbox_AP50', 'bbox_AP75')
MASK = ('segm_AP', 'segm_AP50', 'segm_AP75')
NOT_INSTALLED = 'not installed'
PERCENT = Metric.model_fields['unit'].default
UNKNOWN_PLACES = Metric.model_fields['places'].default  # of no rule


@dataclass(frozen=True)
class Heading:
    """How a task is shown.

    Args:
        title (str): Short heading.
        group (str): As `tasks.table.Task`; ``other`` when not known.
        metrics (tuple[str, ...]): Those shown, the main one first; empty
            when not known.
    """

    title: str
    group: str
    metrics: tuple[str, ...]


def _detection(title: str, *metrics: str) -> Heading:
    return Heading(title, 'detection', metrics or BOX + MASK)


def _segmentation(title: str) -> Heading:
    return Heading(title, 'segmentation', ('mIoU',))


def _top1(title: str) -> Heading:
    return Heading(title, 'classification', ('top1',))


def _depth(title: str) -> Heading:
    return Heading(title, 'depth', ('RMSE',))


# Tasks that papers print and this project does not run.
PUBLISHED_ONLY: dict[str, Heading] = {
    'voc0712_det_c4_mmdet': _detection('VOC07+12 C4, mmselfsup', *BOX),
    'coco_mrcnn_fpn_unspecified': _detection(
        'COCO Mask R-CNN FPN, schedule not stated'
    ),
    'coco_mrcnn_fpn_1x_mmdet': _detection('COCO FPN 1x, mmselfsup'),
    'coco_mrcnn_vitb_fpn': _detection('COCO Mask R-CNN ViT-B (MAE)'),
    'coco_cascade_vitb': _detection('COCO Cascade R-CNN, ViT-B'),
    'lvis_mrcnn_fpn': _detection('LVIS Mask R-CNN FPN'),
    'voc12_seg_unspecified': _segmentation('VOC12, protocol not stated'),
    'voc12_linseg_frozen': _segmentation('VOC12 linear head, frozen'),
    'voc12_linseg_finetune': _segmentation('VOC12 linear head, tuned'),
    'cityscapes_linseg_frozen': _segmentation('Cityscapes linear, frozen'),
    'places205_finetune': _top1('Places205 fine-tuning'),
    'inat18_finetune': _top1('iNat18 fine-tuning'),
    'nyu_depth_dpt_dinov2': _depth('NYUv2 depth DPT, DINOv2'),
    'kitti_depth_lin1_dinov2': _depth('KITTI depth linear, DINOv2'),
    'kitti_depth_lin4_dinov2': _depth('KITTI depth linear on 4, DINOv2'),
    'kitti_depth_dpt_dinov2': _depth('KITTI depth DPT, DINOv2'),
    'kitti_depth_lin_dinov3': _depth('KITTI depth linear, DINOv3'),
    'nyu2sunrgbd_depth_lin1_dinov2': _depth(
        'NYUv2 to SUN RGB-D linear, DINOv2'
    ),
    'nyu2sunrgbd_depth_lin4_dinov2': _depth(
        'NYUv2 to SUN RGB-D linear on 4, DINOv2'
    ),
    'nyu2sunrgbd_depth_dpt_dinov2': _depth('NYUv2 to SUN RGB-D DPT, DINOv2'),
}


def known_tasks() -> dict[str, int]:
    """Ids of the tasks that are run or printed, with their places."""
    table = tasks()
    if _places.get(id(table)) is None:
        _places.clear()
        ids = [*table, *PUBLISHED_ONLY]
        _places[id(table)] = {name: i for i, name in enumerate(ids)}
    return _places[id(table)]


_places: dict[int, dict[str, int]] = {}


def heading(task: str) -> Heading:
    """Heading, group and metrics of any task."""
    found = tasks().facts(task)
    if found is not None:
        return Heading(found.title, found.group, found.shown)
    return PUBLISHED_ONLY.get(task) or Heading(
        f'{task}, {NOT_INSTALLED}', 'other', ()
    )


def metric_rule(task: str, metric: str) -> Metric | None:
    """Range, direction and tolerance of a metric of a task.

    Returns:
        Metric | None: As the task's config says. Of a task that only papers
        print, and of a metric that a paper prints for one of our tasks
        and its config does not have, as other tasks say; None when no
        task has it.
    """
    own = tasks().facts(task)
    rule = own.metric(metric) if own is not None else None
    if rule is None and task in known_tasks():
        rules = (other.metric(metric) for other in tasks().values())
        rule = next((found for found in rules if found is not None), None)
    return rule


def higher_is_better(task: str, metric: str) -> bool | None:
    """The direction of a metric; None when it is not known."""
    rule = metric_rule(task, metric)
    return None if rule is None else rule.higher_is_better


def places(task: str, metric: str) -> int:
    """Decimals of a metric in tables; 1 where its rule is not known."""
    rule = metric_rule(task, metric)
    return UNKNOWN_PLACES if rule is None else rule.places


def metric_title(task: str, metric: str) -> str:
    """Heading of a metric: ``bbox_AP50`` is ``box AP50``.

    A unit other than percent is named: ``RMSE in metres``.
    """
    title = (
        metric.replace('bbox_', 'box ')
        .replace('segm_', 'mask ')
        .replace('_', ' ')
    )
    rule = metric_rule(task, metric)
    if rule is None or rule.unit in ('', PERCENT):
        return title
    return f'{title} in {rule.unit}'


def is_known(task: str) -> bool:
    """Whether a task is run or printed, or a record describes it."""
    return task in known_tasks() or tasks().facts(task) is not None


def is_custom(task: str) -> bool:
    """Whether a task is of a user's own: no paper has numbers of it."""
    return task.startswith(OWN)


def task_order(task: str) -> tuple[int, int, str]:
    """Sort key: the task table, what papers print, a user's own, others."""
    known, facts = known_tasks(), tasks().facts(task)
    if task in known or facts is None:
        return known.get(task, len(known) + 1), 0, task
    return len(known), facts.order, task


def metric_order(task: str, metric: str) -> tuple[int, str]:
    """Sort key: the task's own metrics first, its main one first of all."""
    shown = heading(task).metrics
    return (shown.index(metric) if metric in shown else len(shown)), metric
