"""Compare measured with published results: table, CSV, page.

Reads every result.json under the given folders and shows who leads, a table
of methods and tasks, and a screen for each task; --details has every metric,
remark and warning. With -o the format follows the file's ending (.csv .md
.tex .json .html). `leaderboard export DIR... -o FILE.zip` bundles records,
`leaderboard import FILE.zip... -o DIR` merges bundles after checking them.
`leaderboard annotate RECORD --meta KEY=VALUE --by NAME --why TEXT` adds a
signed correction next to a record, which stays as it is.
`--sensitivity` says whether the rankings hold under the other settings and
seeds that the records cover.
`--watch` keeps a page up to date while runs go on, until Ctrl-C.
Exit code: 0 clean, 3 done with warnings, 2 nothing usable.
"""

import argparse
import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ssl_bench.cli import bundles
from ssl_bench.cli.bundles import finish
from ssl_bench.cli.output_files import (
    FOR_PEOPLE,
    FORMATS,
    MARKDOWN_MARK,
    format_of,
    target_of,
)
from ssl_bench.errors import UserError, printable
from ssl_bench.header_fields import RECORDED, add_option

if TYPE_CHECKING:
    from ssl_bench.results.table import Board

DIRS = ['work_dirs']
IMPORTED = 'work_dirs/imported'
MAX_NAMED = 3  # problems in an error
WATCH = 10.0  # seconds between two looks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``ssl-bench leaderboard``."""
    parser.add_argument(
        'dirs',
        nargs='*',
        metavar='DIR',
        help='folders with runs (default: work_dirs); or "export DIR...", '
        '"import BUNDLE..." or "annotate RECORD"',
    )
    parser.add_argument('-o', '--output', help='file or folder to write')
    parser.add_argument(
        '--force',
        action='store_true',
        help='replace a file that is not an earlier leaderboard',
    )
    parser.add_argument(
        '--format',
        choices=FORMATS,
        help='default: by the ending of -o, else a table on the terminal',
    )
    parser.add_argument(
        '--tasks', nargs='+', action='extend', default=[], metavar='TASK'
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        action='extend',
        default=[],
        metavar='METHOD',
        help='names, with "(VARIANT)", "@EPOCHS" and "[BACKBONE]" where '
        'needed',
    )
    parser.add_argument(
        '--baseline',
        metavar='METHOD',
        help='say how each method compares with this one of its backbone, or '
        'with METHOD [BACKBONE] of that backbone',
    )
    parser.add_argument(
        '--paper',
        metavar='PAPER',
        help="that paper's tables, printed and reproduced numbers: insloc, "
        'pixpro, lewel, siamese_im, barlow_twins',
    )
    parser.add_argument(
        '--published',
        choices=('all', 'own', 'none'),
        help='printed numbers of the tasks (all; the default of CSV, JSON '
        'and page files), of the measured methods (own; the default of the '
        'terminal, Markdown and LaTeX), or none',
    )
    parser.add_argument(
        '--table',
        action='store_true',
        help='only the table of methods and tasks, of those chosen by '
        '--methods and --tasks (terminal, .md, .tex)',
    )
    parser.add_argument(
        '--details',
        action='store_true',
        help='on the terminal: every table in full, and every warning',
    )
    parser.add_argument(
        '--sensitivity',
        action='store_true',
        help='instead: whether the rankings hold where the records cover '
        'several settings or seeds',
    )
    parser.add_argument(
        '--watch',
        nargs='?',
        type=float,
        const=WATCH,
        metavar='SECONDS',
        help='keep a page (-o page.html) up to date while runs go on, until '
        f'Ctrl-C; SECONDS between two looks (default: {WATCH:g})',
    )

    add_option(parser, 'annotate', RECORDED)
    parser.add_argument('--by', metavar='NAME', help='annotate: who signs')
    parser.add_argument(
        '--why', metavar='TEXT', help='annotate: where the value is from'
    )


def run(args: argparse.Namespace) -> int:
    """Write or show the leaderboard, or move bundles.

    Returns:
        int: 0 clean, 3 with warnings.

    Raises:
        UserError: No usable record, or a wrong option.
    """
    if args.dirs[:1] == ['export']:
        return bundles.export(args, args.dirs[1:] or DIRS)
    if args.dirs[:1] == ['annotate']:
        return bundles.annotate(args)
    if args.meta or args.by or args.why:
        raise UserError(
            '--meta, --by and --why are of: ssl-bench leaderboard annotate '
            'RECORD'
        )
    if args.dirs[:1] == ['import']:
        into = args.output or IMPORTED
        return bundles.import_bundles(args, args.dirs[1:], into)
    return _sensitivity(args) if args.sensitivity else _leaderboard(args)


