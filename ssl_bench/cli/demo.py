"""Run the whole chain on embedded data: pretrain, transfer, rank.

MoCo v2 and InsLoc are pretrained on generated images; they and random
initialisation are transferred to detection, instance segmentation, semantic
segmentation and a kNN probe. A vision transformer (--all) takes those of
these tasks that suit it, and is compared with a random one. Each step is a
command of its own, printed as it starts, some of them at a time. A second run
repeats nothing that is finished and continues what is not.

--backbones compares frozen networks on dense tasks instead, over three seeds:
random ones of three kinds, and MoCo v2 and InsLoc after a short pretraining
for each seed.
"""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.cli.run import positive

if TYPE_CHECKING:
    from ssl_bench.launch.suite import Method, Suite

CONFIGS = ('mocov2_r18', 'insloc_r18_fpn')
TASKS = ('mini_voc_det_c4', 'mini_coco_mrcnn_fpn', 'mini_seg_fcn', 'mini_knn')
# what the mini configs pretrain, and random initialisation builds
RESNET, VIT = 'resnet18-w16', 'vit_d96_l4_h3_patch8'
# of tasks that take a residual network, their counterparts for a ViT
FOR_VIT = {
    'mini_voc_det_c4': None,
    'mini_coco_mrcnn_fpn': 'mini_coco_vitdet',
    'mini_seg_fcn': 'mini_seg_upernet',
}
# --backbones: frozen networks and dense tasks that take seconds each
BACKBONE_TASKS = ('mini_depth', 'mini_incontext', 'mini_spair')
CONVNEXT = 'test_convnext'  # timm's smallest one
SEEDS = (0, 1, 2)
EPOCHS = {'mocov2_r18': 10, 'insloc_r18_fpn': 15}
# --quick: two steps of pretraining, four of every task, 24 test images (not
# with --backbones: a pair needs both of its images)
QUICK_PRETRAIN = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': 128,
}
QUICK_TRAINING = {'train_cfg.max_iters': 4, 'train_cfg.val_interval': 4}
QUICK_TASKS = {**QUICK_TRAINING, 'test_dataloader.dataset.indices': 24}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        '--all',
        action='store_true',
        help='every method that has a config in configs/mini',
    )
    which.add_argument(
        '--backbones',
        action='store_true',
        help='frozen networks on dense tasks, three seeds: random ones, and '
        'two after a short pretraining',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='a few iterations of everything: shows that it runs, its '
        'numbers mean nothing',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        metavar='SEED',
        help='pretrain and transfer once for each (default: 0; 0 1 2 with '
        '--backbones, if not --quick)',
    )
    parser.add_argument(
        '--tasks',
        nargs='+',
        metavar='TASK',
        help='mini tasks (default: four; three others with --backbones)',
    )
    parser.add_argument(
        '--jobs',
        type=positive,
        metavar='N',
        help='commands at a time '
        '(default: one a device; without devices two to four, by cores)',
    )
    parser.add_argument('--data-root', default='data/mini')
    parser.add_argument(
        '--work-dir',
        help='default: work_dirs/demo, with _backbones, with _quick',
    )


def run(args: argparse.Namespace) -> int:
    """Run every command; stop at the first that fails."""
    from ssl_bench.launch.forked import warm_up

    started = time.monotonic()
    warm_up()
    work_dir = Path(args.work_dir or _default_dir(args))
    _call('data', 'mini', '--root', args.data_root)
    # first, since it keeps what the toolkits print on import to itself
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.launch import run_commands
    from ssl_bench.launch.plan import plan_suite

    plan = plan_suite(_suite(args, work_dir))
    if plan.done:
        print(f'{plan.done} records are there, {len(plan.missing)} missing')
    run_commands(plan.commands, args.jobs or 0)
    print()
    for ending in ('csv', 'html'):
        _call(
            'leaderboard',
            str(work_dir),
            '--published',
            'none',
            '-o',
            str(work_dir / f'leaderboard.{ending}'),
            may_warn=True,
        )
    if args.backbones:
        _report_rankings(work_dir)
    _draw_views(work_dir)
    from ssl_bench.progress import clock

    print(f'\nThe chain took {clock(time.monotonic() - started)}. Look at:')
    for path in sorted(
        [
            *work_dir.glob('leaderboard.*'),
            *work_dir.glob('sensitivity.*'),
            *work_dir.glob('*.png'),
            *work_dir.glob('*/predictions.png'),
        ]
    ):
        print(f'  {path}')
    return 0


def _default_dir(args: argparse.Namespace) -> str:
    more = [name for name in ('backbones', 'quick') if getattr(args, name)]
    return f'work_dirs/{"_".join(["demo", *more])}'


