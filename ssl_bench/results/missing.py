"""Which cells of the matrix are measured, and the command for the others."""

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssl_bench.header_fields import FIELDS, SUFFIX
from ssl_bench.results import headings
from ssl_bench.results.columns import Column, Columns, network
from ssl_bench.results.corrections import values_of
from ssl_bench.results.names import is_random, is_supervised
from ssl_bench.results.record import (
    FILE_NAME,
    FULL,
    Record,
    Stored,
    make_run_id,
    run_identity,
)
from ssl_bench.results.table import Board, MethodId, Row
from ssl_bench.results.task_words import read_words
from ssl_bench.results.verdicts import TRIAL
from ssl_bench.tasks.table import tasks

DEFAULT_SEEDS = (0, 1, 2)  # where a column has one seed, which decides nothing
ENOUGH = 2  # seeds of a column that are not added to
UNKNOWN, NO_TASK = 'CHECKPOINT', 'TASK'
OPTION = re.compile(r'[A-Za-z_]\w*(\.\w+)*=.*')
FRACTION = re.compile(r'(\S+) of the training images, drawn with seed .*')

Method = tuple[MethodId, str]  # with what was trained
Network = tuple[str, str]


@dataclass(frozen=True)
class Fill:
    """A command that measures some seeds of a cell.

    Args:
        seeds (tuple[int, ...]): Of the runs.
        command (str): For a shell.
        notes (tuple[str, ...]): What a reader must add or know.
    """

    seeds: tuple[int, ...]
    command: str
    notes: tuple[str, ...] = ()


@dataclass
class Cell:
    """One method in one column.

    Args:
        like (Row): A row of the method, perhaps of another task.
        seeds (list[int]): Those that are measured.
        missing (list[int]): Those that others have, or that are needed for
            a decision, and this one has not.
        started (dict[int, str]): Of these: the folder of a run that began
            and has no record; it failed, was stopped, or still runs.
        fills (list[Fill]): Commands for the missing ones.
    """

    like: Row
    column: Column
    seeds: list[int]
    missing: list[int] = field(default_factory=list)
    started: dict[int, str] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)


def coverage(board: Board, columns: Columns | None = None) -> list[Cell]:
    """Every cell that is asked for, by backbone.

    A backbone's cells are its methods times the columns it has. Not asked
    for are earlier settings, trial runs, tasks that are not installed, and
    recipes and departures that one method alone has.

    Returns:
        list[Cell]: In the order of rows and columns.
    """
    columns = columns or Columns(board)
    by_network: dict[Network, list[Row]] = {}
    for row in columns.rows:
        by_network.setdefault(network(row), []).append(row)
    begun: dict[str, frozenset[str]] = {}
    return [
        cell
        for rows in by_network.values()
        for cell in _Network(rows, columns, begun).cells()
    ]


def summary(cells: Sequence[Cell]) -> str:
    """``22 of 24 cells measured, 3 with one seed; 2 runs not finished``."""
    measured = [cell for cell in cells if cell.seeds]
    single = sum(len(cell.seeds) == 1 for cell in measured)
    fewer = sum(len(c.seeds) > 1 and bool(c.missing) for c in measured)
    started = sum(len(cell.started) for cell in cells)
    text = f'{len(measured)} of {len(cells)} cells measured'
    for count, name in (
        (single, 'with one seed'),
        (fewer, 'with fewer seeds than others'),
    ):
        text += f', {count} {name}' if count else ''
    if started:
        runs = 'run' if started == 1 else 'runs'
        text += f'; {started} {runs} started and not finished'
    return text


