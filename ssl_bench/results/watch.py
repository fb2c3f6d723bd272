"""Keep a page up to date while runs write their records and logs."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ssl_bench.errors import UserError, one_line, printable
from ssl_bench.files import write_text
from ssl_bench.results.owners import folders_of
from ssl_bench.results.record import PathLike
from ssl_bench.results.report import to_html
from ssl_bench.results.table import Board

ENDINGS = ('.json', '.png', '.jpg', '.jpeg', '.webp')
SHARE = 10  # of the time, at most one part in so many goes into the page

State = dict[str, tuple[int, int]]


@dataclass
class Watch:
    """Keeps a page up to date.

    Args:
        dirs (Sequence): Where runs write.
        target (Path): The page.
        board (Callable): The leaderboard of what is there now, perhaps
            without a record; it may raise `UserError`.
        seconds (float): Between two looks.
        say (Callable): Prints a line.
    """

    dirs: Sequence[PathLike]
    target: Path
    board: Callable[[], Board]
    seconds: float
    say: Callable[[str], None]
    said: str = ''

    def run(self) -> NoReturn:
        """Write the page whenever something has changed, until Ctrl-C.

        Then the page is written once more, as one that nobody watches.

        Raises:
            KeyboardInterrupt, SystemExit: It was stopped.
        """
        before: State | None = None
        where = ', '.join(map(str, self.dirs))
        self.say(f'watching {where}; Ctrl-C ends it')
        try:
            while True:
                pause = self.seconds
                now = state_of(self.dirs)
                if now != before:
                    before = now
                    began = time.perf_counter()
                    self.refresh(watched=True)
                    took = time.perf_counter() - began
                    pause = max(pause, (SHARE - 1) * took)
                time.sleep(pause)
        except (KeyboardInterrupt, SystemExit):
            if self.target.exists():
                self.refresh(watched=False)
            raise

    def refresh(self, watched: bool) -> None:
        """Write the page; what stands in the way is said, and may pass."""
        clock = time.strftime('%H:%M:%S')
        try:
            board = self.board()
            about = dict(seconds=self.seconds, changed=clock)
            text = to_html(board, self.dirs, about if watched else None)
            write_text(self.target, text)
        except (UserError, OSError) as error:
            waits = f'waiting: {one_line(printable(error))}'
            if waits != self.said:
                self.say(f'{clock}  {waits}')
            self.said = waits
            return
        self.said = ''
        runs = {item.path for row in board.measured for item in row.records}
        self.say(
            f'{clock}  {_count(len(runs), "record")}, '
            f'{_count(len(board.problems), "warning")}: {self.target}'
        )


def _count(number: int, word: str) -> str:
    return f'{number} {word}{"" if number == 1 else "s"}'


def state_of(dirs: Iterable[PathLike]) -> State:
    """Time and size of all records, logs and pictures below some folders."""
    found = {}
    for folder, names in folders_of(dirs):
        for name in names:
            if name.endswith(ENDINGS):
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:  # removed meanwhile
                    continue
                found[path] = status.st_mtime_ns, status.st_size
    return found