def _leaderboard(args: argparse.Namespace) -> int:
    from ssl_bench.results.render import TABLE, render

    if args.table and args.paper:
        raise UserError('choose one of --table and --paper')
    which = TABLE if args.table else args.paper
    name = format_of(args)
    target = target_of(args, name)
    if args.watch is not None:
        _watch(args, name, target)
    with _board(args, _published(args, name)) as board:
        text = render(board, name, which, args.dirs or DIRS) if name else ''
    _write(text, name, target)
    if target or not name:
        _show(board, args)
    return finish(board.problems, _written(target, name), args.details)


def _published(args: argparse.Namespace, name: str | None) -> str:
    """Which printed numbers there are, by the format where nothing is said."""
    default = 'own' if name is None or name in FOR_PEOPLE else 'all'
    return args.published or default


def _show(board: 'Board', args: argparse.Namespace) -> None:
    """Print the tables; rows that were only printed where they are wanted."""
    from ssl_bench.results import screen

    if args.published is None:
        board = dataclasses.replace(board, rows=board.measured)
    if args.paper:
        from ssl_bench.results.papers import paper_grids

        screen.show_grids(paper_grids(args.paper, board))
    elif args.table:
        screen.show_table(board)
    elif args.details:
        screen.show_details(board)
    else:
        screen.show(board, args.tasks, brief=bool(args.output))
        if not args.output:
            dirs = shlex.join(args.dirs or DIRS)
            print(
                f'A page with all of it: ssl-bench leaderboard {dirs} '
                '-o report/'
            )


def _written(target: Path | None, name: str | None) -> str | None:
    """The last line: what was written, and how to look at a page."""
    if target is None:
        return None
    page = name == 'html'
    return f'written: {target}' + (' (open it in a browser)' if page else '')


def _watch(
    args: argparse.Namespace, name: str | None, target: Path | None
) -> NoReturn:
    """Keep the page up to date, until Ctrl-C.

    Raises:
        UserError: It is no page, or no time.
    """
    from ssl_bench.results.watch import Watch

    if name != 'html' or target is None:
        raise UserError(
            '--watch keeps a page up to date: add -o page.html, and leave '
            '--format out'
        )
    if not 1 <= args.watch <= 86_400:
        raise UserError(f'--watch {args.watch:g}: expected 1 to 86400 seconds')

    def board() -> 'Board':
        with _board(args, _published(args, name), empty=True) as found:
            return found

    def say(line: str) -> None:
        print(printable(line), file=sys.stderr, flush=True)

    Watch(args.dirs or DIRS, target, board, args.watch, say).run()


def _sensitivity(args: argparse.Namespace) -> int:
    from ssl_bench.results.sensitivity import studies
    from ssl_bench.results.sensitivity_files import render
    from ssl_bench.results.sensitivity_screen import show

    if args.watch is not None:
        raise UserError('--sensitivity is no page of runs: leave out --watch')
    for option in ('paper', 'baseline', 'table'):
        if getattr(args, option):
            raise UserError(
                '--sensitivity compares all methods with each other: leave '
                f'out --{option}'
            )
    name = format_of(args)
    target = target_of(args, name)
    with _board(args, 'none') as board:
        found = studies(board)
        text = render(found, board.problems, name) if name else ''
    _write(text, name, target)
    if target or not name:
        show(found, args.details)
    return finish(board.problems, _written(target, name), args.details)


@contextlib.contextmanager
def _board(
    args: argparse.Namespace, published: str, empty: bool = False
) -> 'Iterator[Board]':
    """The leaderboard of the folders that were named.

    Args:
        args (Namespace): Of the command.
        published (str): As `build` takes it.
        empty (bool): Whether it may have no record.

    Raises:
        UserError: No usable record.
    """
    from ssl_bench.results.board import build
    from ssl_bench.results.store import collector_paused, scan

    with collector_paused():
        stored, problems = scan(args.dirs or DIRS)
        if not stored and not empty:
            more = len(problems) - MAX_NAMED
            raise UserError(
                'no usable result.json: '
                + '; '.join(map(str, problems[:MAX_NAMED]))
                + (f'; and {more} more' if more > 0 else '')
                + '. Runs write them (`ssl-bench transfer`, `ssl-bench run`):'
                ' name their work dir.'
            )
        yield build(
            stored,
            problems,
            wanted=args.tasks,
            methods=args.methods,
            baseline=args.baseline,
            published=published,
        )


def _write(text: str, name: str | None, target: Path | None) -> None:
    """Write the file, or print what has none; nothing without a format."""
    from ssl_bench.files import write_text

    if target:
        head = MARKDOWN_MARK if name == 'md' else ''
        write_text(target, head + text)
    elif name:
        sys.stdout.write(printable(text))
