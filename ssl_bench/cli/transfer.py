"""Transfer a checkpoint to downstream tasks; record the numbers.

Example: ssl-bench transfer work_dirs/insloc/epoch_20.pth
             --tasks mini_voc_det_c4 mini_knn --seeds 0 1
CHECKPOINT is a pretraining checkpoint of any format that `ssl-bench convert`
reads, a backbone file, or the name of a method with one of these on this disk
(below checkpoints, or a finished run below work_dirs): `MoCo v2@200`. The
controls are `random`, for random initialisation, and `supervised=FILE`, for
supervised weights (torchvision's, or Detectron2's MSRA/R-50.pkl); name them
next to the methods.
A finished run is not repeated; an interrupted one continues. A signal
(SIGTERM, SIGUSR1, SIGUSR2, SIGHUP) saves first and ends with exit code 75.
Several processes: --gpus N, or on several machines torchrun ... -m ssl_bench
transfer CHECKPOINT ...
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from ssl_bench.cfg_options import add_cfg_options, read_options, seed_number
from ssl_bench.cli.own_data import add_own_data, own_data
from ssl_bench.cli.track import add_track, with_trackers
from ssl_bench.errors import printable
from ssl_bench.header_fields import EXAMPLES, add_option, read_fields

if TYPE_CHECKING:
    from ssl_bench.transfer.run import Request
    from ssl_bench.transfer.source import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'checkpoints',
        nargs='+',
        metavar='CHECKPOINT',
        help='a file, a '
        'method, `random`, or `supervised=FILE`; several run in turn',
    )
    parser.add_argument(
        '--tasks',
        nargs='+',
        action='extend',
        required=True,
        metavar='TASK',
        help='task ids (ssl-bench tasks lists them), or files: my_task.py, '
        'whose base is a task',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=seed_number,
        default=[0],
        metavar='SEED',
        help='one run of each task for each seed (default: 0)',
    )
    parser.add_argument(
        '--data-root',
        help='folder above VOCdevkit, coco, imagenet; data, '
        'or data/mini for the mini tasks, if left out',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/transfer',
        help='each run gets a folder below it (default: %(default)s)',
    )
    add_own_data(parser)
    _add_weights(parser)
    _add_settings(parser)
    _add_run(parser)


def _add_weights(parser: argparse.ArgumentParser) -> None:
    """What is transferred."""
    parser.add_argument(
        '--arch',
        help='what `random` builds, or what the checkpoint must '
        'hold; for instance resnet50, resnet18-w16',
    )
    parser.add_argument(
        '--method',
        help='name in the records, if the checkpoint does not '
        'say or says it wrong',
    )
    parser.add_argument(
        '--variant', help='variant, of weights that do not name it'
    )
    add_option(parser, 'what the checkpoint does not say')
    parser.add_argument(
        '--allow-nan',
        action='store_true',
        help='take weights with NaN or infinite values, which are refused '
        'otherwise',
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """How a task departs from its own settings."""
    parser.add_argument(
        '--recipe',
        help="settings of a paper that departs from the task's "
        'own (ssl-bench tasks TASK lists them)',
    )
    parser.add_argument(
        '--train',
        type=kind_of_training,
        default='full',
        metavar='KIND',
        help='what is trained of the backbone: full (as the task says), '
        'last:K (its last K blocks), lora:RANK (low-rank terms) or frozen '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--fraction',
        type=fraction,
        metavar='F',
        help='train on this part of the images, the same for every method',
    )
    add_cfg_options(parser, "replace settings of every task's config")
    parser.add_argument(
        '--classifier',
        metavar='FILE',
        help='for tasks that test a '
        'fine-tuned classifier (in_a, in_c, ...): a checkpoint, or a '
        "fine-tuning run's folder; else what that task left for the same "
        'weights, seed and settings',
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    """How the runs are made."""
    parser.add_argument(
        '--gpus',
        type=int,
        metavar='N',
        help='processes on this machine, one for each device (default: 1)',
    )
    parser.add_argument(
        '--resume',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='continue an interrupted run, or start it over (default: '
        'continue)',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help="wait while another process writes in a run's folder",
    )
    parser.add_argument(
        '--eval-only',
        action='store_true',
        help='train nothing: test the '
        'last checkpoint of a finished training again',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print the resolved settings and the data paths; run nothing',
    )
    parser.add_argument(
        '--visualize',
        type=int,
        default=0,
        metavar='N',
        help='draw N test images, truth next to prediction',
    )
    parser.add_argument(
        '--verbose',
        action='store_true',
        help="the toolkits' log lines instead of a progress line",
    )
    add_track(parser)


def kind_of_training(text: str) -> str:
    """What is trained; no path of data, which other options name."""
    if os.path.exists(text) or os.sep in text or text.endswith('.json'):
        raise argparse.ArgumentTypeError(
            f'{text} is a path, and --train says what is trained of the '
            'backbone. Own images and labels are named with --train-data '
            'IMAGES LABELS and --val-data IMAGES LABELS'
        )
    return text


def fraction(text: str) -> float:
    """A number above 0, at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not in (0, 1]')
    return value


