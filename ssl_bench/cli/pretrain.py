"""Pretrain a method from its config.

Example: ssl-bench pretrain configs/mini/insloc_r18_fpn.py
Own images: ssl-bench pretrain mocov2_r50_200e --data DIR
Several processes: torchrun --nproc_per_node=N -m ssl_bench pretrain CONFIG
"""

import argparse
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl_bench.cfg_options import add_cfg_options, read_options, seed_number
from ssl_bench.cli.track import add_track, with_trackers
from ssl_bench.errors import UserError
from ssl_bench.files import UNREADABLE_LIMIT

ROOT = 'train_dataloader.dataset.data_root'
SHOWN = 5  # copies and broken images that are named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, named as OpenMMLab's tools/train.py does."""
    parser.add_argument('config', help='a pretraining config')
    parser.add_argument(
        '--data',
        metavar='DIR',
        help='your images: a folder, with folders in it or not, or a .zip, '
        '.tar, .lmdb, .parquet or .arrow file or pattern of files. What is '
        'in it is printed first',
    )
    parser.add_argument(
        '--work-dir',
        help='checkpoints and logs; work_dirs/<config> if left out',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const=True,
        default=False,
        metavar='FILE',
        help='continue from the newest whole checkpoint of the work dir, or '
        'FILE; `auto`: from the newest if there is one, else start',
    )
    parser.add_argument(
        '--force',
        action='store_true',
        help='start over in a work dir that has checkpoints of an earlier '
        'run, and remove them; with --resume FILE, those that are further',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='wait while another process writes in the work dir',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train under bfloat16 autocast'
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='torch.compile of backbone, neck and heads, which takes minutes '
        'at the start. What else makes a run fast is on where the device has '
        'it; `--cfg-options speed.tf32=False` and the like turn it off',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the global batch, linearly',
    )
    parser.add_argument('--seed', type=seed_number, help='random seed')
    add_cfg_options(parser, 'replace settings of the config')
    parser.add_argument(
        '--quiet',
        action='store_true',
        help='one progress line instead of log lines',
    )
    add_track(parser)


@with_trackers
def run(args: argparse.Namespace) -> int:
    """Train; the last line names the checkpoint and what to do with it."""
    from ssl_bench.config import find_config
    from ssl_bench.data.storage import open_storage
    from ssl_bench.files import require_writable

    options = read_options(args.cfg_options)
    if args.data is not None:
        options = _with_data(options, args.data)
    # what can be checked before imports that take seconds
    path = find_config(args.config)
    work_dir = args.work_dir or Path('work_dirs') / path.stem
    require_writable(work_dir)
    root = options.get(ROOT)
    if isinstance(root, str) and (args.data or not Path(work_dir).exists()):
        open_storage(root)
    # before other imports: it hides what the toolkits print when imported
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.config import load_config
    from ssl_bench.engine.pretrain import pretrain
    from ssl_bench.engine.speed import given

    config = load_config(path, options)
    if args.data is not None and is_first():
        _say_images(config.train_dataloader.dataset)
    if args.auto_scale_lr:
        config.auto_scale_lr.enable = True
    flags = dict(amp=args.amp, compile=args.compile)
    config.speed = given(config.get('speed'), **flags)
    checkpoint = pretrain(
        config,
        work_dir,
        args.resume,
        args.seed,
        args.quiet,
        options,
        args.force,
        args.wait,
    )
    if not is_first():
        return 0
    print(
        f'{checkpoint}\nnext: ssl-bench transfer {checkpoint} '
        '--tasks TASK ... (ssl-bench tasks lists them)'
    )
    return 0


def is_first() -> bool:
    """Whether this process is the one that speaks, of one or several."""
    return os.environ.get('RANK', '0') == '0'


def _with_data(options: dict[str, Any], data: str) -> dict[str, Any]:
    """The options with the data root.

    Raises:
        UserError: They have another one.
    """
    if ROOT in options:
        raise UserError(
            f'--data {data} and --cfg-options {ROOT}={options[ROOT]} both '
            'say where the images are: leave one of them out.'
        )
    return {**options, ROOT: os.path.expanduser(data)}


def _say_images(dataset: Mapping[str, Any]) -> None:
    """Print what is in the data root, and what cannot be used.

    Args:
        dataset (Mapping): ``train_dataloader.dataset`` of the config.

    Raises:
        UserError: A run would not start with it, or stop.
    """
    from ssl_bench.cli.data import progress
    from ssl_bench.data.check_images import faults, look_at_images, summary

    with progress('images looked at') as show:
        found = look_at_images(dataset['data_root'], show=show)
    for line in faults(found, SHOWN):
        print(line)
    print(summary(found), flush=True)
    limit = dataset.get('unreadable_limit', UNREADABLE_LIMIT)
    whole = found.looked == len(found.images)
    if whole and len(found.broken) > limit * found.looked:
        raise UserError(
            f'{len(found.broken)} of {found.looked} images cannot be read, '
            f'more than {100 * limit:g} %, which would stop the run. '
            f'`ssl-bench data check-images {shlex.quote(found.folder)}` lists '
            'them: take them out, or allow more with --cfg-options '
            'train_dataloader.dataset.unreadable_limit=SHARE.'
        )
