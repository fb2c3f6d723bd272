"""One measured run: its fields, its checks, its file ``result.json``."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from ssl_bench.errors import UserError, one_line, shown
from ssl_bench.files import write_text
from ssl_bench.results.reading import MAX_DEPTH, odd_value
from ssl_bench.tasks.facts import Facts
from ssl_bench.tasks.own.data import OWN
from ssl_bench.tasks.table import find_task, tasks

SCHEMA = 1
FULL = 'full'  # of `RecordFields.trained`: as the task's protocol trains
FILE_NAME = 'result.json'
MAX_BYTES = 1 << 20  # a record has numbers; a larger file is something else
MAX_METRICS = 1000
# names that Windows keeps for devices; a run id is the name of a folder
DEVICES = re.compile(r'(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.', re.I)

Record = dict[str, Any]
PathLike = str | Path

Text = Annotated[str, Field(strict=True, min_length=1)]
TextOrEmpty = Annotated[str, Field(strict=True)]
Number = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]
Sha256 = Annotated[str, Field(strict=True, pattern='^[0-9a-f]{64}$')]
RunId = Annotated[
    str, Field(strict=True, pattern='^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$')
]


class _Group(BaseModel):
    """Fields that belong together; null means not known."""

    model_config = ConfigDict(extra='allow')


class Cost(_Group):
    """What a run cost."""

    train_seconds: Number | None
    images_per_second: Number | None
    peak_memory_mib: Number | None
    gpu_hours: Number | None


class PretrainCost(Cost):
    """What a pretraining cost, all its resumptions together.

    Memory is the largest of them, of the first process; device and number
    of processes are of the last.
    """

    device: TextOrEmpty | None = None
    world_size: Count | None = None


class Pretrain(_Group):
    """What the weights were pretrained on, and where they come from.

    ``departures`` are from the config of the pretraining; ``given`` are the
    fields that the user filled in; ``source_name`` and ``source_revision``
    are of weights that were named (``hf:OWNER/REPO``) and not given.
    ``cost`` is of a pretraining that measured it; one that went on from a
    checkpoint without it has none.
    """

    data: TextOrEmpty | None
    epochs: Number | None
    batch: Number | None
    config: TextOrEmpty | None
    checkpoint_sha256: Sha256 | None
    source: Literal['measured', 'imported']
    images: Count | None = None
    fingerprint: TextOrEmpty | None = None
    departures: list[TextOrEmpty] = []
    changes: list[TextOrEmpty] = []
    given: list[TextOrEmpty] = []
    source_name: TextOrEmpty | None = None
    source_revision: TextOrEmpty | None = None
    cost: PretrainCost | None = None


class Hardware(_Group):
    """Where a run ran."""

    device: TextOrEmpty | None
    world_size: Count | None


class Data(_Group):
    """What a run was trained on."""

    name: TextOrEmpty | None
    fingerprint: TextOrEmpty | None
    images: Count | None


class Extra(_Group):
    """What a run adds; ``recipe`` is of the task, empty for its own."""

    recipe: TextOrEmpty | None = ''


class RecordFields(BaseModel):
    """The fields of a record, as docs/leaderboard.md describes them.

    ``changes`` are automatic adjustments, ``departures`` what the user
    changed: such a record is not compared with published numbers.
    ``trained`` is what was trained of the backbone, where ``--train`` chose
    it; the counts are of the whole network. ``task_facts`` are of a task
    that is not in the table, and has them for every reader.
    """

    model_config = ConfigDict(extra='forbid')

    record_schema: Literal[1] = Field(alias='schema')  # SCHEMA
    run_id: RunId
    method: Text
    variant: TextOrEmpty
    backbone: Text
    pretrain: Pretrain
    task: Text
    metrics: dict[str, Any] = Field(min_length=1)
    seed: Count
    config_sha256: Sha256
    code_version: TextOrEmpty
    versions: dict[str, TextOrEmpty]
    hardware: Hardware
    cost: Cost
    data: Data
    started: Text
    finished: Text
    status: Literal['completed']
    resumptions: Count | None = None
    trained: Text = FULL
    trained_parameters: Count | None = None
    parameters: Count | None = None
    changes: list[TextOrEmpty] = []
    departures: list[TextOrEmpty] = []
    notes: TextOrEmpty = ''
    extra: Extra = Extra()
    task_facts: Facts | None = None
    record_sha256: TextOrEmpty = ''


MANY_DIGITS = re.compile(rb'[0-9]{19}')
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

    def __post_init__(self) -> None:
        """Names in records and of files come from others."""
        object.__setattr__(self, 'message', shown(self.message, 2000))
        paths = tuple(shown(path, 1000) for path in self.paths)
        object.__setattr__(self, 'paths', paths)

    def __str__(self) -> str:
        where = f' ({", ".join(self.paths)})' if self.paths else ''
        return f'{self.kind}: {self.message}{where}'


@dataclass(frozen=True)
class Stored:
    """A valid record and the file it was read from.

    Args:
        record (dict): With its corrections.
        path (str): The file.
        written (dict, optional): As the run wrote it, if it was corrected.
    """

    record: Record
    path: str
    written: Record | None = None

    @property
    def original(self) -> Record:
        """The record as the run wrote it."""
        return self.record if self.written is None else self.written

    @property
    def corrections(self) -> list[dict[str, Any]]:
        """What was corrected: value, who, when, why."""
        return list(self.record.get('corrections', []))


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
    return f'{words}_{task_part(task)}_s{int(seed)}_{digest}'


def task_part(task: str) -> str:
    """A task's id as it is in a run's id, and so in the name of a folder."""
    return re.sub(r'[^A-Za-z0-9_.-]+', '-', task)


def run_identity(
    config_sha256: str, backbone: str, convention: str = '', heads: int = 0
) -> str:
    """Settings and architecture: what a run is the same run by.

    With the fingerprint of the data behind it, it is the hash that
    `make_run_id` takes of a run of this project.

    Args:
        config_sha256 (str): Of the task's settings.
        backbone (str): Name of the architecture.
        convention (str): Of the weights, if it is not torchvision's.
        heads (int): Of attention, of a ViT whose name does not say them.
    """
    text = f'{config_sha256} {backbone} {convention}'.strip()
    text += f' heads={heads}' if heads else ''
    return hashlib.sha256(text.encode()).hexdigest()


def digest(record: Record) -> str:
    """SHA-256 over every field but ``record_sha256`` itself.

    Canonical JSON: sorted keys, no spaces, UTF-8. It shows an edit or a
    damaged copy; it is not a signature.
    """
    return hashlib.sha256(_canonical(record)).hexdigest()


def _canonical(record: Record) -> bytes:
    rest = {k: v for k, v in record.items() if k != 'record_sha256'}
    return _CANONICAL.encode(rest).encode()


def _content_faults(record: Record) -> Iterator[str]:
    """What `odd_value` names, and a digest that does not fit.

    Every value is looked at only where the whole text gives a reason.
    """
    try:
        data = _canonical(record)  # not of NaN, half a character
    except (ValueError, TypeError, RecursionError) as error:
        yield odd_value(record) or f'not a JSON value: {one_line(error)}'
        return
    levels = data.count(b'[') + data.count(b'{')
    if (levels > MAX_DEPTH or MANY_DIGITS.search(data)) and (
        odd := odd_value(record)
    ):
        yield odd
        return
    sha = record.get('record_sha256')
    if sha is not None and sha != hashlib.sha256(data).hexdigest():
        yield (
            'record_sha256 does not fit the content: the '
            'record was changed after it was written'
        )


# What is asked of a value, by the kind of pydantic's error.
_ASKED = {
    'string_type': 'must be a text',
    'string_too_short': 'is empty',
    'int_type': 'must be a whole number >= 0',
    'int_from_float': 'must be a whole number >= 0',
    'float_type': 'must be a number >= 0',
    'finite_number': 'must be a number >= 0',
    'model_type': 'must be an object',
    'dict_type': 'must be an object',
    'list_type': 'must be a list of texts',
    'too_short': 'must be an object with a number or more',
}
# More than the kind of value, by field.
_ASKED_OF = {
    'run_id': 'must be up to 200 letters, digits and ._+- (see make_run_id)',
    'status': 'must be "completed"',
    'pretrain.source': 'must be "measured" or "imported"',
    'config_sha256': 'must be 64 hexadecimal digits',
    'pretrain.checkpoint_sha256': 'must be 64 hexadecimal digits',
    'versions': 'must map names to texts',
    'changes': 'must be a list of texts',
    'departures': 'must be a list of texts',
}


def _field_fault(error: ErrorDetails) -> str:
    """One of pydantic's errors in words, with the value that was found."""
    place = [str(part) for part in error['loc']]
    depth = 3 if place[:2] == ['pretrain', 'cost'] else 2
    name, group = '.'.join(place[:depth]), place[0]
    kind = error['type']
    if kind == 'missing':
        null = ' (null means not known)' if len(place) > 1 else ''
        return f'{name} is missing{null}'
    if kind == 'extra_forbidden':
        return f'{name} is not a field of a record (put it under "extra")'
    if kind == 'string_too_short':
        return f'{name} is empty'
    asked = _ASKED_OF.get(name)
    if asked is None and group in _ASKED_OF:  # of a list or a mapping
        name, asked = group, _ASKED_OF[group]
    if asked is None and kind == 'greater_than_equal':
        whole = isinstance(error['input'], int)
        asked = f'must be a {"whole " if whole else ""}number >= 0'
    if asked is None:
        asked = _ASKED.get(kind, error['msg'])
    return f'{name} {asked}, got {one_line(repr(error["input"]))}'


