"""List the methods, or show one.

`ssl-bench methods` lists them; `ssl-bench methods show NAME` prints what the
method learns, its paper, its deviations from it, its configs and their
settings; `ssl-bench methods table` prints the README's table, and with
--update writes it there.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'action', nargs='?', choices=['list', 'show', 'table'], default='list'
    )
    parser.add_argument('name', nargs='?', help='a method, for show')
    parser.add_argument(
        '--update',
        metavar='FILE',
        help='for table: replace the table that '
        'stands between the marks of this Markdown file',
    )


def run(args: argparse.Namespace) -> int:
    """Print the catalogue, one entry of it, or its table."""
    from ssl_bench.catalog import describe, method_table, methods
    from ssl_bench.errors import UserError

    if args.action == 'show':
        if not args.name:
            raise UserError(
                'show takes the name of a method; '
                '`ssl-bench methods` lists them.'
            )
        print(describe(args.name))
    elif args.action == 'table':
        if args.update:
            update(Path(args.update))
        else:
            print(method_table())
    else:
        for name, entry in methods().items():
            print(f'{name:14} {entry.summary}')
            for config in entry.configs:
                print(f'{"":14}   {config}')
    return 0


def update(path: Path) -> None:
    """Replace the table of a file, which is otherwise left as it is."""
    from ssl_bench.catalog import with_table
    from ssl_bench.errors import UserError
    from ssl_bench.files import atomic_path

    if not path.is_file():
        raise UserError(f'no file {path}.')
    text = with_table(path.read_text(encoding='utf-8'))
    with atomic_path(path) as part:
        Path(part).write_text(text, encoding='utf-8')
