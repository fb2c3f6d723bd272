"""Transfer a checkpoint to downstream tasks and record the numbers.

Example: ssl-bench transfer work_dirs/insloc/epoch_20.pth
             --tasks mini_voc_det_c4 mini_knn --seeds 0 1
CHECKPOINT is a pretraining checkpoint of any format that `ssl-bench convert`
reads, a backbone file, `random` for random initialisation, or
`supervised=FILE` for supervised weights in torchvision's format.
A finished run is not repeated; an interrupted one continues.
Several processes: bash tools/dist_transfer.sh N CHECKPOINT --tasks ...
"""
import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'checkpoint', help='a checkpoint, a backbone file, `random`, or '
        '`supervised=FILE`')
    parser.add_argument(
        '--tasks', nargs='+', required=True, metavar='TASK',
        help='task ids (ssl-bench tasks lists them)')
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0], metavar='SEED',
        help='one run of each task for each seed (default: 0)')
    parser.add_argument(
        '--data-root', help='folder above VOCdevkit, coco, imagenet; data, '
        'or data/mini for the mini tasks, if left out')
    parser.add_argument(
        '--work-dir', default='work_dirs/transfer',
        help='each run gets a folder below it (default: %(default)s)')
    parser.add_argument(
        '--arch', help='what `random` builds, or what the checkpoint must '
        'hold; for instance resnet50, resnet18-w16')
    parser.add_argument(
        '--method', help='name in the records, if the checkpoint does not '
        'say or says it wrong')
    parser.add_argument('--variant', help='variant, likewise')
    parser.add_argument(
        '--recipe', help='settings of a paper that departs from the task\'s '
        'own (ssl-bench tasks TASK lists them)')
    parser.add_argument(
        '--fraction', type=fraction, metavar='F',
        help='train on this part of the images, the same for every method')
    parser.add_argument(
        '--dry-run', action='store_true',
        help='print the resolved settings and the data paths; run nothing')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
        help='replace settings of every task\'s config')
    parser.add_argument(
        '--visualize', type=int, default=0, metavar='N',
        help='draw N test images, truth beside prediction')
    parser.add_argument(
        '--classifier', metavar='FILE', help='for tasks that test a '
        'fine-tuned classifier (in_a, in_c, ...): a checkpoint, or a '
        'fine-tuning run\'s folder; else what that task left for the same '
        'weights, seed and settings')
    parser.add_argument(
        '--verbose', action='store_true',
        help='the toolkits\' log lines instead of a progress line')


def fraction(text: str) -> float:
    """A number above 0, at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not in (0, 1]')
    return value


def run(args: argparse.Namespace) -> int:
    """Run every task for every seed; print one line for each."""
    from ssl_bench.transfer.tasks import find_task, require_data
    for name in args.tasks:  # before anything slow
        require_data(name, args.data_root or find_task(name).root)
    from ssl_bench.engine.config import parse_options
    from ssl_bench.transfer.source import open_source
    overrides = parse_options(args.cfg_options)
    known = {key: getattr(args, key) for key in ('method', 'variant')
             if getattr(args, key) is not None}
    source = open_source(args.checkpoint, args.work_dir, args.arch, known)
    if args.dry_run:
        return dry_run(args, source, overrides)
    from ssl_bench.transfer.run import run_task
    for seed in args.seeds:
        for task in in_order(args.tasks):
            outcome = run_task(
                source, task, seed, args.work_dir, args.data_root, overrides,
                args.recipe, args.fraction, quiet=not args.verbose,
                visualize=args.visualize, classifier=args.classifier)
            print(summary(outcome), flush=True)
    return 0


def in_order(tasks: list) -> list:
    """Fine-tuning before what tests its classifier; else as given."""
    from ssl_bench.transfer.tasks import find_task
    return sorted(tasks, key=lambda name: bool(find_task(name).trained_by))


def dry_run(args: argparse.Namespace, source, overrides: dict) -> int:
    """Print what each task would do, beside its protocol's values."""
    from mmengine.device import get_device

    from ssl_bench.transfer.build import make_plan, world_size
    from ssl_bench.transfer.describe import settings_table
    for task in args.tasks:
        plans = [make_plan(task, arch, args.data_root, *rest, world_size(),
                           get_device() != 'cpu')
                 for arch, *rest in (
                     (source.arch_args, overrides, args.recipe,
                      args.fraction),
                     (None, None, None, None))]
        print(settings_table(*plans))
    return 0


def summary(outcome) -> str:
    """One line: task, seed, metrics, folder."""
    record = outcome.record
    aims = {row['metric']: f' (published {row["published"]:g}: '
            f'{row["verdict"]})'
            for row in record.get('extra', {}).get('expected', [])}
    numbers = '  '.join(f'{name} {value:.1f}{aims.get(name, "")}'
                        for name, value in record['metrics'].items())
    again = '' if outcome.fresh else '  (done before)'
    return (f'{record["task"]}  {record["method"]}  seed {record["seed"]}:  '
            f'{numbers}  {outcome.folder}{again}')
