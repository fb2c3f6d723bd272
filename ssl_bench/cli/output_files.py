"""Which file `ssl-bench leaderboard` writes, and in which format."""

import argparse
from pathlib import Path

from ssl_bench.errors import UserError

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
MARKDOWN_MARK = '<!-- ssl-bench leaderboard -->\n'
MARKS: dict[str, str | tuple[str, ...]] = {
    'csv': 'method,variant,backbone,',
    'sensitivity csv': 'row,kind,task,metric,',
    'md': MARKDOWN_MARK,
    'latex': '% needs \\usepackage{booktabs',
    'json': '{\n "schema": ',
    'html': (
        '<meta name="generator" content="ssl_bench leaderboard">',
        '<title>ssl_bench leaderboard</title>',  # of earlier versions
    ),
    'sensitivity html': '<title>ssl_bench Whether rankings hold</title>',
}
FOR_PEOPLE = ('md', 'latex')  # formats with the tables of a terminal


def format_of(args: argparse.Namespace) -> str | None:
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
    for option in ('paper', 'table'):
        if getattr(args, option) and name not in (None, *FOR_PEOPLE):
            raise UserError(
                f'--{option} makes tables for people; {name} files have '
                'every number. Use .md, .tex or the terminal'
            )
    return name


def target_of(args: argparse.Namespace, name: str | None) -> Path | None:
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
