"""Compare measured with published results: table, CSV, page.

Reads every result.json under the given folders. With -o the format follows
the file's ending (.csv .md .tex .json .html); without it the table is shown
on the terminal. `leaderboard export DIR... -o FILE.zip` bundles records,
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
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ssl_bench.errors import UserError, printable
from ssl_bench.header_fields import RECORDED, add_option, words_of

if TYPE_CHECKING:
    from ssl_bench.results.grid import Grid
    from ssl_bench.results.record import Problem
    from ssl_bench.results.table import Board

FORMATS = ('csv', 'md', 'latex', 'html', 'json')
ENDINGS = {
    '.csv': 'csv',
    '.md': 'md',
    '.tex': 'latex',
    '.json': 'json',
    '.html': 'html',
    '.htm': 'html',
}
# what the beginning of a file has that this command wrote
MARKS = {
    'csv': 'method,variant,backbone,',
    'sensitivity csv': 'row,kind,task,metric,',
    'md': '<!-- ssl-bench leaderboard -->\n',
    'latex': '% needs \\usepackage{booktabs',
    'json': '{\n "schema": ',
    'html': '<title>ssl_bench leaderboard</title>',
    'sensitivity html': '<title>ssl_bench Whether rankings hold</title>',
}
DIRS = ['work_dirs']
IMPORTED = 'work_dirs/imported'
WATCH = 10.0  # seconds between two looks
MAX_SHOWN = 2000  # rows on a terminal when a file has them too


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
        default='all',
        help='printed numbers of the tasks (all), of the measured methods '
        '(own), or none',
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
        return _export(args.dirs[1:] or DIRS, args.output, args.force)
    if args.dirs[:1] == ['annotate']:
        return _annotate(args)
    if args.meta or args.by or args.why:
        raise UserError(
            '--meta, --by and --why are of: leaderboard annotate RECORD'
        )
    if args.dirs[:1] == ['import']:
        return _import(args.dirs[1:], args.output or IMPORTED)
    return _sensitivity(args) if args.sensitivity else _leaderboard(args)


def _leaderboard(args: argparse.Namespace) -> int:
    from ssl_bench.results.render import render, tables

    name = _format(args)
    target = _target_of(args, name)
    dirs = args.dirs or DIRS
    if args.watch is not None:
        _watch(args, name, target)
    with _board(args) as board:
        text = render(board, name, args.paper, dirs) if name else ''
    _write(text, name, target)
    if target and len(board.rows) > MAX_SHOWN:
        print(
            f'{len(board.rows)} rows: too many to show here; see '
            f'{printable(target)}, or choose --tasks and --methods',
            file=sys.stderr,
        )
    elif target or not name:
        _show(tables(board, args.paper))
    return _finish(board.problems, f'written: {target}' if target else None)


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
        with _board(args, empty=True) as found:
            return found

    def say(line: str) -> None:
        print(printable(line), file=sys.stderr, flush=True)

    Watch(args.dirs or DIRS, target, board, args.watch, say).run()


def _sensitivity(args: argparse.Namespace) -> int:
    from ssl_bench.results.sensitivity import studies
    from ssl_bench.results.sensitivity_text import grids, render

    if args.watch is not None:
        raise UserError('--sensitivity is no page of runs: leave out --watch')
    if args.paper or args.baseline:
        raise UserError(
            '--sensitivity compares all methods with each other: leave out '
            + ('--paper' if args.paper else '--baseline')
        )
    name = _format(args)
    target = _target_of(args, name)
    args.published = 'none'
    with _board(args) as board:
        found = studies(board)
        text = render(found, board.problems, name) if name else ''
    _write(text, name, target)
    if target or not name:
        _show(grids(found))
    return _finish(board.problems, f'written: {target}' if target else None)


@contextlib.contextmanager
def _board(args: argparse.Namespace, empty: bool = False) -> 'Iterator[Board]':
    """The leaderboard of the folders that were named.

    Args:
        args (Namespace): Of the command.
        empty (bool): Whether it may have no record.

    Raises:
        UserError: No usable record.
    """
    from ssl_bench.results.board import build
    from ssl_bench.results.store import collector_paused, scan

    with collector_paused():
        stored, problems = scan(args.dirs or DIRS)
        if not stored and not empty:
            raise UserError(
                'no usable result.json: ' + '; '.join(map(str, problems))
            )
        yield build(
            stored,
            problems,
            wanted=args.tasks,
            methods=args.methods,
            baseline=args.baseline,
            published=args.published,
        )


def _write(text: str, name: str | None, target: Path | None) -> None:
    """Write the file, or print what has none; nothing without a format."""
    from ssl_bench.files import write_text

    if target:
        head = MARKS['md'] if name == 'md' else ''
        write_text(target, head + text)
    elif name:
        sys.stdout.write(printable(text))


def _annotate(args: argparse.Namespace) -> int:
    from ssl_bench.results.annotate import annotate

    if len(args.dirs) != 2:
        raise UserError(
            'name one record: leaderboard annotate RUN/result.json '
            '--meta KEY=VALUE --by NAME --why TEXT'
        )
    fields = words_of(args.meta)
    path = annotate(args.dirs[1], fields, args.by or '', args.why or '')
    print(f'written: {printable(path)}', file=sys.stderr)
    return 0


def _format(args: argparse.Namespace) -> str | None:
    """The output format; None for the terminal only."""
    name: str | None = args.format
    if not name and args.output:
        ending = Path(args.output).suffix.lower()
        name = ENDINGS.get(ending)
        if not ending:
            name = 'html'
        elif name is None:
            raise UserError(
                f'no format for {args.output!r}: use an ending '
                f'of {" ".join(ENDINGS)} or --format'
            )
    if args.paper and name not in (None, 'md', 'latex'):
        raise UserError(
            f'--paper makes tables for people; {name} files have '
            'every number. Use .md, .tex or the terminal'
        )
    return name


def _target_of(args: argparse.Namespace, name: str | None) -> Path | None:
    """The file to write; what is there already must be an earlier one."""
    from ssl_bench.files import keep_existing

    target = _target(args.output, name)
    if target and name:
        kind = f'sensitivity {name}' if args.sensitivity else name
        mark = MARKS.get(kind, MARKS[name])
        keep_existing(target, args.force, mark=mark)
    return target


def _target(output: str | None, name: str | None) -> Path | None:
    """The file to write; a page in a folder is its index.html."""
    from ssl_bench.results.record import FILE_NAME

    if not output and name == 'html':
        raise UserError('a page is a file: add -o report/ or -o page.html')
    if not output:
        return None
    path = Path(output)
    if path.name == FILE_NAME:
        raise UserError(
            f'{path}: {FILE_NAME} is the name of a record; name '
            'another output.'
        )
    if name == 'html' and path.suffix.lower() not in ('.html', '.htm'):
        path = path / 'index.html'
    return path


def _show(grids: 'list[Grid]') -> None:
    """Print the tables, as wide as the terminal allows."""
    from rich.console import Console

    from ssl_bench.results.terminal import to_rich

    console = Console(highlight=False)
    for grid in grids:
        console.print(to_rich(grid, console.width))


def _finish(problems: 'list[Problem]', message: str | None) -> int:
    """Print warnings and what was done; the exit code."""
    for problem in problems:
        print(f'warning: {printable(problem)}', file=sys.stderr)
    if message:
        print(printable(message), file=sys.stderr)
    return 3 if problems else 0


def _export(dirs: list[str], output: str | None, force: bool) -> int:
    from ssl_bench.files import keep_existing
    from ssl_bench.results.bundle import export_bundle

    if not output:
        raise UserError(
            'name the bundle: leaderboard export DIR... -o results.zip'
        )
    keep_existing(output, force)
    count, problems = export_bundle(dirs, output)
    return _finish(problems, f'written: {output} with {count} records')


def _import(paths: list[str], into: str) -> int:
    from ssl_bench.results.bundle import import_bundle
    from ssl_bench.results.record import Problem

    if not paths:
        raise UserError('name the bundle: leaderboard import results.zip')
    found: list[Problem] = []
    refused = 0
    for path in paths:
        try:
            written, skipped, problems = import_bundle(path, into)
        except UserError as error:
            if len(paths) == 1:
                raise
            refused += 1
            found.append(Problem('bundle', str(error)))
            continue
        found += problems
        print(
            f'{printable(path)}: {written} records to {printable(into)}, '
            f'{skipped} were there',
            file=sys.stderr,
        )
    if refused == len(paths):
        raise UserError('; '.join(problem.message for problem in found))
    return _finish(found, None)
