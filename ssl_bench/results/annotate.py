"""Add a signed correction to a record."""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.results.corrections import (
    check_meta,
    corrected,
    read_corrections,
    values_of,
    write_corrections,
)
from ssl_bench.results.reading import read_file
from ssl_bench.results.record import FILE_NAME, MAX_BYTES, PathLike
from ssl_bench.results.store import parse


def annotate(
    path: PathLike, meta: Mapping[str, Any], by: str, why: str
) -> Path:
    """Add a correction to those of a record.

    Args:
        path (str | Path): The record, or the folder of its run.
        meta (Mapping): Header fields and values, as `header_fields.FIELDS`.
        by (str): Who signs it.
        why (str): The reason, for instance where the value was read.

    Returns:
        Path: The file with the corrections.

    Raises:
        UserError: No such record, nothing to correct, nobody who signs, an
            unknown field, or a value that a run measured.
    """
    path = Path(path)
    path = path / FILE_NAME if path.is_dir() else path
    if not path.is_file():
        raise UserError(f'no record at {path}')
    record = parse(read_file(path, MAX_BYTES))
    if not meta:
        raise UserError('nothing to correct: add --meta KEY=VALUE')
    for value, option in ((by, '--by NAME'), (why, '--why TEXT')):
        if not value.strip():
            raise UserError(f'a correction is signed: add {option}')
    check_meta(record, meta)
    earlier = read_corrections(path, record)
    before = values_of(corrected(record, earlier) if earlier else record)
    entry = dict(
        meta=dict(meta),
        before={key: before[key] for key in meta},
        by=by.strip(),
        when=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        why=why.strip(),
    )
    corrected(record, [*earlier, entry])  # is a valid record
    return write_corrections(path, record, [*earlier, entry])
