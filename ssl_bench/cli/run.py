"""Run a suite of methods, tasks and seeds: only what is missing.

Example: ssl-bench run suites/insloc.yaml --dry-run
A suite is a YAML file with `methods` (each a config to pretrain, or a
checkpoint), `tasks` and `seeds`. suites/ has one for each paper, ablations of
each, and mini.yaml for embedded data. Only what has no record is run: a second
run continues.
"""

import argparse
import sys
from pathlib import Path

from ssl_bench.cli.track import add_track, with_trackers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'suite',
        help='a YAML file, or the name of one in suites/: insloc, '
        'ablations/insloc',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print the commands that are missing; run nothing',
    )
    parser.add_argument(
        '--coverage',
        action='store_true',
        help="count the printed cells of the paper's tables that its suite "
        'runs, and say why it leaves others; run nothing',
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='wait while another runner has the work dir, instead of refusing',
    )
    parser.add_argument(
        '--executor',
        choices=('local', 'slurm'),
        help="this machine or Slurm, instead of the suite's",
    )
    parser.add_argument(
        '--jobs',
        type=positive,
        metavar='N',
        help="commands at a time on this machine, instead of the suite's",
    )
    parser.add_argument(
        '--seeds',
        type=int,
        nargs='+',
        metavar='SEED',
        help="instead of the suite's",
    )
    parser.add_argument(
        '--work-dir', help="checkpoints and records, instead of the suite's"
    )
    parser.add_argument(
        '--data-root', help='folder above VOCdevkit, coco, imagenet'
    )
    add_track(parser)


def positive(text: str) -> int:
    """A whole number above 0."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return int(text)


@with_trackers
def run(args: argparse.Namespace) -> int:
    """Plan, then run or submit; the leaderboard follows a local run."""
    from ssl_bench.launch.suite import read_suite, with_options

    if args.coverage:
        return coverage(args.suite)
    suite = with_options(
        read_suite(args.suite),
        executor=args.executor,
        jobs=args.jobs,
        work_dir=args.work_dir,
        data_root=args.data_root,
        seeds=tuple(args.seeds) if args.seeds else None,
    )
    # before other imports: it hides what the toolkits print when imported
    from ssl_bench import register_all_modules

    register_all_modules()
    if args.dry_run or suite.launch.executor == 'slurm':
        return run_suite(suite, args.dry_run)
    from ssl_bench.engine.stopping import stoppable
    from ssl_bench.run_folder import hold

    with stoppable('The same command'), hold(suite.work_dir, args.wait):
        return run_suite(suite)


def run_suite(suite, dry_run: bool = False) -> int:
    """Plan, then print, run or submit."""
    from ssl_bench.errors import UserError
    from ssl_bench.launch.costs import cost_lines
    from ssl_bench.launch.plan import plan_suite

    plan = plan_suite(suite)
    commands = plan.commands
    print(
        f'{plan.done} records are there, {len(plan.missing)} are missing; '
        f'commands to run: {len(commands)}'
    )
    for line in cost_lines(plan.missing, plan.pretrainings):
        print(f'  {line}')
    sys.stdout.flush()
    if plan.problems and not dry_run:
        raise UserError('\n'.join(plan.problems))
    if dry_run:
        for problem in plan.problems:
            print(f'note: {problem}')
        for number, command in enumerate(commands):
            after = (
                ''
                if command.after is None
                else f'  (after {command.after + 1})'
            )
            print(f'[{number + 1}/{len(commands)}] $ {command}{after}')
        return 0
    if suite.launch.executor == 'slurm':
        return submit(suite, commands)
    if commands:
        from ssl_bench.launch import run_commands

        run_commands(
            commands,
            suite.launch.jobs,
            suite.launch.processes,
            keep_going=True,
        )
    return leaderboard(suite.work_dir)


def coverage(paper: str) -> int:
    """Print how much of a paper's tables its suite runs; 1 if a cell lacks
    both a run and a reason."""
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.launch.coverage import coverage as sort_cells

    found = sort_cells(paper)
    print(f'{paper}: {found}')
    for cell, why in found.reasoned:
        print(f'  not run: {cell_name(cell)}: {why}')
    for cell in found.uncovered:
        print(f'  without a reason: {cell_name(cell)}')
    return 1 if found.uncovered else 0


def cell_name(cell) -> str:
    """Method, epochs, task and metric of a printed cell."""
    from ssl_bench.results.names import label

    at = f'@{cell.pretrain_epochs:g}' if cell.pretrain_epochs else ''
    return f'{label(cell.method, cell.variant)}{at}, {cell.task} {cell.metric}'


def submit(suite, commands: list) -> int:
    """Queue the commands; print what to do when they have ended."""
    from ssl_bench.launch.slurm import submit as queue

    jobs = queue(commands, Path(suite.work_dir), suite.launch)
    for job, command in zip(jobs, commands):
        after = (
            '' if command.after is None else f'  (after {jobs[command.after]})'
        )
        print(f'job {job} $ {command}{after}')
    print(
        f'output: {suite.work_dir}/jobs; when they have ended: ssl-bench '
        f'leaderboard {suite.work_dir}'
    )
    return 0


def leaderboard(work_dir: str) -> int:
    """Write CSV and page below the work dir, with the papers' numbers."""
    from ssl_bench.cli import main

    for ending in ('csv', 'html'):
        code = main(
            [
                'leaderboard',
                work_dir,
                '--published',
                'own',
                '-o',
                f'{work_dir}/leaderboard.{ending}',
            ]
        )
        if code not in (0, 3):
            return code
    return 0
