"""Signed corrections of what a record says of its checkpoint.

A record is never changed. A correction stands next to it, in
``result.corrections.json``, with who made it, when and why; whoever reads the
record reads it too.
"""

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError, one_line
from ssl_bench.files import write_text
from ssl_bench.header_fields import COUNTED, RECORDED, RUN, check_fields
from ssl_bench.results.reading import parse_json, read_file
from ssl_bench.results.record import (
    MAX_BYTES,
    PathLike,
    Record,
    RecordFields,
    digest,
    faults,
)

ENDING = '.corrections.json'
SCHEMA = 1


def corrections_file(path: PathLike) -> Path:
    """Where the corrections of a record are."""
    path = Path(path)
    return path.with_name(path.stem + ENDING)


def write_corrections(
    path: PathLike, record: Record, entries: list[dict[str, Any]]
) -> Path:
    """Write the corrections of a record, whole.

    Args:
        path (str | Path): The record's file.
        record (dict): As it was written.
        entries (list[dict]): All of them, the first to be made first.

    Raises:
        UserError: More than would be read again, or a folder where nothing
            can be written.
    """
    file = corrections_file(path)
    content = dict(
        schema=SCHEMA, record_sha256=digest(record), corrections=entries
    )
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    if len(text.encode()) >= MAX_BYTES:
        raise UserError(
            f'{file} would have more than {MAX_BYTES} bytes: write shorter '
            'values and reasons.'
        )
    write_text(file, text + '\n')
    return file


def check_meta(record: Record, meta: Mapping[str, Any]) -> None:
    """Refuse what no correction is of.

    Raises:
        UserError: An unknown field, or a value that a run measured.
    """
    measured = {
        *record['metrics'],
        *RecordFields.model_fields,
        'images',
        'fingerprint',
        *RUN,
    } - {*RECORDED}
    for key in meta:
        if key in measured:
            raise UserError(
                f'{key} is measured: a correction cannot change it. Run the '
                'task again.'
            )
    check_fields(meta)
    now = values_of(record)
    for key in meta:
        if key in COUNTED and record['pretrain'].get('fingerprint'):
            raise UserError(
                f'{key} is {now[key]!r}, as the pretraining itself recorded: '
                'a correction cannot change it.'
            )


def values_of(record: Record) -> dict[str, Any]:
    """The fields of a record that a correction can be of."""
    return {key: _holder(record, key)[_name(key)] for key in RECORDED}


def _holder(record: Record, key: str) -> dict[str, Any]:
    group: dict[str, Any] = (
        record if key in ('method', 'variant') else record['pretrain']
    )
    return group


def _name(key: str) -> str:
    return key.removeprefix('pretrain_')


def corrected(record: Record, entries: list[dict[str, Any]]) -> Record:
    """A record with corrections, which are also in ``corrections``.

    Raises:
        UserError: It would not be a valid record.
    """
    record = copy.deepcopy(record)
    for entry in entries:
        for key, value in entry['meta'].items():
            _holder(record, key)[_name(key)] = value
    written = record.pop('record_sha256', None)
    found = faults(record)
    if found:
        raise UserError('not a valid correction: ' + '; '.join(found))
    record['corrections'] = entries
    if written is not None:
        record['record_sha256'] = written
    return record


def read_corrections(path: PathLike, record: Record) -> list[dict[str, Any]]:
    """The corrections next to a record; none without their file.

    Args:
        path (str | Path): The record's file.
        record (dict): As it was written.

    Raises:
        UserError: The file is not whole, or of another record.
    """
    file = corrections_file(path)
    if not os.path.lexists(file):
        return []
    try:
        content = parse_json(read_file(file, MAX_BYTES))
        if content['schema'] != SCHEMA:
            raise ValueError(f'unknown schema {content["schema"]!r}')
        return check_entries(
            record, content['record_sha256'], content['corrections']
        )
    except KeyError as error:
        raise UserError(
            f'the corrections in {file.name} cannot be used: {error} is '
            'missing'
        ) from error
    except (UserError, OSError, ValueError, TypeError) as error:
        raise UserError(
            f'the corrections in {file.name} cannot be used: {error}'
        ) from error


def check_entries(
    record: Record, sha256: Any, entries: Any
) -> list[dict[str, Any]]:
    """Check corrections that were read.

    Raises:
        ValueError: Not a list of objects, of another record, not signed, of
            a field that no correction is of, or not a valid value.
    """
    if sha256 != digest(record):
        raise ValueError('they are of another record')
    if not isinstance(entries, list):
        raise ValueError(f'they must be a list, got {one_line(entries)}')
    for entry in entries:
        if not (
            isinstance(entry, dict) and isinstance(entry.get('meta'), dict)
        ):
            raise ValueError(
                'one must be an object with an object "meta", got '
                + one_line(entry)
            )
        if not all(
            isinstance(entry.get(name), str) and entry[name]
            for name in ('by', 'when', 'why')
        ):
            raise ValueError('one is not signed (by, when, why)')
        try:
            check_meta(record, entry['meta'])
        except UserError as error:
            raise ValueError(str(error)) from error
    try:
        corrected(record, entries)
    except UserError as error:
        raise ValueError(str(error)) from error
    return entries
