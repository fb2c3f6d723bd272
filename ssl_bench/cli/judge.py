"""Say whether pretraining helped on your own images and labels.

Example: ssl-bench judge work_dirs/mocov2/epoch_200.pth
             --train-data images/train --val-data images/val
It takes class folders, masks, COCO's annotation files and VOC's XML files.
Checkpoints are compared with random weights of the same architecture, and
with supervised ones if they are given: on the same parts of the training
images and with the same seeds, frozen and fine-tuned. Learning rates are
chosen on a part of the training images, from the same list for all. A finished
run is not repeated; an interrupted command goes on.
"""

import argparse
from typing import TYPE_CHECKING

from ssl_bench.cfg_options import seed_number
from ssl_bench.cli.own_data import add_own_data, own_data

if TYPE_CHECKING:
    from ssl_bench.judge.plan import JudgePlan
    from ssl_bench.judge.run import Job, Judge

FRACTIONS = (0.01, 0.1, 1.0)
SEEDS = 5
MODES = ('frozen', 'fine-tuned')
# --quick: shows that it runs
QUICK_SEEDS = 2
QUICK_FRACTIONS = (0.1, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'checkpoints',
        nargs='+',
        metavar='CHECKPOINT',
        help='a file, or the name of a method, as in ssl-bench transfer',
    )
    add_own_data(parser, required=True)
    parser.add_argument(
        '--supervised',
        metavar='FILE',
        help='supervised weights of the same architecture, a second control',
    )
    parser.add_argument(
        '--pretrain-data',
        metavar='DIR',
        help='images of the pretraining: those that are in the test set, too, '
        'are named',
    )
    parser.add_argument(
        '--fractions',
        nargs='+',
        type=fraction,
        metavar='F',
        help='parts of the training images (default: 0.01 0.1 1)',
    )
    parser.add_argument(
        '--seeds',
        nargs='+',
        type=seed_number,
        metavar='SEED',
        help='each is a draw of the parts and of random weights (default: '
        '0 to 4)',
    )
    parser.add_argument(
        '--modes',
        nargs='+',
        choices=MODES,
        default=MODES,
        help='how the weights are used (default: both)',
    )
    parser.add_argument(
        '--arch', help='what the checkpoints must hold, for instance resnet50'
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/judge',
        help='records, features and lists (default: %(default)s)',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='two seeds and a tenth of every training: shows that it runs, '
        'its numbers mean nothing',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print what would be run and how long it takes; train nothing',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='wait while another judge has the work dir, instead of refusing',
    )


def fraction(text: str) -> float:
    """A number above 0, at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not in (0, 1]')
    return value


def run(args: argparse.Namespace) -> int:
    """Plan, run what is missing, print the verdicts."""
    own = own_data(args)
    assert own is not None  # both options are required
    # before other imports: it hides what the toolkits print when imported
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.engine.stopping import stoppable
    from ssl_bench.files import require_writable
    from ssl_bench.judge.plan import make_judge_plan
    from ssl_bench.judge.run import Judge
    from ssl_bench.judge.speed import measure_speed
    from ssl_bench.run_folder import hold

    require_writable(args.work_dir)
    seeds = args.seeds or range(QUICK_SEEDS if args.quick else SEEDS)
    plan = make_judge_plan(
        own,
        args.checkpoints,
        args.supervised,
        args.fractions or (QUICK_FRACTIONS if args.quick else FRACTIONS),
        tuple(dict.fromkeys(seeds)),
        args.modes,
        args.work_dir,
        args.arch,
        args.quick,
    )
    judge = Judge(plan, measure_speed(plan))
    jobs = judge.jobs()
    print('\n'.join(plan_lines(plan, jobs)), flush=True)
    if args.dry_run:
        return 0
    with stoppable('The same command'), hold(args.work_dir, args.wait):
        return run_jobs(judge, jobs, args)


def plan_lines(plan: 'JudgePlan', jobs: 'list[Job]') -> list[str]:
    """What will be run, and how long it takes."""
    from ssl_bench.judge.plan import count_words, minutes
    from ssl_bench.judge.splits import percent

    seconds = sum(job.step.seconds or 0.0 for job in jobs)
    own = plan.splits.own
    return [
        f'{own.title}: {len(plan.splits.labels)} training images, '
        f'{len(own.classes)} classes; {len(plan.splits.dev)} of them are held '
        'out to choose learning rates',
        f'weights: {", ".join(one.label for one in plan.weights)} '
        f'({plan.weights[0].source.arch}, images of {plan.crop} pixels)',
        f'parts: {", ".join(map(percent, plan.fractions))}; '
        f'{", ".join(plan.modes)}; {count_words(len(plan.seeds), "seed")}',
        *(f'note: {note}' for note in plan.notes),
        f'{count_words(len(jobs), "step")}, {minutes(seconds)} where nothing '
        'is done yet',
    ]


def run_jobs(
    judge: 'Judge', jobs: 'list[Job]', args: argparse.Namespace
) -> int:
    """Run all steps and print what they show.

    Returns:
        int: 1 if a run failed, else 0.
    """
    from ssl_bench.judge.data_check import check_data
    from ssl_bench.judge.report import (
        PAGE,
        make_report,
        show_report,
        write_report,
    )
    from ssl_bench.judge.run import run_judge
    from ssl_bench.launch.steps import StepsView

    headers = {
        one.label: one.source.weights.meta
        for one in judge.plan.weights
        if not one.control
    }
    # first: it is quick, and what the user named may not be there
    check = check_data(judge.plan.splits.own, headers, args.pretrain_data)
    view = StepsView([job.step for job in jobs], 1)
    try:
        study = run_judge(judge, jobs, view)
    except BaseException as error:
        view.clear()
        if isinstance(error, KeyboardInterrupt) and not str(error):
            line = 'interrupted. The same command continues.'
            raise KeyboardInterrupt(line) from error
        raise
    report = make_report(study, check)
    show_report(report)
    write_report(report, args.work_dir)
    print(f'written: {args.work_dir}/{PAGE}')
    return 1 if study.failed else 0
