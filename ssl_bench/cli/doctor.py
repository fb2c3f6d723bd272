"""Check this installation; say what is wrong and what to do.

Prints a line for each fact, marked ok, warn or fail, and what to do about it.
Exit code 1 on a fail. --json prints the same for other programs. --selftest
then runs one step of every method and of every task on embedded data, in a
temporary folder, in about two minutes on two cores.

Example: ssl-bench doctor
"""

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl_bench.cli.selftest import Outcome
    from ssl_bench.health import Check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--data-root',
        help='folder above VOCdevkit, coco, imagenet (default: data)',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs',
        help='where runs are to write (default: %(default)s)',
    )
    parser.add_argument(
        '--selftest',
        nargs='*',
        metavar='NAME',
        help='also run one step of every method and of every task on embedded '
        'data, or of these methods, configs and tasks only',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='print one JSON object instead of lines',
    )


def run(args: argparse.Namespace) -> int:
    """Print every check; 1 if one failed."""
    from ssl_bench.health import FAIL, Check, report, worst
    from ssl_bench.health.checks import counts

    if args.selftest:  # a wrong name, before anything is printed
        from ssl_bench.cli.selftest import items

        items(args.selftest)
    found: list[Check] = []

    def show(check: Check) -> None:
        found.append(check)
        if not args.json:
            print(check, flush=True)

    for check in all_checks(args):
        show(check)
    if args.selftest is not None and worst(found) != FAIL:
        from ssl_bench.cli.selftest import selftest

        selftest(args.selftest, show=lambda outcome: show(step(outcome)))
    if args.json:
        print(json.dumps(report(found), indent=2))
    else:
        print(counts(found))
    return int(worst(found) == FAIL)


def step(outcome: 'Outcome') -> 'Check':
    """How a method or task of the self-test ended, in the doctor's form."""
    from ssl_bench.health import FAIL, OK, Check

    item = outcome.item
    name = f'{item.kind} {item.name}'
    if not outcome.error:
        return Check(name, OK, f'one step, {outcome.seconds:.1f} s')
    return Check(name, FAIL, outcome.error, f'repeat it: {item.again}')


def all_checks(args: argparse.Namespace) -> 'Iterator[Check]':
    """Packages, then the machine, if torch can be imported at all."""
    from ssl_bench.compat.imports import LEFT_OUT
    from ssl_bench.health import FAIL, OK, Check
    from ssl_bench.health.machine import machine_checks
    from ssl_bench.health.packages import imports_check, package_checks

    yield from package_checks()
    torch = imports_check()
    yield torch
    if torch.state == FAIL:
        return
    yield Check('mmpretrain', OK, LEFT_OUT)
    yield from machine_checks(args.work_dir, args.data_root)
