"""What a command prints: into a file, or on to the terminal."""

import re
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

FOLDER = 'logs'  # in a work dir
LAST_LINES = 5  # of a command that failed, for the error
LONGEST = 100  # characters of a file's name, without its ending
MANY_LINES = 20  # the same, where they have not been kept in a file


def file_names(titles: Iterable[str]) -> list[str]:
    """A name for each title: ``pretrain-insloc-fpn-seed-0.log``."""
    seen: Counter[str] = Counter()
    names = []
    for title in titles:
        words = re.sub(r'[^a-z0-9_]+', '-', title.casefold())
        words = words.strip('-')[:LONGEST] or 'step'
        seen[words] += 1
        number = f'-{seen[words]}' if seen[words] > 1 else ''
        names.append(f'{words}{number}.log')
    return names


def keep_lines(lines: Iterable[str], path: Path, title: str) -> list[str]:
    """Add a command's lines to a file.

    Args:
        lines (iterable[str]): As they come.
        path (Path): The file; its folder is made.
        title (str): A line before the others.

    Returns:
        list[str]: The last lines.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    file = _open(path)
    now = datetime.now().astimezone().isoformat(' ', 'seconds')
    _add(file, f'{now} {title}')
    for line in lines:
        last.append(line.rstrip())
        _add(file, last[-1])
    if file is not None:
        with suppress(OSError):
            file.close()
    return list(last)


def _open(path: Path) -> TextIO | None:
    """The file, or None: a command runs on with a full disk, too."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, 'a', encoding='utf-8', errors='replace')
    return None


def _add(file: TextIO | None, line: str) -> None:
    with suppress(OSError):
        if file is not None:
            file.write(f'{line}\n')
            file.flush()


def print_lines(lines: Iterable[str], label: str) -> list[str]:
    """Print a command's lines after a label.

    Args:
        lines (iterable[str]): As they come.
        label (str): Before each line.

    Returns:
        list[str]: The last lines.
    """
    last: deque[str] = deque(maxlen=MANY_LINES)
    for line in lines:
        last.append(line.rstrip())
        print(f'{label} {last[-1]}', flush=True)
    return list(last)
