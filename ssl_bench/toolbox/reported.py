"""Names of the numbers that evaluators report, known before they run."""

from collections.abc import Mapping, Sequence
from typing import Any

COCO = ('', '_50', '_75', '_s', '_m', '_l')
LVIS = ('', '50', '75', 's', 'm', 'l', 'r', 'c', 'f')
# names of `DepthErrors`, and those of `depth_scores`
DEPTH = dict(
    RMSE='rmse',
    AbsRel='abs_rel',
    a1='a1',
    a2='a2',
    a3='a3',
    log10='log_10',
    RMSElog='rmse_log',
    SILog='silog',
    SqRel='sq_rel',
)
SEGMENTATION = {
    'mIoU': ('mIoU', 'mAcc'),
    'mDice': ('mDice', 'mAcc'),
    'mFscore': ('mFscore', 'mPrecision', 'mRecall'),
}


def reported(evaluator: Any) -> set[str] | None:
    """What a config's ``test_evaluator`` reports.

    Args:
        evaluator (dict): With its ``type``.

    Returns:
        set[str], optional: Names as in the toolkit's log. None if the
        evaluator is not listed here.
    """
    if not isinstance(evaluator, Mapping):
        return None  # several: each would need a prefix
    kind = str(evaluator.get('type')).rpartition('.')[2]
    if kind in ('Accuracy', 'SubsetAccuracy'):
        if 'thrs' in evaluator:
            return None
        ks = _listed(evaluator.get('topk', 1))
        return _with_prefix(evaluator, 'accuracy', [f'top{k}' for k in ks])
    if kind == 'IoUMetric':
        metrics = _listed(evaluator.get('iou_metrics', 'mIoU'))
        names = [n for m in metrics for n in SEGMENTATION.get(m, ())]
        return _with_prefix(evaluator, '', ['aAcc', *names])
    if kind == 'DepthErrors':
        return _with_prefix(evaluator, '', [*DEPTH])
    if kind == 'MapIoU':
        return _with_prefix(evaluator, '', ['mIoU', 'mAcc', 'aAcc'])
    if kind in ('CocoMetric', 'ExactCocoMetric'):
        metrics = _listed(evaluator.get('metric', 'bbox'))
        if not set(metrics) <= {'bbox', 'segm'}:
            return None
        names = [f'{m}_mAP{end}' for m in metrics for end in COCO]
        return _with_prefix(evaluator, 'coco', names)
    if kind == 'LvisMetric':
        metrics = _listed(evaluator.get('metric', 'bbox'))
        names = [f'{m}_AP{end}' for m in metrics for end in LVIS]
        return _with_prefix(evaluator, 'lvis', names)
    if kind == 'VOCDetectionMetric':
        return _with_prefix(evaluator, 'voc', ['AP', 'AP50', 'AP75'])
    if kind == 'HeadAccuracy':
        return _with_prefix(
            evaluator, '', ['top1', 'top5', 'top1_chosen_on_test']
        )
    if kind == 'CorruptionError':
        return _with_prefix(evaluator, '', ['mCE', '1-mCE', 'top1'])
    return None


def _listed(value: Any) -> list[Any]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return list(value) if is_list else [value]


def _with_prefix(
    evaluator: Mapping[str, Any], default: str, names: Sequence[str]
) -> set[str]:
    prefix = evaluator.get('prefix') or default
    return {f'{prefix}/{name}' if prefix else name for name in names}
