"""Reading the records that lie under folders."""
import json
import os
from typing import Any, Iterable, Iterator, List, Optional, Tuple

from ssl_bench.errors import UserError
from ssl_bench.results.record import (FILE_NAME, MAX_BYTES, PathLike, Problem,
                                      Record, Stored, faults)


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is not a number that can be compared')


def _unique(pairs: List[Tuple[str, Any]]) -> Record:
    if len(group := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the field {twice!r} stands there twice')
    return group


ABSENT = ('missing', 'empty')  # kinds of problem that hide no record

_DECODER = json.JSONDecoder(parse_constant=_refuse_constant,
                            object_pairs_hook=_unique)


def parse(data: bytes) -> Record:
    """Bytes of a ``result.json`` to a valid record.

    Raises:
        UserError: Too large, not UTF-8, not whole JSON, NaN, a field twice,
            or a fault that ``validate`` names.
    """
    if len(data) > MAX_BYTES:
        raise UserError(f'{len(data)} bytes; a record has at most '
                        f'{MAX_BYTES}')
    try:
        record = _DECODER.decode(data.decode('utf-8'))
    except UnicodeDecodeError as error:
        raise UserError(f'not UTF-8 text: {error}') from error
    except (ValueError, RecursionError) as error:
        raise UserError(f'not readable as JSON ({error}); a run writes it '
                        'whole, so it was cut or edited') from error
    found = faults(record)
    if found:
        raise UserError('; '.join(found))
    return record


def find(dirs: Iterable[PathLike], problems: List[Problem]) -> Iterator[str]:
    """Paths of all ``result.json`` under ``dirs``, each once, in order."""
    seen = set()
    for top in map(str, dirs):
        if os.path.isfile(top):
            walk = [(os.path.dirname(top) or '.', [], [top])]
        elif os.path.isdir(top):
            walk = os.walk(top)
        else:
            problems.append(Problem('missing', 'no such folder', (top, )))
            continue
        number = 0
        for folder, below, names in walk:
            below.sort()
            for name in names:
                if os.path.basename(name) == FILE_NAME or name == top:
                    number += 1
                    path = name if name == top else os.path.join(folder, name)
                    real = os.path.realpath(path)
                    if real not in seen:
                        seen.add(real)
                        yield path
        if not number:
            problems.append(Problem(
                'empty', f'no {FILE_NAME} under this folder', (top, )))


def scan(dirs: Iterable[PathLike]) -> Tuple[List[Stored], List[Problem]]:
    """Read every record; a bad one is named and left out.

    Args:
        dirs (Iterable[str | Path]): Folders searched at any depth, or files.

    Returns:
        tuple: Valid records with their paths, and what was wrong elsewhere.
    """
    stored, problems = [], []
    for path in find(dirs, problems):
        try:
            if os.path.getsize(path) > MAX_BYTES:
                raise UserError(f'larger than {MAX_BYTES} bytes: no record')
            with open(path, 'rb') as file:
                stored.append(Stored(parse(file.read()), path))
        except UserError as error:
            problems.append(Problem('unusable record', str(error), (path, )))
        except OSError as error:
            problems.append(Problem(
                'unreadable', error.strerror or str(error), (path, )))
    return stored, problems


def read_records(dirs: Iterable[PathLike],
                 problems: Optional[List[Problem]] = None) -> List[Record]:
    """All records under ``dirs``.

    Args:
        dirs (Iterable[str | Path] | str | Path): Where to look.
        problems (list, optional): Collects what could not be read.

    Returns:
        list[dict]: The valid records in path order.

    Raises:
        UserError: A file is unusable and no ``problems`` list was given;
            a folder that is absent or empty just holds no records.
    """
    if isinstance(dirs, (str, os.PathLike)):
        dirs = [dirs]
    stored, found = scan(dirs)
    if problems is not None:
        problems += found
    elif unusable := [p for p in found if p.kind not in ABSENT]:
        raise UserError('; '.join(map(str, unusable)))
    return [item.record for item in stored]
