"""The `ssl-bench` command: one thin module per subcommand.

A module's docstring is its help; it has ``add_arguments(parser)`` and
``run(args) -> exit code``. None of them imports torch before ``run``.
"""

import argparse
import importlib
import os
import sys

import ssl_bench
from ssl_bench.errors import UserError, printable

SUBCOMMANDS = (
    'demo',
    'pretrain',
    'transfer',
    'run',
    'leaderboard',
    'convert',
    'data',
    'methods',
    'tasks',
    'doctor',
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every subcommand, without importing any toolkit."""
    parser = argparse.ArgumentParser(
        prog='ssl-bench',
        description=ssl_bench.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--version', action='version', version=ssl_bench.__version__
    )
    commands = parser.add_subparsers(
        dest='command', metavar='COMMAND', required=True
    )
    for name in SUBCOMMANDS:
        module = importlib.import_module(f'ssl_bench.cli.{name}')
        command = commands.add_parser(
            name,
            help=(module.__doc__ or '').partition('\n')[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; a user's mistake is one line and exit code 2.

    Args:
        arguments (list[str], optional): Words after ``ssl-bench``;
            ``sys.argv[1:]`` when None.

    Returns:
        int: The exit code; 130 after Ctrl-C, 75 after a signal that let the
        command save its work.
    """
    args = build_parser().parse_args(arguments)
    args.words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return args.run(args) or 0
    except UserError as error:
        print(f'ssl-bench {args.command}: {printable(error)}', file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as error:
        what = printable(error) or 'interrupted'
        print(f'ssl-bench {args.command}: {what}', file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as head, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
