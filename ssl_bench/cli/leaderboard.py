"""compare measured results with published ones: table, CSV, page, bundle

Reads every result.json under the given folders. With -o the format follows
the file's ending (.csv .md .tex .json .html); without it the table is shown
on the terminal. `leaderboard export DIRS -o FILE.zip` bundles records,
`leaderboard import FILE.zip -o DIR` takes them in after checking.
Exit code: 0 clean, 3 done with warnings, 2 nothing usable.
"""
import argparse
import sys
from pathlib import Path
from typing import List, Optional

from ssl_bench.errors import UserError

FORMATS = ('csv', 'md', 'latex', 'html', 'json')
ENDINGS = {'.csv': 'csv', '.md': 'md', '.tex': 'latex', '.json': 'json',
           '.html': 'html', '.htm': 'html'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``ssl-bench leaderboard``."""
    parser.add_argument(
        'dirs', nargs='*', metavar='DIR',
        help='folders with runs (default: work_dirs); or "export DIRS..." '
        'or "import BUNDLE..."')
    parser.add_argument('-o', '--output', help='file or folder to write')
    parser.add_argument(
        '--format', choices=FORMATS,
        help='default: by the ending of -o, else a table on the terminal')
    parser.add_argument('--tasks', nargs='+', default=[], metavar='TASK')
    parser.add_argument('--methods', nargs='+', default=[], metavar='METHOD')
    parser.add_argument(
        '--baseline', metavar='METHOD',
        help='add differences to this method, seed by seed')
    parser.add_argument(
        '--paper', metavar='PAPER',
        help="that paper's tables, printed beside reproduced: insloc, "
        'pixpro, lewel, siamese_im, barlow_twins')
    parser.add_argument(
        '--published', choices=('all', 'own', 'none'), default='all',
        help='printed numbers of the tasks (all), of the measured methods '
        '(own), or none')


def _format(args: argparse.Namespace) -> Optional[str]:
    """The output format; None for the terminal only."""
    if args.format or not args.output:
        return args.format
    ending = Path(args.output).suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    if args.output.endswith('/') or not ending:
        return 'html'
    raise UserError(f'no format for {args.output!r}: use an ending of '
                    f'{" ".join(ENDINGS)} or --format')


def _target(output: Optional[str], name: Optional[str]) -> Optional[Path]:
    """The file to write; a page in a folder is its index.html."""
    if not output and name == 'html':
        raise UserError('a page needs a place: add -o report/ or -o '
                        'page.html')
    if not output:
        return None
    path = Path(output)
    if name == 'html' and path.suffix.lower() not in ('.html', '.htm'):
        path = path / 'index.html'
    return path


def run(args: argparse.Namespace) -> int:
    """Write or show the leaderboard.

    Returns:
        int: 0 clean, 3 with warnings.

    Raises:
        UserError: No usable record, or a wrong option.
    """
    from ssl_bench.files import write_text
    from ssl_bench.results.board import build
    from ssl_bench.results.render import render, tables
    from ssl_bench.results.store import scan
    name = _format(args)
    stored, problems = scan(args.dirs or ['work_dirs'])
    if not stored:
        raise UserError('no usable result.json: ' + '; '.join(
            map(str, problems)))
    board = build(
        stored, problems, wanted=args.tasks, methods=args.methods,
        baseline=args.baseline, published=args.published)
    target = _target(args.output, name)
    if name == 'html':
        from ssl_bench.results.report import to_html
        text = to_html(board, args.dirs or ['work_dirs'], board.problems)
    elif name:
        text = render(board, name, args.paper)
    if target:
        write_text(target, text)
    elif name:
        sys.stdout.write(text)
    if target or not name:
        _show(tables(board, args.paper))
    _warn(board.problems)
    if target:
        print(f'written: {target}', file=sys.stderr)
    return 3 if board.problems else 0


def _show(grids: List) -> None:
    """Print the tables, as wide as the terminal allows."""
    from rich.console import Console
    from ssl_bench.results.terminal import to_rich
    console = Console(highlight=False)
    for grid in grids:
        console.print(to_rich(grid, console.width))


def _warn(problems: List) -> None:
    for problem in problems:
        print(f'warning: {problem}', file=sys.stderr)
