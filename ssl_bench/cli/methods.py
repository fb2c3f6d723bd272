"""List the methods, or show one.

`ssl-bench methods` lists them; `ssl-bench methods show NAME` prints what the
method learns, its paper, its deviations from it, and its configs.
"""
import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('action', nargs='?', choices=['list', 'show'],
                        default='list')
    parser.add_argument('name', nargs='?', help='a method, for show')


def run(args: argparse.Namespace) -> int:
    """Print the catalogue or one entry of it."""
    from ssl_bench.errors import UserError
    from ssl_bench.methods.catalog import describe, methods
    if args.action == 'show':
        if not args.name:
            raise UserError('show takes the name of a method; '
                            '`ssl-bench methods` lists them.')
        print(describe(args.name))
        return 0
    for name, entry in sorted(methods().items()):
        print(f'{name:14} {entry.summary}')
        for config in entry.configs:
            print(f'{"":14}   {config}')
    return 0
