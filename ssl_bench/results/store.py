"""Reading the records under folders."""

import contextlib
import gc
import json
import os
from collections.abc import Iterable, Iterator

from ssl_bench.errors import UserError
from ssl_bench.results.checks import COPY, without_duplicates
from ssl_bench.results.corrections import corrected, read_corrections
from ssl_bench.results.folders import Folders
from ssl_bench.results.reading import open_file, parse_json, read_open
from ssl_bench.results.record import (
    FILE_NAME,
    MAX_BYTES,
    PathLike,
    Problem,
    Record,
    Stored,
    faults,
)

ABSENT = ('missing', 'empty')  # problems that are not about a record


def parse(data: bytes) -> Record:
    """Bytes of a ``result.json`` to a valid record.

    Raises:
        UserError: Too large, not UTF-8, not whole JSON, NaN, a field twice,
            or a fault that ``validate`` names.
    """
    if len(data) > MAX_BYTES:
        raise UserError(f'{len(data)} bytes; a record has at most {MAX_BYTES}')
    try:
        record: Record = json.loads(data.decode('utf-8'))
        if 'record_sha256' in record and not faults(record):
            return record  # its digest fits, so no field is there twice
    except (ValueError, TypeError, RecursionError):
        pass  # read again below, to say what is wrong
    try:
        record = parse_json(data)
    except UserError as error:
        raise UserError(
            f'{error}; a run writes it whole, so it was cut or edited'
        ) from error
    found = faults(record)
    if found:
        raise UserError('; '.join(found))
    return record


def find(dirs: Iterable[PathLike], problems: list[Problem]) -> Iterator[str]:
    """Paths of all ``result.json`` under ``dirs``, in order."""
    folders = Folders(problems)
    for top in map(str, dirs):
        if not os.path.isdir(top):
            if os.path.lexists(top):
                yield top
            else:
                problems.append(Problem('missing', 'no such folder', (top,)))
            continue
        found, again = False, folders.again
        for folder, inside, names in folders.below(top):
            if FILE_NAME in inside:
                path = os.path.join(folder, FILE_NAME)
                problems.append(
                    Problem('unreadable', 'a folder, not a file', (path,))
                )
            if FILE_NAME in names:
                found = True
                yield os.path.join(folder, FILE_NAME)
        if not found and folders.again == again:
            text = f'no {FILE_NAME} under this folder'
            if folders.apart:
                text += f'; {folders.apart[-1]} is read only when it is named'
            problems.append(Problem('empty', text, (top,)))


def scan(dirs: Iterable[PathLike]) -> tuple[list[Stored], list[Problem]]:
    """Read every record; a bad one is named and left out.

    Args:
        dirs (Iterable[str | Path]): Folders searched at any depth, or files.

    Returns:
        tuple: Valid records with their paths, and what was wrong elsewhere.
    """
    stored: list[Stored] = []
    problems: list[Problem] = []
    seen: set[tuple[int, int]] = set()
    with collector_paused():
        for path in find(dirs, problems):
            try:
                record = _read(path, seen)
            except UserError as error:
                problems.append(
                    Problem('unusable record', str(error), (path,))
                )
            except OSError as error:
                problems.append(
                    Problem(
                        'unreadable', error.strerror or str(error), (path,)
                    )
                )
            else:
                if record is not None:
                    stored.append(_corrected(record, path, problems))
    return stored, problems


def _corrected(record: Record, path: str, problems: list[Problem]) -> Stored:
    """A record with the corrections next to it."""
    try:
        entries = read_corrections(path, record)
        if entries:
            return Stored(corrected(record, entries), path, record)
    except UserError as error:
        problems.append(Problem('unusable correction', str(error), (path,)))
    return Stored(record, path)


def _read(path: str, seen: set[tuple[int, int]]) -> Record | None:
    """A file's record; None when it was read under another path."""
    with open_file(path) as file:
        status = os.fstat(file.fileno())
        identity = status.st_dev, status.st_ino
        if identity in seen:  # folders given may overlap
            return None
        seen.add(identity)
        data = read_open(file, MAX_BYTES)
    return parse(data)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection while many records are read.

    They have no reference cycles, and collecting takes a quarter of the time
    of reading ten thousand of them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_records(
    dirs: Iterable[PathLike], problems: list[Problem] | None = None
) -> list[Record]:
    """All records under ``dirs``, each run once.

    Args:
        dirs (Iterable[str | Path] | str | Path): Where to look.
        problems (list, optional): Collects what could not be read.

    Returns:
        list[dict]: The valid records in path order.

    Raises:
        UserError: A file is unusable, or a run has two records with
            different numbers, and no ``problems`` list was given; a folder
            that is absent or empty has no records.
    """
    if isinstance(dirs, (str, os.PathLike)):
        dirs = [dirs]
    stored, found = scan(dirs)
    stored, copies = without_duplicates(stored)
    found += [p for p in copies if problems is not None or p.kind != COPY]
    if problems is not None:
        problems += found
    elif unusable := [p for p in found if p.kind not in ABSENT]:
        raise UserError('; '.join(map(str, unusable)))
    return [item.record for item in stored]
