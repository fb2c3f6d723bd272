"""`ssl-bench leaderboard export`, `import`, `annotate`: records are moved."""

import argparse
import sys
from typing import TYPE_CHECKING

from ssl_bench.errors import UserError, printable
from ssl_bench.header_fields import words_of

if TYPE_CHECKING:
    from ssl_bench.results.record import Problem


def annotate(args: argparse.Namespace) -> int:
    """Add a signed correction to a record.

    Raises:
        UserError: Not one record, or nothing to correct.
    """
    from ssl_bench.results.annotate import annotate as add_correction

    if len(args.dirs) != 2:
        raise UserError(
            'name one record: ssl-bench leaderboard annotate RUN/result.json '
            '--meta KEY=VALUE --by NAME --why TEXT'
        )
    fields = words_of(args.meta)
    path = add_correction(args.dirs[1], fields, args.by or '', args.why or '')
    print(f'written: {printable(path)}', file=sys.stderr)
    return 0


def export(args: argparse.Namespace, dirs: list[str]) -> int:
    """Write the records below some folders into one file.

    Raises:
        UserError: No name for it.
    """
    from ssl_bench.files import keep_existing
    from ssl_bench.results.bundle import export_bundle

    if not args.output:
        raise UserError(
            'name the bundle: ssl-bench leaderboard export DIR... -o '
            'results.zip'
        )
    keep_existing(args.output, args.force)
    count, problems = export_bundle(dirs, args.output)
    message = f'written: {args.output} with {count} records'
    return finish(problems, message, args.details)


def import_bundles(
    args: argparse.Namespace, paths: list[str], into: str
) -> int:
    """Add the records of bundles to a folder.

    Raises:
        UserError: No bundle, or none that can be used.
    """
    from ssl_bench.results.bundle import import_bundle
    from ssl_bench.results.record import Problem

    if not paths:
        raise UserError(
            'name the bundle: ssl-bench leaderboard import results.zip'
        )
    found: list[Problem] = []
    refused = 0
    for path in paths:
        try:
            written, skipped, problems = import_bundle(path, into)
        except UserError as error:
            if len(paths) == 1:
                raise
            refused += 1
            found.append(Problem('bundle', str(error)))
            continue
        found += problems
        print(
            f'{printable(path)}: {written} records to {printable(into)}, '
            f'{skipped} were there',
            file=sys.stderr,
        )
    if refused == len(paths):
        raise UserError('; '.join(problem.message for problem in found))
    return finish(found, None, args.details)


def finish(
    problems: 'list[Problem]', message: str | None, every: bool = False
) -> int:
    """Print warnings and what was done; the exit code.

    Args:
        problems (list[Problem]): What a reader must know.
        message (str, optional): The last line.
        every (bool): Each warning with its files, else one of each kind.
    """
    from ssl_bench.results.problem_lines import problem_lines

    for line in problem_lines(problems, every):
        print(f'warning: {printable(line)}', file=sys.stderr)
    if message:
        print(printable(message), file=sys.stderr)
    return 3 if problems else 0