def facts_of(record: Record) -> Facts | None:
    """What a valid record says of its task, if it does."""
    found = record.get('task_facts')
    return None if found is None else Facts.model_validate(found)


def _facts_faults(task: str, facts: Facts) -> Iterator[str]:
    """Facts of a task of the table are not taken from records."""
    if not task.startswith(OWN):
        yield f'task_facts is only of a task whose id begins with {OWN}'
    elif facts.facts_problem:
        yield f'task_facts: {facts.facts_problem}'


def _metric_faults(
    task: Any, metrics: Any, facts: Facts | None
) -> Iterator[str]:
    """Names and ranges, by the task's facts where they are known."""
    if not isinstance(metrics, dict):
        return
    if len(metrics) > MAX_METRICS:
        yield f'metrics has {len(metrics)} numbers; at most {MAX_METRICS}'
        return
    found = facts
    if found is None and isinstance(task, str):
        found = tasks().get(task)
    for name, value in metrics.items():
        rule = found.metric(name) if found is not None else None
        if found is not None and rule is None:
            yield (
                f'unknown metric {name!r}; known of {task}: '
                f'{", ".join(found.metrics)}'
            )
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f'metrics.{name} must be a number, got ' + one_line(
                repr(value)
            )
        elif rule and not rule.lowest <= value <= rule.highest:  # NaN, too
            unit = f' ({rule.unit})' if rule.unit else ''
            yield (
                f'metrics.{name} must be in {rule.lowest:g}..'
                f'{rule.highest:g}{unit}, got '
                f'{one_line(repr(value), 40)}'
            )