class _Network:
    """The cells of one backbone and one kind of training.

    Args:
        rows (list[Row]): Of it, in the main metric of their task.
        columns (Columns): Of the board.
        begun (dict): Work directory to the folders without a record; filled
            here.
    """

    def __init__(
        self,
        rows: list[Row],
        columns: Columns,
        begun: dict[str, frozenset[str]],
    ) -> None:
        self.rows, self.begun = rows, begun
        self.methods: dict[Method, list[Row]] = {}
        self.columns: dict[Column, list[Row]] = {}
        for row in rows:
            key = row.method_id, row.trained
            self.methods.setdefault(key, []).append(row)
            column = columns.of(row)
            if column is not None:
                self.columns.setdefault(column, []).append(row)

    def cells(self) -> Iterator[Cell]:
        """Every cell that is asked for."""
        asked = [
            column
            for column, rows in self.columns.items()
            if _can_be_asked(column.task)
            and not column.earlier
            and TRIAL not in column.departures
            and (len(rows) > 1 or not (column.recipe or column.departures))
        ]
        for own in self.methods.values():
            for column in sorted(asked, key=lambda c: c.sort_key):
                yield self._cell(own, column)

    def _cell(self, own: list[Row], column: Column) -> Cell:
        others = self.columns[column]
        ids = {id(row) for row in own}
        row = next((row for row in others if id(row) in ids), None)
        seeds = sorted({seed for seed, _ in row.values}) if row else []
        cell = Cell(row or own[0], column, seeds)
        cell.missing = sorted(self._wanted(others) - set(seeds))
        if cell.missing:
            records = [item for one in own for item in one.records]
            runs = [item for one in others for item in one.records]
            self._fill(cell, records, runs)
        return cell

    def _fill(
        self, cell: Cell, own: list[Stored], others: list[Stored]
    ) -> None:
        """Find what was started, and write the commands.

        Args:
            cell (Cell): With its missing seeds.
            own (list[Stored]): Records of the method, of any task.
            others (list[Stored]): Records of the column, of any method.
        """
        places = list(dict.fromkeys(filter(None, map(_work_dir, own))))
        by_weights: dict[tuple[str | None, bool], list[int]] = {}
        for seed in cell.missing:
            sha, known = _weights(own, seed)
            by_weights.setdefault((sha, known), []).append(seed)
            run_id = known and _run_id(own, others[0].record, seed, sha)
            for place in places:
                if run_id and run_id in self._begun(place):
                    cell.started[seed] = str(Path(place) / run_id)
        # where a run was started, the same command goes on with it
        found = [str(Path(folder).parent) for folder in cell.started.values()]
        chosen = next(iter([*found, *places]), None)
        cell.fills = [
            _command(cell, own, seeds, sha if known else '', chosen, others)
            for (sha, known), seeds in by_weights.items()
        ]

    def _begun(self, place: str) -> frozenset[str]:
        if place not in self.begun:
            self.begun[place] = _without_record(place)
        return self.begun[place]

    def _wanted(self, rows: list[Row]) -> set[int]:
        """The seeds that every method of a column should have."""
        seeds = {seed for row in rows for seed, _ in row.values}
        if len(seeds) < ENOUGH:
            seeds |= {seed for row in self.rows for seed, _ in row.values}
        return seeds if len(seeds) >= ENOUGH else seeds | {*DEFAULT_SEEDS}


def _weights(own: list[Stored], seed: int) -> tuple[str | None, bool]:
    """SHA-256 of a method's weights for a seed; whether that is known.

    A method that is pretrained for each seed has other weights for each.
    """
    by_seed: dict[str | None, set[int]] = {}
    for item in own:
        sha = item.record['pretrain']['checkpoint_sha256']
        by_seed.setdefault(sha, set()).add(item.record['seed'])
    if len(by_seed) == 1:
        return next(iter(by_seed)), True
    fitting = [sha for sha, seeds in by_seed.items() if seed in seeds]
    return (fitting[0], True) if len(fitting) == 1 else (None, False)


def _work_dir(item: Stored) -> str | None:
    """Where the run of a record was asked to go, if it still lies there."""
    folder = Path(item.path).parent
    same = folder.name == item.record['run_id']
    return str(folder.parent) if same else None


def _run_id(
    own: list[Stored], sibling: Record, seed: int, sha: str | None
) -> str | None:
    """The id that a missing run would have; None where it is not known.

    It is known where the ids of records with these weights, and with these
    settings, come out right.
    """
    able = [
        item.record
        for item in own
        if item.record['pretrain']['checkpoint_sha256'] == sha
    ]
    if not (_comes_out(sibling) and any(map(_comes_out, able))):
        return None
    first = able[0]
    return _expected(first, sibling, seed)


def _expected(method: Record, like: Record, seed: int) -> str:
    """Id of a method's run with the task and settings of another record."""
    identity = run_identity(like['config_sha256'], method['backbone'])
    return make_run_id(
        method['method'],
        method['variant'],
        like['task'],
        seed,
        f'{identity} {like["data"]["fingerprint"] or ""}',
        method['pretrain']['checkpoint_sha256'],
    )


def _comes_out(record: Record) -> bool:
    return bool(_expected(record, record, record['seed']) == record['run_id'])


