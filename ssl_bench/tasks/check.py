"""Are a task's data complete and usable? Its layouts say."""

import difflib
import os
from pathlib import Path

from ssl_bench.errors import one_line
from ssl_bench.tasks.layouts import Layout, Line, Note, Problem
from ssl_bench.tasks.layouts.lines import FileFault
from ssl_bench.tasks.layouts.lists import other_labels
from ssl_bench.tasks.table import find_task

NAMED = 3  # missing files and folders that a line names


def check_task(
    task: str, root: str | Path | None = None, decode_all: bool = False
) -> list[Line]:
    """Everything to say about the data of a task; empty when they are fine.

    Args:
        task (str): Task id.
        root (str | Path, optional): Data root; the task's own when None.
        decode_all (bool): Open every image and mask, not a few of each
            list.

    Returns:
        list[Line]: `Problem`s, which stop a run, and `Note`s on what loaders
        leave out.

    Raises:
        UserError: Unknown task.
    """
    row = find_task(task)
    dataset, root = row.data, Path(root or row.root)
    gone = dataset.missing(root)
    if gone:
        named = ', '.join(map(str, gone[:NAMED]))
        more = ', ...' if len(gone) > NAMED else ''
        how = dataset.how_to_prepare(root)
        reason = no_root(root)
        return [
            *([Problem(reason)] if reason else []),
            Problem(f'missing: {named}{more}'),
            Problem(f'prepare: {how}'),
        ]
    found: list[Line] = []
    for layout, scored in dataset.parts(root):
        # a probe has no place to fill, so that it skips nothing
        skips = not scored and row.toolbox != 'probe'
        found += [
            _as_note(line) if skips and isinstance(line, FileFault) else line
            for line in checked(layout, scored, decode_all)
        ]
    for train in dataset.train:
        for test in dataset.test:
            found += other_labels(train.at(root), test.at(root))
    return list(dict.fromkeys(found))


def checked(layout: Layout, scored: bool, every: bool) -> list[Line]:
    """What a layout says of itself; a folder without permission is a line."""
    try:
        return layout.check(scored, every)
    except OSError as error:
        where = error.filename or layout.place
        reason = one_line(error.strerror or error)
        return [Problem(f'{where} cannot be read: {reason}.')]


def _as_note(line: Line) -> Note:
    return Note(f'{line} Until then, training skips them.')


def no_root(root: str | Path) -> str:
    """Why nothing can be checked below a data root; '' when it is there."""
    root = Path(root)
    if root.is_dir():
        return ''
    if root.exists():
        return f'the data root {root} is not a folder'
    try:
        others = [
            entry.name for entry in os.scandir(root.parent) if entry.is_dir()
        ]
    except OSError:
        others = []
    near = difflib.get_close_matches(root.name, sorted(others), n=1)
    hint = f', {root.parent / near[0]} is' if near else ''
    return f'the data root {root} is not there{hint}'
