"""List the methods, or show one.

`ssl-bench methods` lists them; `ssl-bench methods show NAME` prints what the
method learns, its paper, how it deviates from the paper, its configs and
their settings; `ssl-bench methods table` prints the README's table, and with
--update writes it there. Configs that cannot be read are named at the end.

Configs are searched in `configs` and in the folders that the environment
variable SSL_BENCH_CONFIGS names.
"""

import argparse
import sys
from typing import TextIO

from ssl_bench.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'action', nargs='?', choices=['list', 'show', 'table'], default='list'
    )
    parser.add_argument('name', nargs='?', help='a method, for show')
    parser.add_argument(
        '--update',
        metavar='FILE',
        help='for table: replace the table between the marks of this '
        'Markdown file',
    )


def run(args: argparse.Namespace) -> int:
    """Print the list of methods, one of them, or the table."""
    from ssl_bench.catalog import describe, method_table, methods, with_table
    from ssl_bench.errors import UserError
    from ssl_bench.markdown_sections import update_page

    if args.action == 'show':
        if not args.name:
            raise UserError(
                'show takes the name of a method; '
                '`ssl-bench methods` lists them.'
            )
        print(describe(args.name))
    elif args.action == 'table':
        if args.update:
            update_page(args.update, with_table)
        else:
            print(method_table())
        _warn(sys.stderr)
    else:
        for name, entry in methods().items():
            print(f'{name:14} {entry.summary}')
            for config in entry.configs:
                print(f'{"":14}   {config}')
        _warn(sys.stdout)
    return 0


def _warn(file: TextIO) -> None:
    """A line about each config that could not be read."""
    from ssl_bench.catalog import read_catalog

    for line in read_catalog().broken:
        print(f'warning: {printable(line)}', file=file)