def _without_record(place: str) -> frozenset[str]:
    """Names of folders without a record; none where it cannot be read."""
    try:
        with os.scandir(place) as entries:
            return frozenset(
                entry.name
                for entry in entries
                if entry.is_dir()
                and not os.path.exists(os.path.join(entry.path, FILE_NAME))
            )
    except OSError:
        return frozenset()


def _command(
    cell: Cell,
    own: list[Stored],
    seeds: list[int],
    sha: str | None,
    place: str | None,
    others: list[Stored],
) -> Fill:
    """The command for some seeds with the same weights.

    Args:
        sha (str, optional): Of the weights; None where there are none or
            no record says, empty where the seeds have none yet.
        place (str, optional): The work directory.
        others (list[Stored]): Records of the column, of any method.
    """
    row, column = cell.like, cell.column
    weights, notes = _checkpoint(row, own, sha, seeds)
    named, about = _task(column.task, others)
    words = ['ssl-bench', 'transfer', *weights, *named]
    words += ['--seeds', *map(str, seeds)]
    if is_random(row.method):
        words += ['--arch', own[0].record['backbone']]
    if column.recipe:
        words += ['--recipe', column.recipe]
    if row.trained not in ('', FULL):
        words += ['--train', row.trained]
    options, more = _departures(column.departures)
    words += options
    if place is not None:
        words += ['--work-dir', place]
    command = shlex.join(words)
    return Fill(tuple(seeds), command, (*notes, *about, *more))


def _can_be_asked(task: str) -> bool:
    """Whether it is installed, or a user's own that records describe."""
    return headings.is_custom(task) or task in tasks()


def _task(task: str, runs: list[Stored]) -> tuple[list[str], list[str]]:
    """How to name a task, and what to say of it.

    Args:
        task (str): Its id.
        runs (list[Stored]): Its records.
    """
    if not headings.is_custom(task):
        trainer = tasks()[task].trained_by
        # what is finished is not repeated; its classifier is tested
        return ['--tasks', *filter(None, [trainer]), task], []
    found = read_words(runs)
    if found is not None:
        return found, []
    return ['--tasks', NO_TASK], [
        f'{NO_TASK}: {task}; its file, or the options of its data, are on '
        'the machine that ran it'
    ]


def _checkpoint(
    row: Row, own: list[Stored], sha: str | None, seeds: list[int]
) -> tuple[list[str], list[str]]:
    """How to name the weights, and what to say of them."""
    if is_random(row.method):
        return ['random'], []
    if not sha:
        numbers = ', '.join(map(str, seeds))
        why = (
            f'{UNKNOWN}: weights of a new pretraining, since each seed has '
            f'its own and there are none for {numbers}'
            if sha == ''
            else f'{UNKNOWN}: the weights; no record says which'
        )
        return [UNKNOWN], [why]
    records = [
        item
        for item in own
        if item.record['pretrain']['checkpoint_sha256'] == sha
    ]
    for place in dict.fromkeys(filter(None, map(_work_dir, records))):
        found = sorted(Path(place).glob(f'*_{sha[:12]}{SUFFIX}'))
        if found:
            return [str(found[0])], []
    named = records[0].record['pretrain'].get('source_name')
    if named:
        return [named, *_given(records[0].record)], []
    word = f'supervised={UNKNOWN}' if is_supervised(row.method) else UNKNOWN
    return [word, *_given(records[0].record)], [
        f'{UNKNOWN}: the file with SHA-256 {sha}'
    ]


def _given(record: Record) -> list[str]:
    """``--meta`` of the fields that the user filled in."""
    values = values_of(record)
    words = [
        f'{key}={values[key]}'
        for key in record['pretrain'].get('given', ())
        if key in FIELDS and values.get(key) is not None
    ]
    return ['--meta', *words] if words else []


def _departures(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Options for what departs, and what no option can say."""
    options, words, notes = [], [], []
    for text in texts:
        part = FRACTION.fullmatch(text)
        if part:
            words += ['--fraction', part[1]]
        elif OPTION.fullmatch(text):
            key, _, value = text.partition('=')
            plain = ' ' not in value or value[0] in '([' or ',' in value
            options.append(text if plain else f'{key}="{value}"')
        else:
            notes.append(f'as in its records: {text}')
    return [*words, *(['--cfg-options', *options] if options else [])], notes
