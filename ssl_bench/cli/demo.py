"""See the whole chain on embedded data: pretrain, transfer, rank.

Two methods are pretrained shortly on generated images, once for each of three
seeds. They and random initialisation are compared: frozen, by what can be read
out of their features, and fine-tuned with one seed. It is the suite `mini`
(`ssl-bench run mini`), about ten minutes on two cores; a second run repeats
nothing that is finished and continues what is not. What the steps print is in
WORK_DIR/logs.
"""

import argparse
from typing import TYPE_CHECKING

from ssl_bench.cli.run import positive, run_planned, view_of, write_boards

if TYPE_CHECKING:
    from ssl_bench.launch.command import Command
    from ssl_bench.launch.plan import Plan
    from ssl_bench.launch.suite import Suite

SUITE = 'mini'
BASELINE = 'Random init'
# --quick: some steps of everything
QUICK_PRETRAIN = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.dataset.indices': 128,
}
QUICK_TASKS = {
    '+trial': True,  # for the tables: the numbers mean nothing
    'train_cfg.max_iters': 4,
    'train_cfg.val_interval': 4,
    'test_dataloader.dataset.indices': 24,
}
QUICK_SECONDS = 8  # of one of these, on two cores; most of it is the start
NEXT = """\
next: your own images, and a real task (`ssl-bench tasks` lists all):
  ssl-bench pretrain mocov2_r50_200e --data IMAGES
  ssl-bench transfer work_dirs/mocov2_r50_200e/epoch_200.pth \\
    --tasks voc12_linseg_dinov2 --data-root DATA --seeds 0 1 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--quick',
        action='store_true',
        help='one seed and a few iterations of everything: shows that it '
        'runs, its numbers mean nothing',
    )
    parser.add_argument(
        '--jobs',
        type=positive,
        metavar='N',
        help='commands at a time '
        '(default: one a device; without devices two to four, by cores)',
    )
    parser.add_argument(
        '--data-root', default='data/mini', help='default: data/mini'
    )
    parser.add_argument(
        '--work-dir', help='default: work_dirs/demo, or demo_quick'
    )
    parser.add_argument(
        '--wait',
        action='store_true',
        help='wait while another demo has the work dir, instead of refusing',
    )
    parser.add_argument(
        '--verbose',
        action='store_true',
        help='print what the steps print, instead of one line of progress',
    )


def run(args: argparse.Namespace) -> int:
    """Run every step; stop at the first that fails."""
    from ssl_bench.files import require_writable
    from ssl_bench.launch.forked import warm_up

    suite = suite_of(args)
    for folder in (suite.data_root, suite.work_dir):
        require_writable(folder)
    warm_up()
    # before other imports: it hides what the toolkits print when imported
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.engine.stopping import stoppable
    from ssl_bench.run_folder import hold

    with stoppable('The same command'), hold(suite.work_dir, args.wait):
        return run_demo(suite, args.verbose)


def suite_of(args: argparse.Namespace) -> 'Suite':
    """The suite of the demo, with the options."""
    from ssl_bench.launch.suite import read_suite, with_options

    suite = with_options(
        read_suite(SUITE),
        jobs=args.jobs,
        data_root=args.data_root,
        work_dir=args.work_dir
        or f'work_dirs/demo{"_quick" if args.quick else ""}',
    )
    if not args.quick:
        return suite
    return with_options(
        suite,
        seeds=(0,),
        methods=tuple(
            method.model_copy(update={'overrides': QUICK_PRETRAIN})
            if method.config
            else method
            for method in suite.methods
        ),
        overrides=QUICK_TASKS,
    )


def run_demo(suite: 'Suite', verbose: bool) -> int:
    """Make the data, run what is missing, write the page, say what it shows.

    Args:
        suite (Suite): Whose data are not there yet, perhaps.
        verbose (bool): Whether the steps print to the terminal.
    """
    from ssl_bench.launch.steps import Step

    plan = with_data(suite)
    page = Step('write the leaderboard', seconds=10)
    view = None if verbose else view_of(suite, plan, page)
    if plan.commands:
        run_planned(suite, plan, view)
    if view is not None:
        view.start(len(plan.commands))
    board = write_boards(suite.work_dir, published='none', baseline=BASELINE)
    if view is not None:
        view.clear()
    from rich.console import Console

    from ssl_bench.results.first_look import first_look

    console = Console(highlight=False)
    console.print(first_look(board, console.width))
    console.print(f'open {suite.work_dir}/leaderboard.html', soft_wrap=True)
    console.print(NEXT, soft_wrap=True, markup=False)
    return 0


def with_data(suite: 'Suite') -> 'Plan':
    """What is missing, the embedded data too.

    Raises:
        UserError: Their folder has something else, or cannot be written.
    """
    from dataclasses import replace

    from ssl_bench.data.mini import mini_is_there
    from ssl_bench.files import require_writable
    from ssl_bench.launch.command import Command
    from ssl_bench.launch.plan import plan_suite

    there = mini_is_there(suite.data_root)
    if not there:
        require_writable(suite.data_root)
    plan = plan_suite(suite)
    if suite.overrides == QUICK_TASKS:
        plan.commands = [
            replace(command, seconds=QUICK_SECONDS)
            for command in plan.commands
        ]
    if there:
        plan.ended += 1
        return plan
    words = ('data', 'mini', '--root', suite.data_root)
    data = Command(words, title='make the images', seconds=20)
    plan.commands = [data, *(_later(command) for command in plan.commands)]
    return plan


def _later(command: 'Command') -> 'Command':
    """A command behind one more, for which it waits."""
    from dataclasses import replace

    after = 0 if command.after is None else command.after + 1
    return replace(command, after=after)
