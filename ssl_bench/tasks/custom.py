"""Tasks that are not in the table: a file anywhere, and own data.

``my_task.py`` has a task of the table as its ``_base_`` and says what
differs, in settings and in the literal ``TASK``. Its id is
``custom:my_task``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ssl_bench.config import base_files, merge_literals
from ssl_bench.errors import UserError
from ssl_bench.tasks.own.data import OWN
from ssl_bench.tasks.table import (
    COST,
    Task,
    find_task,
    make_task,
    task_config,
    task_literal,
    tasks,
)

SUFFIX = '.py'


def is_file(word: str) -> bool:
    """Whether a word for a task means a file, and not an id."""
    return word.endswith(SUFFIX)


def task_ids(
    words: Iterable[str],
    folders: Iterable[Path] = (),
    named: dict[str, Path] | None = None,
) -> list[str]:
    """Ids of tasks that a user names, by id or by file.

    Args:
        words (Iterable[str]): Words that end in ``.py`` are files; they are
            added to the table. Others are ids and stay as they are.
        folders (Iterable[Path]): Where a relative path is looked for before
            the current folder.
        named (dict[str, Path], optional): Ids and files of the same command
            that were named before; those of this call are added.

    Raises:
        UserError: As `file_task`, or another file of the command has the
            same name.
    """
    places, found = [*folders, Path()], []
    named = {} if named is None else named
    for word in words:
        if is_file(word):
            name = file_task(word, places).id
            path = task_config(name)
            if named.setdefault(name, path) != path:
                raise UserError(
                    f'{path} and {named[name]} would both be {name}: rename '
                    'one of them.'
                )
            word = name
        found.append(word)
    return found


def named_task(word: str) -> Task:
    """The task of an id or a file.

    Raises:
        UserError: As `file_task` and `find_task`.
    """
    return find_task(task_ids([word])[0])


def file_task(word: str, folders: Iterable[Path] = (Path(),)) -> Task:
    """The task of a config file, added to the table.

    A file of the table itself is that task.

    Args:
        word (str): Path of the file.
        folders (Iterable[Path]): A relative path is below one of these.

    Raises:
        UserError: There is no such file, it is not Python, a base is
            missing, or its ``TASK`` is wrong.
    """
    path = _find(word, folders)
    table = tasks()
    for name, other in table.paths.items():
        if not name.startswith(OWN) and other.resolve() == path:
            return find_task(name)
    task = _read(path, f'{OWN}{path.stem}')  # again: it may have changed
    table.add(task, path)
    return task


def _find(word: str, folders: Iterable[Path]) -> Path:
    """The file that a word means.

    Raises:
        UserError: There is none.
    """
    for folder in folders:
        path = folder / word
        if path.is_file():
            return path.resolve()
    stem = Path(word).stem
    hint = ''
    if stem in tasks():
        hint = f' The task of that name is written without .py: {stem}.'
    raise UserError(f'no task file at {word}.{hint}')


def _read(path: Path, name: str) -> Task:
    """The task that a file outside of the table describes.

    Raises:
        UserError: As `file_task`.
    """
    own, base = task_literal(path) or {}, _of_bases(path, (path,))
    if not own and not base:
        raise UserError(
            f'{path} has no task: give it one as its base, for instance '
            "_base_ = 'ssl_bench::transfer/coco_mrcnn_fpn_1x.py'."
        )
    source = f'{path.name}, which changes {base["id"]}' if base else path.name
    if base.get('source'):
        source += f': {base["source"]}'
    if own.get('id', path.stem) not in (path.stem, name):
        raise UserError(
            f'{path}: TASK: id {own["id"]!r} is not the name of the file: '
            'leave it out.'
        )
    free = COST if base else {}
    if 'dataset' in own:  # another one, not a part of the base's
        base.pop('dataset', None)
    literal = merge_literals(own, {**base, **free, 'source': source})
    literal['title'] = own.get('title', path.stem)
    return make_task({**literal, 'id': name}, path)


def _of_bases(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The literal ``TASK`` of the bases of a config, merged; may be empty.

    Raises:
        UserError: A base is missing or cannot be read.
    """
    found: dict[str, Any] = {}
    for file in base_files(path):
        if file.resolve() in above:
            raise UserError(
                f'config {path} does not load: it is among its own bases'
            )
        below = _of_bases(file, (*above, file.resolve()))
        literal = merge_literals(task_literal(file) or {}, below)
        found.update(literal)
    return found


def task_word(name: str) -> str:
    """What names a task in a command: its id, or its file.

    Raises:
        UserError: As `find_task`.
    """
    task = find_task(name)
    if name.startswith(OWN) and task.own is None:
        return str(task_config(name))
    return name