@with_trackers
def run(args: argparse.Namespace) -> int:
    """Run every task for every seed; print one line for each."""
    from ssl_bench.files import require_writable
    from ssl_bench.tasks.custom import task_ids
    from ssl_bench.tasks.table import find_task, on_own_data, require_data

    args.tasks = task_ids(args.tasks)
    own = own_data(args)
    if own is not None:
        args.tasks = [
            on_own_data(name, own, args.work_dir).id for name in args.tasks
        ]
    for name in args.tasks:  # before anything slow
        root = args.data_root or find_task(name).root
        if not args.dry_run:
            require_data(name, root)
    if not args.dry_run:
        require_writable(args.work_dir)
    if args.gpus not in (None, 1) and 'RANK' not in os.environ:
        require_devices(args.gpus)
        if not args.dry_run:
            relaunch(args)
    overrides = read_options(args.cfg_options)
    sources = open_sources(args)
    for note in unknown_fields(args.checkpoints, sources):
        say(note)
    # first, since it keeps what the toolkits print on import to itself
    from ssl_bench import register_all_modules

    register_all_modules()
    if args.dry_run:
        return dry_run(args, sources, overrides)
    from ssl_bench.engine.stopping import stoppable

    with stoppable('The same command'):
        transfer(args, sources, overrides)
    for note in missing_controls(sources):
        say(note)
    return 0


def make_request(
    args: argparse.Namespace,
    overrides: dict,
    source: 'Source',
    task: str,
    seed: int,
) -> 'Request':
    """What the options ask of one source, task and seed."""
    from ssl_bench.tasks.table import find_task
    from ssl_bench.transfer.run import Request

    return Request(
        source,
        task,
        seed,
        args.work_dir,
        args.data_root,
        overrides,
        args.recipe,
        args.fraction,
        quiet=not args.verbose,
        visualize=args.visualize,
        classifier=args.classifier,
        resume=args.resume,
        eval_only=args.eval_only,
        wait=args.wait,
        train=args.train,
        trained_later=find_task(task).trained_by in args.tasks,
    )


def transfer(args: argparse.Namespace, sources: list, overrides: dict) -> None:
    """Run every task for every seed and source; print one line for each.

    What a later run would be refused for is refused before the first.
    """
    from ssl_bench.transfer.run import ready, run_request

    requests = [
        make_request(args, overrides, source, task, seed)
        for seed in args.seeds
        for source in sources
        for task in in_order(args.tasks)
    ]
    if len(requests) > 1:
        for request in requests:
            ready(request)
    for request in requests:
        outcome = run_request(replace(request, trained_later=False))
        say(summary(outcome))
        for note in other_fields(outcome, request.source):
            say(note)


def say(text: str) -> None:
    """Print a line, in the first of several processes."""
    if os.environ.get('RANK', '0') == '0':
        print(printable(text), flush=True)


def open_sources(args: argparse.Namespace) -> list:
    """Read every checkpoint before anything runs.

    Raises:
        UserError: --method, --variant or --meta for more than one.
    """
    from ssl_bench.errors import UserError
    from ssl_bench.transfer.source import open_source

    known = read_fields(args.meta) | {
        key: getattr(args, key)
        for key in ('method', 'variant')
        if getattr(args, key) is not None
    }
    if known and len(args.checkpoints) > 1:
        option = 'meta' if args.meta else next(iter(known))
        raise UserError(
            f'--{option} is of one checkpoint, and there '
            f'are {len(args.checkpoints)} checkpoints. Transfer '
            'them one by one.'
        )
    return [
        open_source(
            checkpoint, args.work_dir, args.arch, known, args.allow_nan
        )
        for checkpoint in args.checkpoints
    ]


def unknown_fields(checkpoints: list, sources: list) -> list:
    """What to say, before a run, of fields that its record would lack."""

    return [
        f'note: {checkpoint} does not say {" and ".join(source.missing)}, so '
        'its numbers will meet no published one. Add --meta '
        + ' '.join(f'{key}={EXAMPLES[key]}' for key in source.missing)
        + ' with the right values.'
        for checkpoint, source in zip(checkpoints, sources)
        if source.missing
    ]


