"""``--track``: where the numbers of a run go, next to its own log."""

import argparse
import functools
import os
from collections.abc import Callable

from ssl_bench.environment import TRACK, TRACKERS, trackers

Run = Callable[[argparse.Namespace], int]


def add_track(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        '--track',
        action='append',
        choices=TRACKERS,
        metavar='NAME',
        help='send the log there too: mlflow or wandb (docs/monitoring.md); '
        'TensorBoard files are always written',
    )


def with_trackers(run: Run) -> Run:
    """Let a command, and what it starts, send its log to ``--track``.

    What is missing for that is said before anything slow.
    """

    @functools.wraps(run)
    def tracked(args: argparse.Namespace) -> int:
        before = os.environ.get(TRACK)
        if args.track:
            os.environ[TRACK] = ','.join(args.track)
        try:
            trackers()
            return run(args)
        finally:
            if before is not None:
                os.environ[TRACK] = before
            elif args.track:
                del os.environ[TRACK]

    return tracked
