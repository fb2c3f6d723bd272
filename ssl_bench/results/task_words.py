"""How a command names a task that is not in the table.

A run on own data, or of a task's file, leaves the words in its folder, since
a record has no paths of the machine that it was made on.
"""

import json
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import write_text
from ssl_bench.results.headings import is_custom
from ssl_bench.results.reading import parse_json, read_file
from ssl_bench.results.record import Stored
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task, task_config, tasks

FILE, CLASSES = 'task.json', 'classes.txt'
MOST = 1 << 16  # bytes of the file


def write_words(task: Task, folder: Path) -> None:
    """Leave in a run's folder how a command names its task.

    Args:
        task (Task): Nothing is written of one of the table, nor of a part
            of class folders, which no option names.
        folder (Path): Of the run.

    Raises:
        UserError: A file cannot be written.
    """
    if not is_custom(task.id) or not _has_words(task.own):
        return
    # a task on own data has the config of the task that it was made from
    file = task_config(task.id)
    installed = next((n for n in tasks() if tasks().paths[n] == file), None)
    words = ['--tasks', installed or str(file)]
    if task.own is not None:
        words += _data_words(task.own, folder)
    write_text(folder / FILE, json.dumps(words, ensure_ascii=False) + '\n')


def _has_words(own: OwnData | None) -> bool:
    """Whether options can say it: no list of images without labels."""
    splits = () if own is None else (own.train, own.val)
    return all(split.labels or not split.names for split in splits)


def _data_words(own: OwnData, folder: Path) -> list[str]:
    """Options for own data; a list of their classes goes into the folder."""
    words = []
    for split in ('train', 'val'):
        part = getattr(own, split)
        paths = filter(None, (part.images, part.labels, part.names))
        words += [f'--{split}-data', *paths]
    if own.kind != 'folders':
        write_text(folder / CLASSES, '\n'.join(own.classes) + '\n')
        words += ['--classes', str((folder / CLASSES).absolute())]
    return [*words, '--data-name', own.name]


def read_words(runs: list[Stored]) -> list[str] | None:
    """The words that one of some runs of a task left.

    Args:
        runs (list[Stored]): Records of the task; other files may lie next
            to them.

    Returns:
        list[str] | None: From ``--tasks``; None where no run left them, as
        on another machine.
    """
    for item in runs:
        try:
            data = read_file(Path(item.path).with_name(FILE), MOST)
            found = parse_json(data)
        except (UserError, OSError):
            continue
        if (
            isinstance(found, list)
            and len(found) > 1
            and all(isinstance(word, str) for word in found)
            and found[0] == '--tasks'
        ):
            return found
    return None
