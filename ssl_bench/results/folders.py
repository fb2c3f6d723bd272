"""Which folders there are below some others, through links too."""

import os
from collections.abc import Iterator

from ssl_bench.results.record import Problem

APART = '.apart'
"""File in a folder whose runs are not rows of a leaderboard: they were made
to be compared in another way, as those of ``ssl-bench judge``. It says how.
"""


class Folders:
    """Walks below folders; every folder is visited once.

    Links to folders are followed, since runs are kept on other disks. A link
    that leads around its own folder (``/``, the parent) is not: it would
    lead through a whole disk. Folders with a file `APART` are passed over,
    unless a walk begins there.

    Args:
        problems (list[Problem]): Collects folders that cannot be listed and
            links that are not followed.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.seen: set[tuple[int, int]] = set()
        self.again = 0  # folders that were met once more
        self.apart: list[str] = []  # folders that were passed over

    def below(self, top: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """A folder and those in it, in the order of their names.

        Args:
            top (str): Where to begin.

        Yields:
            tuple: Its path, names of the folders in it, and of other files.
        """
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                status = os.stat(folder)
                identity = status.st_dev, status.st_ino
                if identity in self.seen:
                    self.again += 1
                    continue
                with os.scandir(folder) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError as error:  # not allowed, or removed meanwhile
                self._unreadable(error, folder)
                continue
            self.seen.add(identity)
            if folder != top and any(one.name == APART for one in entries):
                self.apart.append(folder)
                continue
            inside = [
                entry.name
                for entry in entries
                if _is_folder(entry) and not self._leads_around(folder, entry)
            ]
            names = [entry.name for entry in entries if not _is_folder(entry)]
            waiting += [os.path.join(folder, name) for name in inside[::-1]]
            yield folder, inside, names

    def _leads_around(self, folder: str, entry: os.DirEntry[str]) -> bool:
        """Whether an entry is a link to a folder that holds the link."""
        if not entry.is_symlink():
            return False
        target = os.path.realpath(entry.path)
        around = os.path.join(target, '')
        if not os.path.join(os.path.realpath(folder), '').startswith(around):
            return False
        status = os.stat(target)
        if (status.st_dev, status.st_ino) not in self.seen:
            self.problems.append(
                Problem(
                    'link',
                    'leads to a folder around its own, so it is not followed',
                    (entry.path,),
                )
            )
        return True

    def _unreadable(self, error: OSError, folder: str) -> None:
        reason = error.strerror or str(error)
        self.problems.append(Problem('unreadable', reason, (folder,)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False