def _suite(args: argparse.Namespace, work_dir: Path) -> 'Suite':
    """The demo as a suite."""
    from ssl_bench.launch.suite import Launch, Suite

    methods = _backbones(args) if args.backbones else _whole_chain(args)
    quick = QUICK_TRAINING if args.backbones else QUICK_TASKS
    several = args.backbones and not args.quick
    # of short tasks the start is the most; else single ones fill the places
    together = args.backbones or args.quick
    return Suite(
        methods=tuple(method for method in methods if method.tasks),
        seeds=tuple(args.seeds or (SEEDS if several else SEEDS[:1])),
        pretrain_each_seed=True,
        work_dir=str(work_dir),
        data_root=args.data_root,
        visualize=0 if args.backbones else 8,
        overrides=quick if args.quick else {},
        launch=Launch(per='method' if together else 'task'),
    )


def _whole_chain(args: argparse.Namespace) -> list['Method']:
    """Networks of a kind behind their random one."""
    from ssl_bench.launch.suite import Method

    configs = _configs(args.all)
    archs = [_arch(config) for config in configs]
    names = args.tasks or TASKS
    return [
        *(
            Method(checkpoint='random', arch=arch, tasks=_tasks(names, arch))
            for arch in dict.fromkeys(archs)
        ),
        *(
            Method(
                config=str(config),
                tasks=_tasks(names, arch),
                overrides=QUICK_PRETRAIN if args.quick else {},
            )
            for config, arch in zip(configs, archs)
        ),
    ]


def _backbones(args: argparse.Namespace) -> list['Method']:
    """Networks that stay frozen, those to be pretrained first.

    What takes longest starts first; the others fill the places.
    """
    from ssl_bench.launch.suite import Method

    tasks = tuple(dict.fromkeys(args.tasks or BACKBONE_TASKS))
    return [
        *(
            Method(
                config=str(config),
                tasks=tasks,
                overrides=QUICK_PRETRAIN
                if args.quick
                else _shorter(config, EPOCHS[config.stem]),
            )
            for config in _configs(False)
        ),
        *(
            Method(checkpoint='random', arch=arch, tasks=tasks)
            for arch in (RESNET, VIT, CONVNEXT)
        ),
    ]


def _shorter(config: Path, epochs: int) -> dict[str, int]:
    """Overrides of a pretraining that ends, rates too, after ``epochs``."""
    from ssl_bench.config import load_config

    loaded = load_config(config)
    whole = loaded.train_cfg.max_epochs
    return {
        'train_cfg.max_epochs': epochs,
        **{
            f'param_scheduler.{index}.{key}': epochs
            for index, scheduler in enumerate(loaded.param_scheduler)
            for key in ('T_max', 'end')
            if scheduler.by_epoch and scheduler.get(key) == whole
        },
    }


def _tasks(names: Sequence[str], arch: str) -> tuple[str, ...]:
    """Those of the tasks that take the network, or their counterparts."""
    if arch == VIT:
        fitting = [FOR_VIT.get(task, task) for task in names]
        return tuple(task for task in dict.fromkeys(fitting) if task)
    return tuple(dict.fromkeys(names))


def _configs(every: bool) -> list[Path]:
    from ssl_bench.config import config_dir

    folder = config_dir() / 'mini'
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if every:
        return sorted(folder.glob('*.py'))
    return [folder / f'{name}.py' for name in CONFIGS]


def _arch(config: Path) -> str:
    from ssl_bench.config import load_config

    backbone = load_config(config).model.backbone
    return RESNET if 'depth' in backbone else VIT


def _report_rankings(work_dir: Path) -> None:
    """Whether the order of the networks holds over tasks and seeds."""
    for ending in ('csv', 'html'):
        _call(
            'leaderboard',
            str(work_dir),
            '--sensitivity',
            '-o',
            str(work_dir / f'sensitivity.{ending}'),
            may_warn=True,
        )


def _draw_views(work_dir: Path) -> None:
    """Contact sheets of the views that the methods were shown."""
    from ssl_bench.config import load_config
    from ssl_bench.engine.view_sheet import takes_checkpoint, views_of
    from ssl_bench.files import atomic_path
    from ssl_bench.run_folder import newest_checkpoint

    for folder in sorted(work_dir.glob('*_seed*')):
        settings = next(folder.glob('*.py'), None)
        last = newest_checkpoint(folder)
        if settings is None or last is None:
            continue
        config = load_config(settings)
        sheet = views_of(
            config, 12, str(last) if takes_checkpoint(config) else None
        )
        name = folder.name.rpartition('_seed')[0]
        with atomic_path(work_dir / f'views_{name}.png') as part:
            sheet.save(part, format='png')


def _call(*words: str, may_warn: bool = False) -> None:
    """Run a subcommand in this process, as the user would type it."""
    from ssl_bench.cli import build_parser
    from ssl_bench.errors import UserError

    print(f'$ ssl-bench {shlex.join(words)}', flush=True)
    args = build_parser().parse_args(list(words))
    code = args.run(args) or 0
    if code and not (may_warn and code == 3):
        raise UserError(
            f'`ssl-bench {shlex.join(words)}` ended with exit code {code}.'
        )
