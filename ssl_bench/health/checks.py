"""A fact, a judgement of it, and what to do about it."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ssl_bench
from ssl_bench.errors import printable

WIDTH, INDENT = 80, 6 * ' '
SCHEMA = 1  # of the report
OK, WARN, FAIL = STATES = ('ok', 'warn', 'fail')  # from good to bad


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Args:
        name (str): What was looked at: ``torch``, ``shared memory``.
        state (str): ``ok``; ``warn``: some runs will be slow or refused;
            ``fail``: no run works, or what was asked for is not there.
        found (str): What is there.
        cure (str): What to do, as far as possible a command; empty where
            nothing has to be done.
    """

    name: str
    state: str
    found: str
    cure: str = ''

    def __str__(self) -> str:
        lines = [printable(f'{self.state:4}  {self.name}: {self.found}')]
        if self.state != FAIL:  # that is one line, to be found and copied
            lines = textwrap.wrap(
                lines[0],
                WIDTH,
                subsequent_indent=INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
        if self.cure:  # one line, to be copied
            lines.append(f'{INDENT}-> {printable(self.cure)}')
        return '\n'.join(lines)


def worst(checks: Sequence[Check]) -> str:
    """The state of all together: that of the worst one."""
    return max((check.state for check in checks), key=STATES.index, default=OK)


def counts(checks: Sequence[Check]) -> str:
    """``31 ok, 1 warn, 0 fail``."""
    return ', '.join(
        f'{sum(check.state == state for check in checks)} {state}'
        for state in STATES
    )


def report(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks for other programs; fields: docs/troubleshooting.md."""
    return {
        'schema': SCHEMA,
        'version': ssl_bench.__version__,
        'state': worst(checks),
        'checks': [asdict(check) for check in checks],
    }
