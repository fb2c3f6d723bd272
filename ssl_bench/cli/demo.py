"""Run the whole chain on embedded data: pretrain, transfer, leaderboard.

Random initialisation, MoCo v2 and InsLoc are pretrained on generated images
and transferred to detection, instance segmentation, semantic segmentation
and a kNN probe. A second run repeats nothing that is finished.
"""
import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--all', action='store_true',
        help='every method that has a config in configs/mini')
    parser.add_argument(
        '--quick', action='store_true',
        help='a few iterations of everything: shows that it runs, its '
        'numbers mean nothing')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--data-root', default='data/mini')
    parser.add_argument(
        '--work-dir', help='default: work_dirs/demo, or demo_quick')


def run(args: argparse.Namespace) -> int:
    """Run the chain and say where everything is."""
    from ssl_bench.launch.demo import run_demo
    work_dir = args.work_dir or (
        'work_dirs/demo_quick' if args.quick else 'work_dirs/demo')
    for line in run_demo(work_dir, args.data_root, args.seeds, args.all,
                         args.quick):
        print(line)
    return 0
