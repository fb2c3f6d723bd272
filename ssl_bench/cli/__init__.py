"""The `ssl-bench` command: one thin module per subcommand.

A module's docstring is its help; it has ``add_arguments(parser)`` and
``run(args) -> exit code``. None of them imports torch before ``run``.
"""

import importlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import ssl_bench
from ssl_bench.cli.completion import COMPLETING, complete
from ssl_bench.cli.parsing import FIRST_STEPS, Parser, first_line
from ssl_bench.errors import Interrupted, UserError, one_line, printable

# of a launcher with which a command ends
WATCHED = {'SSL_BENCH_PARENT', 'TORCHELASTIC_RUN_ID'}
RUNS = {'pretrain', 'transfer', 'judge', 'run'}  # what a scheduler starts
# what a process raises when another one has ended before it
LOST = re.compile(
    'onnection (closed|reset) by peer|Broken pipe|remote process exited'
)
SUBCOMMANDS = (
    'demo',
    'pretrain',
    'transfer',
    'judge',
    'run',
    'leaderboard',
    'convert',
    'data',
    'methods',
    'tasks',
    'doctor',
)


def build_parser() -> Parser:
    """The parser of every subcommand, without importing any toolkit."""
    parser = Parser(
        prog='ssl-bench',
        usage='ssl-bench COMMAND ...',
        description=ssl_bench.__doc__,
        epilog=FIRST_STEPS,
    )
    parser.add_argument(
        '--version', action='version', version=ssl_bench.__version__
    )
    commands = parser.add_subparsers(
        title='commands', dest='command', metavar='COMMAND'
    )
    for name in SUBCOMMANDS:
        module = importlib.import_module(f'ssl_bench.cli.{name}')
        command = commands.add_parser(
            name,
            prog=f'ssl-bench {name}',
            help=first_line(module.__doc__),
            description=module.__doc__,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; a user's mistake is one line and exit code 2.

    Without a subcommand the help is printed, and the exit code is 0: nothing
    was asked and nothing went wrong.

    Args:
        arguments (list[str], optional): Words after ``ssl-bench``;
            ``sys.argv[1:]`` when None.

    Returns:
        int: The exit code; 130 after Ctrl-C, 75 after a signal that let the
        command save its work.
    """
    try:
        parser = build_parser()
        if COMPLETING in os.environ:
            complete(parser)
        args = parser.parse_args(arguments)
    except KeyboardInterrupt:
        return 130
    if args.command is None:
        parser.print_help()
        return 0
    args.words = sys.argv[1:] if arguments is None else list(arguments)
    if not WATCHED.isdisjoint(os.environ):
        from ssl_bench.launch.parent import end_with_parent

        end_with_parent()
    try:
        with startable_again(args.command), cleaned_up(args.command):
            return args.run(args) or 0
    except UserError as error:
        if speaks(error):
            say(args.command, error)
        tell_launcher(error)
        return error.exit_code
    except KeyboardInterrupt as error:
        if os.environ.get('RANK', '0') == '0':
            say(args.command, printable(error) or 'interrupted')
        return 130
    except BrokenPipeError:  # the reader of a pipe, such as head, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if 'RANK' not in os.environ:
            raise
        first = speaks(error)
        if first and not LOST.search(str(error)):
            raise
        if first:
            say(
                args.command,
                f'another process of this run has ended: {one_line(error)}',
            )
        return 1


@contextmanager
def startable_again(command: str) -> Iterator[None]:
    """Have schedulers start a run again that they stop at its start.

    Toolkits are imported for some seconds before a run takes signals itself.
    Nothing is lost then, so that the process just ends.

    Args:
        command (str): Its name; for one that is not in `RUNS`, and in one of
            several processes, whose launcher does this, nothing is done.
    """

    def end(number: int, frame: FrameType | None) -> None:
        line = f'stopped by {signal.Signals(number).name} outside of training'
        with suppress(OSError):  # the terminal is gone
            os.write(2, f'ssl-bench {command}: {line}.\n'.encode())
        os._exit(Interrupted.exit_code)

    with at_signals(end, command in RUNS and 'RANK' not in os.environ):
        yield


@contextmanager
def cleaned_up(command: str) -> Iterator[None]:
    """Have a short command remove what it has half written at a signal.

    Args:
        command (str): Its name; for one that stops its runs itself, nothing
            is done.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with at_signals(end, command not in {*RUNS, 'demo'}):
        yield


@contextmanager
def at_signals(
    end: Callable[[int, FrameType | None], None], wanted: bool
) -> Iterator[None]:
    """Call ``end`` at a signal that would end the process.

    Args:
        end (Callable): A handler.
        wanted (bool): Whether to; outside of the main thread it cannot be.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    if not wanted or not main_thread:
        yield
        return
    from ssl_bench.environment import ENDING

    numbers = [
        number
        for number in ENDING
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def say(command: str, text: object) -> None:
    """Print a line on standard error; of several processes, with the rank."""
    rank = os.environ.get('RANK')
    several = os.environ.get('WORLD_SIZE', '1') != '1' and rank is not None
    place = f' (rank {rank})' if several else ''
    print(f'ssl-bench {command}{place}: {printable(text)}', file=sys.stderr)


def tell_launcher(error: UserError) -> None:
    """Give torchrun the message for its table, instead of no message."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if path:
        entry = {
            'message': printable(error),
            'extraInfo': {'timestamp': str(int(time.time()))},
        }
        with suppress(OSError), open(path, 'w') as file:
            json.dump({'message': entry}, file)


def speaks(error: Exception) -> bool:
    """Whether this process, of those of a run, says why it ends.

    All stop together at a signal: the first says it. When one fails, the
    others follow, and that one says it.
    """
    if 'RANK' not in os.environ:
        return True
    if isinstance(error, Interrupted):
        return os.environ['RANK'] == '0'
    from ssl_bench.engine.distributed import first_to_fail

    try:
        return first_to_fail()
    except UserError:  # the variables of the launcher are wrong
        return True
