"""The task table: every downstream task as data. Imports no toolkit."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.datasets import DATASETS

_VOC_BOX = {
    'voc/AP': ('bbox_AP', 1.0),
    'voc/AP50': ('bbox_AP50', 1.0),
    'voc/AP75': ('bbox_AP75', 1.0),
}
_COCO = {
    f'coco/{kind}_mAP{theirs}': (f'{kind}_AP{ours}', 100.0)
    for kind in ('bbox', 'segm')
    for theirs, ours in (
        ('', ''),
        ('_50', '50'),
        ('_75', '75'),
        ('_s', 's'),
        ('_m', 'm'),
        ('_l', 'l'),
    )
}
_LVIS = {
    f'lvis/{kind}_AP{part}': (f'{kind}_AP{part}', 100.0)
    for kind in ('bbox', 'segm')
    for part in ('', '50', '75', 's', 'm', 'l', 'r', 'c', 'f')
}
_MIOU = {'mIoU': ('mIoU', 1.0), 'mAcc': ('mAcc', 1.0), 'aAcc': ('aAcc', 1.0)}
_MCE = {'mCE': ('mCE', 1.0), '1-mCE': ('1-mCE', 1.0), 'top1': ('top1', 1.0)}
_TOP = {'accuracy/top1': ('top1', 1.0), 'accuracy/top5': ('top5', 1.0)}


@dataclass(frozen=True)
class Task:
    """How a downstream task is run; what it means stands in its config.

    Attributes:
        toolbox (str): ``mmdet``, ``mmseg``, ``mmpretrain``, or ``probe``
            for frozen features without training by gradient.
        dataset (str): Key of `datasets.DATASETS`.
        metrics (dict): Toolkit's metric to ours and the factor to percent.
        source (str): Whose protocol it is.
        gpu_hours (float, optional): Estimate of a run's training, summed
            over 8 V100s, by `zoo_hours`; None where nothing is known.
        packages (tuple[str, ...]): Needed beside what the project needs.
        trained_by (str): Of a task that trains nothing: the task whose
            classifier it tests.
    """

    toolbox: str
    dataset: str
    metrics: dict[str, tuple[str, float]]
    source: str
    gpu_hours: float | None = None
    trained_by: str = ''
    packages: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """Where the config expects the data, from the checkout."""
        return 'data/mini' if self.dataset.startswith('mini_') else 'data'


# Seconds per iteration of 16 images on 8 V100s, by Detectron2's MODEL_ZOO.md:
# Faster R-CNN R50-C4 on VOC, Mask R-CNN R50-C4 and R50-FPN on COCO.
_SECONDS = dict(voc_c4=0.537, c4=0.584, fpn=0.261)
_ITERATIONS = {'1x': 90_000, '2x': 180_000, 'voc': 24_000}


def zoo_hours(model: str, schedule: str) -> float:
    """GPU hours of a schedule at the speed that the model zoo states.

    An estimate: the zoo's models have no SyncBN.

    Args:
        model (str): ``voc_c4``, ``c4`` or ``fpn``.
        schedule (str): ``1x``, ``2x`` or ``voc``.
    """
    return _SECONDS[model] * _ITERATIONS[schedule] * 8 / 3600


_D2 = 'Detectron2 config of MoCo (He et al., CVPR 2020, App. A.3)'
_VITDET = "Li et al., ECCV 2022, Detectron2's ViTDet project"
_VISSL = 'Goyal et al., ICCV 2019, Sec. 4 (VISSL)'
_COCO_D2 = 'Detectron2 configs of MoCo and InsLoc'

TASKS: dict[str, Task] = {
    'voc0712_det_c4': Task(
        'mmdet', 'voc0712', _VOC_BOX, _D2, zoo_hours('voc_c4', 'voc')
    ),
    **{
        f'coco_mrcnn_{net}_{schedule}': Task(
            'mmdet', 'coco', _COCO, _COCO_D2, zoo_hours(net, schedule)
        )
        for net in ('c4', 'fpn')
        for schedule in ('1x', '2x')
    },
    'coco_vitdet_b': Task('mmdet', 'coco', _COCO, _VITDET),
    'lvis_vitdet_b': Task('mmdet', 'lvis', _LVIS, _VITDET, packages=('lvis',)),
    'voc12aug_fcn': Task(
        'mmseg',
        'voc12aug',
        _MIOU,
        'DenseCL and OpenMMLab benchmarks, mmseg FCN-D8',
    ),
    'cityscapes_fcn': Task(
        'mmseg',
        'cityscapes',
        _MIOU,
        'DenseCL and OpenMMLab benchmarks, mmseg FCN-D8',
    ),
    'ade20k_upernet_vitb': Task(
        'mmseg', 'ade20k', _MIOU, 'MAE (He et al., CVPR 2022, App. A.4)'
    ),
    'in1k_linear': Task(
        'mmpretrain', 'imagenet', _TOP, 'MoCo (He et al., CVPR 2020, Sec. 4.1)'
    ),
    'in1k_knn': Task(
        'probe', 'imagenet', {}, 'Wu et al., CVPR 2018, Sec. 3.4'
    ),
    'in1k_linear_cached': Task(
        'probe', 'imagenet', {}, "no paper's: a quick sweep, unaugmented"
    ),
    'in1k_semi1': Task(
        'mmpretrain',
        'imagenet_semi1',
        _TOP,
        'Barlow Twins (Zbontar et al., ICML 2021, App. A)',
    ),
    'in1k_semi10': Task(
        'mmpretrain',
        'imagenet_semi10',
        _TOP,
        'LEWEL (Huang et al., CVPR 2022)',
    ),
    'in1k_finetune': Task(
        'mmpretrain',
        'imagenet',
        _TOP,
        'SiameseIM (Tao et al., CVPR 2023), ViT-B/16',
    ),
    'in1k_fewshot1': Task(
        'probe',
        'imagenet_semi1',
        {},
        'SiameseIM (Tao et al., CVPR 2023), after MSN',
    ),
    'places205_linear': Task('mmpretrain', 'places205', _TOP, _VISSL),
    'inat18_linear': Task('mmpretrain', 'inat18', _TOP, _VISSL),
    'voc07_svm': Task(
        'probe', 'voc07', {}, 'Goyal et al., ICCV 2019, Sec. 4.1 (VISSL)'
    ),
    **{
        name: Task(
            'mmpretrain',
            f'imagenet_{name[3:]}',
            _TOP,
            'SiameseIM (Tao et al., CVPR 2023), after MAE',
            trained_by='in1k_finetune',
        )
        for name in ('in_a', 'in_r', 'in_sketch')
    },
    'in_c': Task(
        'mmpretrain',
        'imagenet_c',
        _MCE,
        'Hendrycks and Dietterich, ICLR 2019, Sec. 4',
        trained_by='in1k_finetune',
    ),
    'mini_voc_det_c4': Task(
        'mmdet', 'mini_voc', _VOC_BOX, 'voc0712_det_c4, scaled down'
    ),
    'mini_coco_mrcnn_fpn': Task(
        'mmdet', 'mini_coco', _COCO, 'coco_mrcnn_fpn_1x, scaled down'
    ),
    'mini_coco_vitdet': Task(
        'mmdet', 'mini_coco', _COCO, 'coco_vitdet_b, scaled down'
    ),
    'mini_lvis_vitdet': Task(
        'mmdet',
        'mini_lvis',
        _LVIS,
        'lvis_vitdet_b, scaled down',
        packages=('lvis',),
    ),
    'mini_seg_upernet': Task(
        'mmseg', 'mini_seg', _MIOU, 'ade20k_upernet_vitb, scaled down'
    ),
    'mini_seg_fcn': Task(
        'mmseg', 'mini_seg', _MIOU, 'voc12aug_fcn, scaled down'
    ),
    'mini_linear': Task(
        'mmpretrain', 'mini_imagenet', _TOP, 'in1k_linear, scaled down'
    ),
    'mini_semi10': Task(
        'mmpretrain', 'mini_semi10', _TOP, 'in1k_semi10, scaled down'
    ),
    'mini_finetune': Task(
        'mmpretrain', 'mini_imagenet', _TOP, 'in1k_finetune, scaled down'
    ),
    'mini_knn': Task('probe', 'mini_imagenet', {}, 'in1k_knn, scaled down'),
    'mini_linear_cached': Task(
        'probe', 'mini_imagenet', {}, 'in1k_linear_cached, scaled down'
    ),
    'mini_voc07_svm': Task('probe', 'mini_voc', {}, 'voc07_svm, scaled down'),
    'mini_fewshot10': Task(
        'probe', 'mini_semi10', {}, 'in1k_fewshot1, scaled down'
    ),
    'mini_places_linear': Task(
        'mmpretrain', 'mini_places', _TOP, 'places205_linear, scaled down'
    ),
    'mini_inat_linear': Task(
        'mmpretrain', 'mini_inat', _TOP, 'inat18_linear, scaled down'
    ),
    **{
        f'mini_{name}': Task(
            'mmpretrain',
            f'mini_imagenet_{name[3:]}',
            _MCE if name == 'in_c' else _TOP,
            f'{name}, scaled down',
            trained_by='mini_finetune',
        )
        for name in ('in_a', 'in_r', 'in_sketch', 'in_c')
    },
}


def find_task(name: str) -> Task:
    """The row of a task id.

    Raises:
        UserError: Unknown; it names the nearest ids.
    """
    if name not in TASKS:
        raise unknown_name('task', name, TASKS)
    return TASKS[name]


def require_packages(name: str) -> None:
    """Check that what a task needs beside the project is installed.

    Raises:
        UserError: Says what to install.
    """
    missing = [
        package
        for package in find_task(name).packages
        if find_spec(package) is None
    ]
    if missing:
        raise UserError(
            f'{name} needs the package {missing[0]}: pip install '
            f'{" ".join(missing)}'
        )


def require_data(name: str, root: str | Path) -> None:
    """Check that a task's data lie below ``root``.

    Raises:
        UserError: Says what was looked for and how to prepare it.
    """
    dataset = DATASETS[find_task(name).dataset]
    root = Path(root)
    missing = [path for path in dataset.paths if not (root / path).exists()]
    if missing:
        more = f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''
        raise UserError(
            f'{name} needs {dataset.title}: {root / missing[0]} is not '
            f'there{more}. Prepare it with: '
            f'{dataset.prepare.format(root=root)}; or name another root '
            'with --data-root.'
        )
