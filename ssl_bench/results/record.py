"""One measured run: its fields, its checks, its file ``result.json``."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.files import write_text
from ssl_bench.results import tasks

SCHEMA = 1
FILE_NAME = 'result.json'
MAX_BYTES = 1 << 20  # a record holds numbers; anything larger is no record

Record = dict[str, Any]
PathLike = str | Path

TEXT, NUMBER, COUNT = str, float, int
FLAT = {
    'run_id': TEXT,
    'method': TEXT,
    'variant': TEXT,
    'backbone': TEXT,
    'task': TEXT,
    'seed': COUNT,
    'code_version': TEXT,
    'started': TEXT,
    'finished': TEXT,
    'status': TEXT,
}
MAY_BE_EMPTY = {'variant', 'code_version'}
# A name ending in '?' may be null: not known, or not applicable.
_NESTED = {
    'pretrain': {
        'data?': TEXT,
        'epochs?': NUMBER,
        'batch?': NUMBER,
        'config?': TEXT,
        'checkpoint_sha256?': TEXT,
        'source': TEXT,
    },
    'hardware': {'device?': TEXT, 'world_size?': COUNT},
    'cost': {
        'train_seconds?': NUMBER,
        'images_per_second?': NUMBER,
        'peak_memory_mib?': NUMBER,
        'gpu_hours?': NUMBER,
    },
    'data': {'name?': TEXT, 'fingerprint?': TEXT, 'images?': COUNT},
}
NESTED = {
    group: {
        name.rstrip('?'): (kind, name.endswith('?'))
        for name, kind in fields.items()
    }
    for group, fields in _NESTED.items()
}
KIND_NAMES = {TEXT: 'text', NUMBER: 'number >= 0', COUNT: 'whole number >= 0'}
OTHER = {'schema', 'metrics', 'versions', 'config_sha256'}
OPTIONAL = {'changes', 'departures', 'notes', 'extra', 'record_sha256'}
SHA256 = re.compile(r'[0-9a-f]{64}')
RUN_ID = re.compile(r'[A-Za-z0-9][A-Za-z0-9._+-]{0,199}')


_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(',', ':'), ensure_ascii=False, allow_nan=False
)


@dataclass(frozen=True)
class Problem:
    """Something a reader of the table must know, with the files it is in.

    Args:
        kind (str): One word or two for the sort of problem.
        message (str): What was expected and what was found.
        paths (tuple[str, ...]): Files concerned.
    """

    kind: str
    message: str
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f' ({", ".join(self.paths)})' if self.paths else ''
        return f'{self.kind}: {self.message}{where}'


@dataclass(frozen=True)
class Stored:
    """A valid record and the file it was read from."""

    record: Record
    path: str


def make_run_id(
    method: str,
    variant: str,
    task: str,
    seed: int,
    config_sha256: str,
    checkpoint_sha256: str | None = None,
) -> str:
    """A name that is the same for the same run and differs for another.

    Returns:
        str: Readable words and twelve hexadecimal digits, usable as a
        file name: ``insloc-fpn_mini_knn_s0_1f0c...``.
    """
    parts = [
        method,
        variant,
        task,
        int(seed),
        config_sha256,
        checkpoint_sha256 or '',
    ]
    text = json.dumps(parts, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    words = re.sub(r'[^a-z0-9]+', '-', f'{method} {variant}'.casefold())
    words = words.strip('-')[:60] or 'run'
    return f'{words}_{task}_s{int(seed)}_{digest}'


def digest(record: Record) -> str:
    """SHA-256 over every field but ``record_sha256`` itself.

    Canonical JSON: sorted keys, no spaces, UTF-8. It shows an edit or a
    damaged copy; it is no signature.
    """
    rest = {k: v for k, v in record.items() if k != 'record_sha256'}
    return hashlib.sha256(_CANONICAL.encode(rest).encode()).hexdigest()


def _type_fault(name: str, value: Any, kind: type) -> str | None:
    """Why ``value`` is not of ``kind``, or None."""
    good = (
        isinstance(value, str)
        if kind == TEXT
        else isinstance(value, (int, float)) and not isinstance(value, bool)
    )
    if kind == COUNT:
        good = good and isinstance(value, int) and value >= 0
    elif kind == NUMBER:
        good = good and math.isfinite(value) and value >= 0
    if good:
        return None
    return f'{name} must be a {KIND_NAMES[kind]}, got {value!r}'


def _field_faults(record: Record) -> Iterator[str]:
    known = {*FLAT, *NESTED, *OTHER}
    for name in sorted(known - record.keys()):
        yield f'{name} is missing'
    for name in sorted(record.keys() - known - OPTIONAL):
        yield f'{name} is not a field of a record (put it under "extra")'
    for name, kind in FLAT.items():
        value = record.get(name)
        if name in record and not (value and type(value) is str is kind):
            fault = _type_fault(name, value, kind)
            if fault:
                yield fault
            elif value == '' and name not in MAY_BE_EMPTY:
                yield f'{name} is empty'
    for name, fields in NESTED.items():
        group = record.get(name)
        if name in record and not isinstance(group, dict):
            yield f'{name} must be an object, got {group!r}'
        elif name in record:
            yield from _group_faults(name, group, fields)


def _group_faults(name: str, group: Record, fields: dict) -> Iterator[str]:
    for key, (kind, may_be_null) in fields.items():
        value = group.get(key)
        # most fields; ten thousand records have many
        if type(value) is kind and (kind is TEXT or 0 <= value < math.inf):
            continue
        if key not in group:
            yield f'{name}.{key} is missing (null means not known)'
        elif value is not None or not may_be_null:
            fault = _type_fault(f'{name}.{key}', value, kind)
            if fault:
                yield fault


def _metric_faults(metrics: Any) -> Iterator[str]:
    if not isinstance(metrics, dict) or not metrics:
        yield f'metrics must be an object with a number or more: {metrics!r}'
        return
    for name, value in metrics.items():
        base = tasks.base_metric(name)
        if base is None:
            yield (
                f'unknown metric {name!r}; known: '
                f'{", ".join(sorted(tasks.METRICS))}'
            )
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f'metrics.{name} must be a number, got {value!r}'
        elif (
            not tasks.LOWEST.get(base, 0.0) <= value <= tasks.METRICS[base]
        ):  # also catches NaN
            yield (
                f'metrics.{name} must lie in '
                f'{tasks.LOWEST.get(base, 0.0):g}..'
                f'{tasks.METRICS[base]:g} (percent), got {value!r}'
            )


def _moment(record: Record, name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(record[name].replace('Z', '+00:00'))
        return moment if moment.tzinfo else moment.astimezone()
    except (KeyError, AttributeError, ValueError, OverflowError):
        return None


def _value_faults(record: Record) -> Iterator[str]:
    """Checks that need more than a type."""
    task = record.get('task')
    if isinstance(task, str) and not tasks.is_known_task(task):
        try:
            tasks.check_task(task)
        except UserError as error:
            yield str(error)
    run_id = record.get('run_id')
    if isinstance(run_id, str) and run_id and not RUN_ID.fullmatch(run_id):
        yield (
            f'run_id {run_id[:60]!r} must be up to 200 letters, digits '
            'and ._+- (see make_run_id)'
        )
    hashes = {'config_sha256': record.get('config_sha256', '0' * 64)}
    pretrain = record.get('pretrain')
    if isinstance(pretrain, dict):
        checkpoint = pretrain.get('checkpoint_sha256')
        hashes['pretrain.checkpoint_sha256'] = checkpoint or '0' * 64
        if pretrain.get('source') not in ('measured', 'imported'):
            yield (
                'pretrain.source must be "measured" or "imported", got '
                f'{pretrain.get("source")!r}'
            )
    for name, value in hashes.items():
        if not isinstance(value, str) or not SHA256.fullmatch(value):
            yield f'{name} must be 64 hexadecimal digits, got {value!r}'
    if record.get('status', 'completed') != 'completed':
        yield f'status must be "completed", got {record["status"]!r}'
    versions = record.get('versions', {})
    if not isinstance(versions, dict) or not all(
        isinstance(v, str) for v in versions.values()
    ):
        yield f'versions must map names to texts, got {versions!r}'
    yield from _time_faults(record)


def _time_faults(record: Record) -> Iterator[str]:
    started, finished = _moment(record, 'started'), _moment(record, 'finished')
    for name, moment in (('started', started), ('finished', finished)):
        if name in record and moment is None:
            yield f'{name} must be an ISO 8601 time, got {record[name]!r}'
    if started and finished and finished < started:
        yield (
            f'finished {record["finished"]} lies before started '
            f'{record["started"]}'
        )


def faults(record: Any) -> list[str]:
    """Everything that is wrong with a record; empty when it is valid."""
    if not isinstance(record, dict):
        return [f'a record is an object, got {type(record).__name__}']
    if record.get('schema') != SCHEMA:
        return [
            f'unknown schema version {record.get("schema")!r}; this '
            f'version of ssl_bench reads schema {SCHEMA}'
        ]
    found = [*_field_faults(record), *_value_faults(record)]
    if 'metrics' in record:
        found += _metric_faults(record['metrics'])
    for name in ('changes', 'departures'):
        texts = record.get(name, [])
        if not isinstance(texts, list) or not all(
            isinstance(text, str) for text in texts
        ):
            found.append(f'{name} must be a list of texts, got {texts!r}')
    for name, kind in (('notes', str), ('extra', dict)):
        if not isinstance(record.get(name, kind()), kind):
            found.append(f'{name} must be {kind.__name__}')
    if not found and 'record_sha256' in record:
        try:
            fits = record['record_sha256'] == digest(record)
        except ValueError as error:
            return [f'not a JSON value: {error}']
        if not fits:
            found.append(
                'record_sha256 does not fit the content: the '
                'record was changed after it was written'
            )
    return found


def validate(record: Any) -> None:
    """Check every field, type and range of a record.

    Raises:
        UserError: Lists each fault with the value found.
    """
    found = faults(record)
    if found:
        raise UserError('not a valid result record: ' + '; '.join(found))


def write_record(path: PathLike, record: Record) -> Record:
    """Check a record and write it whole, with its digest.

    Args:
        path (str | Path): The file, or the run's folder, where it becomes
            ``result.json``.
        record (dict): Fields of design.md; ``schema``, ``run_id`` and
            ``status`` are filled in when absent. Optional: ``changes``
            (list of automatic adjustments), ``departures`` (list of what
            the user changed: such a record is not compared with published
            numbers), ``notes`` and ``extra`` (dict).

    Returns:
        dict: The record as written.

    Raises:
        UserError: The record is not valid, or the file cannot be written.
    """
    path = Path(path)
    if path.is_dir() or path.suffix != '.json':
        path = path / FILE_NAME
    record = {'schema': SCHEMA, 'status': 'completed', **record}
    record.pop('record_sha256', None)
    if 'run_id' not in record:
        pretrain = record.get('pretrain') or {}
        record['run_id'] = make_run_id(
            *(record.get(k, '') for k in ('method', 'variant', 'task')),
            record.get('seed') or 0,
            record.get('config_sha256', ''),
            pretrain.get('checkpoint_sha256'),
        )
    validate(record)
    record['record_sha256'] = digest(record)
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False)
    write_text(path, text + '\n')
    return record