def _moment(record: Record, name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(record[name].replace('Z', '+00:00'))
        return moment if moment.tzinfo else moment.astimezone()
    except (KeyError, AttributeError, ValueError, OverflowError):
        return None


def _time_faults(record: Record) -> Iterator[str]:
    moments = {name: _moment(record, name) for name in ('started', 'finished')}
    for name, moment in moments.items():
        if name in record and moment is None:
            found = one_line(repr(record[name]))
            yield f'{name} must be an ISO 8601 time, got {found}'
    started, finished = moments['started'], moments['finished']
    if started and finished and finished < started:
        yield (
            f'finished {record["finished"]} is before started '
            f'{record["started"]}'
        )


def faults(record: Any) -> list[str]:
    """Everything that is wrong with a record; empty when it is valid.

    The metrics of a task that is not installed are taken as they are.
    """
    if not isinstance(record, dict):
        return [f'a record is an object, got {type(record).__name__}']
    if record.get('schema') != SCHEMA:
        return [
            f'unknown schema version '
            f'{one_line(repr(record.get("schema")))}; this '
            f'version of ssl_bench reads schema {SCHEMA}'
        ]
    found: list[str] = []
    try:
        RecordFields.model_validate(record)
    except ValidationError as error:
        found = [_field_fault(item) for item in error.errors() if item['loc']]
        # of the name of a field that is no text there is no place
        found = found or [odd_value(record) or one_line(error)]
    if DEVICES.fullmatch(str(record.get('run_id'))):
        found.append('run_id cannot be the name of a folder on Windows')
    facts = None if found else facts_of(record)
    if facts is not None:
        found += _facts_faults(record['task'], facts)
    found += _metric_faults(record.get('task'), record.get('metrics'), facts)
    found += _time_faults(record)
    if not found:
        found += _content_faults(record)
    return found


def validate(record: Any) -> None:
    """Check every field, type and range of a record that is to be written.

    Raises:
        UserError: Lists each fault with the value found; also a task that is
            not installed and not described, with the nearest ids.
    """
    found = faults(record)
    task = record.get('task') if isinstance(record, dict) else None
    described = not found and facts_of(record) is not None
    if isinstance(task, str) and task and not described:
        try:
            find_task(task)
        except UserError as error:
            found.insert(0, str(error))
    if found:
        raise UserError('not a valid result record: ' + '; '.join(found))


def write_record(path: PathLike, record: Record) -> Record:
    """Check a record and write it whole, with its digest.

    Args:
        path (str | Path): The file, or the run's folder, where it becomes
            ``result.json``.
        record (dict): As `RecordFields`; ``schema``, ``run_id`` and
            ``status`` are filled in when absent.

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
            record.get('method', ''),
            record.get('variant', ''),
            record.get('task', ''),
            record.get('seed') or 0,
            record.get('config_sha256', ''),
            pretrain.get('checkpoint_sha256'),
        )
    validate(record)
    record['record_sha256'] = digest(record)
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False)
    write_text(path, text + '\n')
    return record
