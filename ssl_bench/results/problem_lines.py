"""Warnings in a few lines: one for each kind, with how often it is there."""

from collections.abc import Sequence

from ssl_bench.results.record import Problem

DETAILS = '--details'


def problem_lines(
    problems: Sequence[Problem], every: bool = False
) -> list[str]:
    """What to print of the warnings, in their order.

    Args:
        problems (Sequence[Problem]): Of the board.
        every (bool): Each with all of its files; else the first of each kind.
    """
    if every:
        return list(map(str, problems))
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    lines = [_line(same) for same in kinds.values()]
    if len(kinds) < len(problems):
        lines.append(f'{len(problems)} in all: {DETAILS} lists them')
    return lines


def _line(same: Sequence[Problem]) -> str:
    first = same[0]
    if len(same) == 1:
        return str(first)
    where = f' ({first.paths[0]})' if first.paths else ''
    return (
        f'{first.kind}, {len(same)} times: {first.message}{where}; '
        f'and {len(same) - 1} more'
    )
