"""List the methods, or show one.

`ssl-bench methods` lists them; `ssl-bench methods NAME` prints what the
method learns, its paper, how it deviates from the paper, its configs and
their settings (so does `ssl-bench methods show NAME`); `ssl-bench methods
table` prints the README's table, and with --update writes it there. Configs
that cannot be read are named at the end.

Configs are searched in `configs` and in the folders that the environment
variable SSL_BENCH_CONFIGS names.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from ssl_bench.errors import UserError, printable

if TYPE_CHECKING:
    from ssl_bench.catalog import Method

WIDTH = 80  # columns of the list
ACTIONS = ('list', 'show', 'table')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help='a method, in any spelling: pixpro, "MoCo v2", mocov2; all if '
        'none. Or a config (my_config.py), `show NAME`, `table`',
    )
    parser.add_argument(
        '--update',
        metavar='FILE',
        help='for table: replace the table between the marks of this '
        'Markdown file',
    )


def run(args: argparse.Namespace) -> int:
    """Print the list of methods, one of them, or the table."""
    from ssl_bench.catalog import describe, methods

    action, name = read_words(args.names)
    if args.update and action != 'table':
        raise UserError('--update is of `ssl-bench methods table`.')
    if action == 'show':
        print(printable(describe(name)))
    elif action == 'table':
        table(args.update)
        _warn(sys.stderr)
    else:
        for entry in methods().values():
            print(printable('\n'.join(lines(entry))))
        print('\n`ssl-bench methods NAME` says more of one.')
        _warn(sys.stdout)
    return 0


def read_words(words: list[str]) -> tuple[str, str]:
    """What to do, and with which method: ``pixpro`` is ``show pixpro``.

    Args:
        words (list[str]): After ``methods``; a name may be several.

    Returns:
        tuple[str, str]: ``list``, ``show`` or ``table``, and a name.

    Raises:
        UserError: ``show`` without a name, or the others with one.
    """
    first, *rest = words or ['list']
    if first not in ACTIONS:
        return 'show', ' '.join(words)
    if first == 'show' and not rest:
        raise UserError(
            'show takes the name of a method; `ssl-bench methods` lists them.'
        )
    if first != 'show' and rest:
        raise UserError(
            f'`ssl-bench methods {first}` takes no name; '
            f'`ssl-bench methods {" ".join(rest)}` shows one.'
        )
    return first, ' '.join(rest)


def table(page: str | None) -> None:
    """Print the Markdown table, or write it into a page."""
    from ssl_bench.catalog import method_table, with_table
    from ssl_bench.markdown_sections import update_page

    if page:
        update_page(page, with_table)
    else:
        print(method_table())


def lines(entry: 'Method') -> Iterator[str]:
    """Summary, variants and configs of a method, in `WIDTH` columns."""
    first = True
    variants = ', '.join(entry.variants)
    for text in (
        entry.summary,
        variants and f'Variants: {variants}.',
        ', '.join(entry.short_names),
    ):
        for line in textwrap.wrap(
            text, WIDTH - 15, break_long_words=False, break_on_hyphens=False
        ):
            yield f'{entry.name if first else "":14} {line}'.rstrip()
            first = False


def _warn(file: TextIO) -> None:
    """A line about each config that could not be read."""
    from ssl_bench.catalog import read_catalog

    for line in read_catalog().broken:
        print(f'warning: {printable(line)}', file=file)
