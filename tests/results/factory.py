"""Records for the tests: plausible numbers from a formula, no run."""

import hashlib
import random
from collections.abc import Iterable

from ssl_bench.results import make_run_id

METRICS = {
    'mini_voc_det_c4': dict(bbox_AP=21.0, bbox_AP50=44.0, bbox_AP75=17.0),
    'mini_coco_mrcnn_fpn': dict(
        bbox_AP=18.0,
        bbox_AP50=36.0,
        bbox_AP75=16.0,
        segm_AP=16.0,
        segm_AP50=33.0,
        segm_AP75=14.0,
    ),
    'mini_seg_fcn': dict(mIoU=41.0),
    'mini_knn': dict(top1=48.0),
    'voc0712_det_c4': dict(bbox_AP=57.0, bbox_AP50=82.4, bbox_AP75=63.6),
    'coco_mrcnn_fpn_1x': dict(
        bbox_AP=39.8,
        bbox_AP50=59.8,
        bbox_AP75=43.6,
        segm_AP=36.1,
        segm_AP50=56.9,
        segm_AP75=38.7,
    ),
    'coco_mrcnn_c4_1x': dict(bbox_AP=38.9, segm_AP=34.1),
    'in1k_linear': dict(top1=67.5, top5=88.0),
    'in_c': {'1-mCE': 48.0},
}


def sha(text: str) -> str:
    """A stand-in hash of 64 digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def pretrain_cost(method: str, epochs: int | None) -> dict | None:
    """Of a pretraining; None for a control, which has none."""
    if epochs is None:
        return None
    hours = round(random.Random(f'{method}{epochs}').uniform(20, 90), 3)
    return dict(
        train_seconds=hours * 3600,
        images_per_second=310.5,
        peak_memory_mib=7168.0,
        gpu_hours=hours * 8,
        device='cpu',
        world_size=8,
    )


def make_record(
    method: str = 'MoCo v2',
    variant: str = '',
    task: str = 'mini_knn',
    seed: int = 0,
    metrics: dict[str, float] | None = None,
    epochs: int | None = 200,
    **changes,
) -> dict:
    """A valid record; ``changes`` replace top-level fields."""
    backbone = 'resnet18' if task.startswith('mini_') else 'ResNet-50'
    checkpoint = sha(f'{method}{variant}{epochs}')
    config = sha(task)
    hours = round(random.Random(f'{method}{task}{seed}').uniform(1, 9), 3)
    record = dict(
        schema=1,
        method=method,
        variant=variant,
        backbone=backbone,
        run_id=make_run_id(method, variant, task, seed, config, checkpoint),
        pretrain=dict(
            data='IN1K',
            epochs=epochs,
            batch=256,
            config=f'configs/{method}.py'.replace(' ', ''),
            checkpoint_sha256=checkpoint,
            source='measured',
            cost=pretrain_cost(method, epochs),
        ),
        task=task,
        seed=seed,
        metrics=dict(metrics or METRICS.get(task, {'top1': 1.0})),
        config_sha256=config,
        code_version='0.1.0',
        versions=dict(torch='2.14.1', mmdet='3.5.1'),
        hardware=dict(device='cpu', world_size=1),
        cost=dict(
            train_seconds=hours * 3600,
            images_per_second=21.5,
            peak_memory_mib=912.0,
            gpu_hours=hours,
        ),
        data=dict(name='mini', fingerprint=sha(f'data {task}'), images=600),
        started='2025-05-01T10:00:00+00:00',
        finished='2025-05-01T11:00:00+00:00',
        status='completed',
    )
    record.update(changes)
    return record


def suite(
    methods: Iterable[tuple[str, str, float]],
    task_ids: Iterable[str],
    seeds: Iterable[int] = (0, 1, 2),
):
    """Records of several methods: the base value plus a gain and noise.

    Args:
        methods: Name, variant and gain in points of each.
        task_ids: Keys of ``METRICS``.
        seeds: Seeds of each cell.
    """
    for method, variant, gain in methods:
        for task in task_ids:
            for seed in seeds:
                noise = random.Random(f'{method}{variant}{task}{seed}')
                shift = gain + noise.gauss(0, 0.25)
                yield make_record(
                    method,
                    variant,
                    task,
                    seed,
                    {
                        name: round(min(max(value + shift, 0), 100), 4)
                        for name, value in METRICS[task].items()
                    },
                    epochs=None if method == 'Random init' else 200,
                )


METHODS = (
    ('Random init', '', -9.0),
    ('Supervised', '', -1.0),
    ('MoCo v2', '', 0.0),
    ('InsLoc', 'FPN', 1.6),
    ('PixPro', '', 1.4),
)