def other_fields(outcome, source) -> list:
    """What to say of a record of an earlier run that lacks what is known."""
    from ssl_bench.results.corrections import values_of

    if outcome.fresh:
        return []
    before, group = values_of(outcome.record), source.pretrain()
    now = {f'pretrain_{key}': group[key] for key in ('data', 'epochs')}
    words = ' '.join(
        f'{key}="{value}"' if ' ' in str(value) else f'{key}={value}'
        for key, value in now.items()
        if value is not None and value != before[key]
    )
    return [
        'note: this record was written before that was known. Complete it '
        f'with ssl-bench leaderboard annotate {outcome.folder} --meta {words} '
        '--by NAME --why TEXT'
    ][: bool(words)]


def missing_controls(sources: list) -> list:
    """What to say of a comparison without random or supervised weights."""
    from ssl_bench.results.names import is_random, is_supervised

    if len(sources) < 2:
        return []
    return [
        f'note: no {name} control; add {word} to compare with it'
        for name, word, test in (
            ('random', '`random`', is_random),
            ('supervised', '`supervised=FILE`', is_supervised),
        )
        if not any(test(source.method) for source in sources)
    ]


def require_devices(gpus: int) -> None:
    """Check that this machine has so many accelerators, or none at all.

    Raises:
        UserError: Fewer devices than that.
    """
    import torch

    from ssl_bench.errors import UserError

    devices = torch.accelerator.device_count()
    if gpus < 1:
        raise UserError(f'--gpus {gpus}: name 1 or more.')
    if 0 < devices < gpus:
        raise UserError(f'--gpus {gpus}: this machine has {devices}.')


def relaunch(args: argparse.Namespace) -> NoReturn:
    """The same command in several processes, by torchrun, instead of this."""
    from ssl_bench.launch import Command
    from ssl_bench.launch.parent import own_parent

    words, rest = [], iter(args.words)
    for word in rest:
        if word == '--gpus':
            next(rest)
        elif not word.startswith('--gpus='):
            words.append(word)
    argv = Command(tuple(words)).argv(args.gpus)
    sys.stdout.flush()
    os.execve(argv[0], argv, {**os.environ, **own_parent()})


def in_order(tasks: list) -> list:
    """Fine-tuning before what tests its classifier; else as given."""
    from ssl_bench.tasks.table import find_task

    return sorted(tasks, key=lambda name: bool(find_task(name).trained_by))


def dry_run(args: argparse.Namespace, sources: list, overrides: dict) -> int:
    """Print what each task would do, next to its protocol's values.

    What a run refuses before it starts is refused here, by the same function.
    """
    from mmengine.device import get_device

    from ssl_bench.engine.distributed import world_size
    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.run import try_run
    from ssl_bench.transfer.settings_table import settings_table

    processes = args.gpus or world_size()
    accelerator = get_device() != 'cpu'
    for source in sources:
        for task in args.tasks:
            plans = [
                try_run(
                    replace(
                        make_request(args, overrides, source, task, seed),
                        processes=processes,
                    )
                )
                for seed in args.seeds
            ]
            protocol = make_plan(
                task,
                None,
                args.data_root,
                None,
                None,
                None,
                processes,
                accelerator,
            )
            say(settings_table(plans[0], protocol))
    return 0


def summary(outcome) -> str:
    """One line: task, seed, metrics, folder."""
    from ssl_bench.results import headings, rounding
    from ssl_bench.results.board import aims
    from ssl_bench.results.table import trained, trained_text

    record = outcome.record
    compared = aims(record)
    places = partial(headings.places, record['task'])
    numbers = '  '.join(
        f'{name} {rounding.fixed(value, places(name))}{compared.get(name, "")}'
        for name, value in record['metrics'].items()
    )
    kind = trained_text(trained(record))
    again = '' if outcome.fresh else '  (done before)'
    if outcome.retested is not None:
        again = (
            '  (tested again: '
            + difference(record['metrics'], outcome.retested, places)
            + ')'
        )
    return (
        f'{record["task"]}  {record["method"]}  {kind and kind + "  "}'
        f'seed {record["seed"]}:  '
        f'{numbers}  {outcome.folder}{again}'
    )


def difference(before: dict, now: dict, places: Callable[[str], int]) -> str:
    """How a second test differs from the recorded one.

    Args:
        before, now (dict): Numbers by metric.
        places (Callable): Decimals of a metric; one more is compared.
    """
    from ssl_bench.results import rounding

    other = [
        f'{name} {rounding.fixed(now[name], places(name) + 1)}'
        for name, value in before.items()
        if abs(value - now.get(name, float('nan')))
        >= 0.5 * 10 ** -(places(name) + 1)
    ]
    return ', '.join(other) or 'the same numbers'
