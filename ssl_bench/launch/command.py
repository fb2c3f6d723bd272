"""A call of ``ssl-bench`` that is to run, here or elsewhere."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ssl_bench.launch.steps import Step


@dataclass(frozen=True)
class Command:
    """One call of ``ssl-bench``.

    Args:
        words (tuple[str, ...]): What follows ``ssl-bench``.
        after (int, optional): Index, in the list of commands, of one before
            it that must end first.
        title (str): What it does, for people; the command itself if empty.
        kind (str): Commands of one kind take about as long.
        seconds (float, optional): How long, as far as that is known.
    """

    words: tuple[str, ...]
    after: int | None = None
    title: str = ''
    kind: str = ''
    seconds: float | None = None

    def __str__(self) -> str:
        return f'ssl-bench {shlex.join(self.words)}'

    @property
    def step(self) -> Step:
        """The command in a view of the progress."""
        return Step(
            self.title or str(self), self.kind, self.seconds, self.after
        )

    def argv(
        self, processes: int = 1, rendezvous: Sequence[str] = ('--standalone',)
    ) -> list[str]:
        """The command line to start.

        Args:
            processes (int): On this machine, started by torchrun.
            rendezvous (sequence[str]): How torchrun's processes find each
                other.
        """
        if processes == 1 and tuple(rendezvous) == ('--standalone',):
            return [sys.executable, '-m', 'ssl_bench', *self.words]
        return [
            sys.executable,
            '-m',
            'ssl_bench.launch.torchrun',
            *rendezvous,
            f'--nproc_per_node={processes}',
            '-m',
            'ssl_bench',
            *self.words,
        ]
