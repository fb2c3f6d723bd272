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
from typing import TYPE_CHECKING, Any

from ssl_bench.cli.track import add_track, with_trackers

if TYPE_CHECKING:
    from ssl_bench.launch.plan import Plan
    from ssl_bench.launch.steps import Step, StepsView
    from ssl_bench.launch.suite import Suite
    from ssl_bench.results.table import Board


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
    parser.add_argument(
        '--verbose',
        action='store_true',
        help='print what the commands print, instead of one line of progress '
        'and a file of each in WORK_DIR/logs',
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
    from ssl_bench.files import require_writable
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
    if not args.dry_run:
        require_writable(suite.work_dir)
    # before other imports: it hides what the toolkits print when imported
    from ssl_bench import register_all_modules

    register_all_modules()
    if args.dry_run or suite.launch.executor == 'slurm':
        return plan_or_submit(suite, args.dry_run)
    from ssl_bench.engine.stopping import stoppable
    from ssl_bench.run_folder import hold

    with stoppable('The same command'), hold(suite.work_dir, args.wait):
        return run_suite(suite, args.verbose)


def planned(suite: 'Suite', check: bool = True) -> 'Plan':
    """What is missing, after a line about it.

    Raises:
        UserError: A command would fail, and ``check`` says that it counts.
    """
    from ssl_bench.launch.costs import cost_lines
    from ssl_bench.launch.plan import plan_suite

    plan = plan_suite(suite)
    if check:
        plan.check()
    print(
        f'{plan.done} records are there, {len(plan.missing)} are missing; '
        f'commands to run: {len(plan.commands)}'
    )
    for line in cost_lines(plan.missing, plan.pretrainings):
        print(f'  {line}')
    sys.stdout.flush()
    return plan


def plan_or_submit(suite: 'Suite', dry_run: bool) -> int:
    """Print the commands, or queue them."""
    plan = planned(suite, not dry_run)
    if not dry_run:
        return submit(suite, plan.commands)
    for problem in plan.problems:
        print(f'note: {problem}')
    for number, command in enumerate(plan.commands):
        after = (
            '' if command.after is None else f'  (after {command.after + 1})'
        )
        print(f'[{number + 1}/{len(plan.commands)}] $ {command}{after}')
    return 0


def run_suite(suite: 'Suite', verbose: bool = False) -> int:
    """Run what is missing, then write and show the leaderboard."""
    plan = planned(suite)
    if plan.commands:
        view = None if verbose else view_of(suite, plan)
        run_planned(suite, plan, view, keep_going=True)
    return leaderboard(suite.work_dir)


def view_of(suite: 'Suite', plan: 'Plan', *more: 'Step') -> 'StepsView':
    """The progress of a suite's commands and of what follows them."""
    from ssl_bench.launch.local import default_jobs
    from ssl_bench.launch.steps import StepsView

    return StepsView(
        [*(command.step for command in plan.commands), *more],
        suite.launch.jobs or default_jobs(suite.launch.processes),
        done=plan.ended,
    )


def run_planned(
    suite: 'Suite',
    plan: 'Plan',
    view: 'StepsView | None',
    keep_going: bool = False,
) -> None:
    """Run commands; without a view their output comes to the terminal."""
    from ssl_bench.launch import run_commands
    from ssl_bench.launch.outputs import FOLDER

    run_commands(
        plan.commands,
        suite.launch.jobs,
        suite.launch.processes,
        keep_going,
        None if view is None else Path(suite.work_dir) / FOLDER,
        view,
    )


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
    """Write CSV and page, and show the tables with the papers' numbers."""
    from ssl_bench.cli.bundles import finish
    from ssl_bench.results import screen

    board = write_boards(work_dir, published='own')
    screen.show(board, [])
    finish(board.problems, f'written: {work_dir}/leaderboard.html')
    return 0


def write_boards(work_dir: str | Path, **options: Any) -> 'Board':
    """Write leaderboard.csv and leaderboard.html below a work dir.

    Args:
        work_dir (str | Path): With the records.
        options: As `results.board.build` takes them.

    Raises:
        UserError: No usable record, or another file has one of the names.
    """
    from ssl_bench.cli.output_files import MARKS
    from ssl_bench.errors import UserError
    from ssl_bench.files import keep_existing, write_text
    from ssl_bench.results.board import build
    from ssl_bench.results.render import render
    from ssl_bench.results.store import collector_paused, scan

    with collector_paused():
        stored, problems = scan([work_dir])
        if not stored:
            raise UserError(
                'no usable result.json: ' + '; '.join(map(str, problems))
            )
        board = build(stored, problems, **options)
        for name in ('csv', 'html'):
            target = Path(work_dir) / f'leaderboard.{name}'
            keep_existing(target, force=False, mark=MARKS[name])
            write_text(target, render(board, name, dirs=[work_dir]))
    return board
