"""Build the leaderboard: choose, check, rank, compare, join, sort."""

from collections.abc import Sequence
from typing import Any

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.results import headings, stats
from ssl_bench.results.checks import check, without_duplicates
from ssl_bench.results.names import is_chosen, label, method_key, squeeze
from ssl_bench.results.published import PublishedIndex
from ssl_bench.results.record import Problem, Record, Stored
from ssl_bench.results.table import Board, Row, cells


def _choose(
    stored: list[Stored], wanted: Sequence[str], methods: Sequence[str]
) -> list[Stored]:
    """Keep chosen tasks and methods.

    Raises:
        UserError: A name that neither records nor papers have.
    """
    ids = {*headings.known_tasks(), *(s.record['task'] for s in stored)}
    for task in wanted:
        if task not in ids:
            raise unknown_name('task', task, ids)
    if methods:
        known = {s.record['method'] for s in stored}
        known |= {
            label(s.record['method'], s.record['variant']) for s in stored
        }
        known |= {row.method for row in PublishedIndex().rows}
        keys = {squeeze(n) for n in known} | {method_key(n) for n in known}
        for name in (method.partition('@')[0] for method in methods):
            if squeeze(name) not in keys and method_key(name) not in keys:
                raise unknown_name('method', name, known)
    return [
        s
        for s in stored
        if (not wanted or s.record['task'] in wanted)
        and (
            not methods
            or is_chosen(
                s.record['method'],
                s.record['variant'],
                s.record['pretrain']['epochs'],
                methods,
            )
        )
    ]


def _join(
    rows: list[Row],
    mode: str,
    wanted: Sequence[str],
    methods: Sequence[str],
    index: PublishedIndex,
) -> list[Row]:
    """Put printed numbers next to the rows; ``all`` adds their own rows."""
    if mode == 'none':
        return rows
    used = set()
    for row in rows:
        found = index.matches(row)
        if found:
            row.published, row.also_published = found[0], found[1:]
            used.add(found[0])
    if mode == 'own':
        return rows
    shown = set(wanted) or {row.task for row in rows}
    return rows + [
        Row(
            item.method,
            item.variant,
            item.backbone,
            item.pretrain_data,
            item.pretrain_epochs,
            item.task,
            item.metric,
            published=item,
        )
        for item in index.rows
        if item.task in shown
        and item not in used
        and (
            not methods
            or is_chosen(
                item.method, item.variant, item.pretrain_epochs, methods
            )
        )
    ]


def departed(rows: list[Row], index: PublishedIndex) -> list[Problem]:
    """Say which rows are not compared with the papers, and why."""
    printed = {item.task for item in index.rows}
    by_cell: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row.all_departures and row.task in printed:
            key = row.method_id, row.task, tuple(row.all_departures)
            by_cell.setdefault(key, row)
    return [
        Problem(
            'other protocol',
            f'{row.name} on {row.task} is not compared with '
            f'published numbers: {"; ".join(row.all_departures)}',
            tuple(item.path for item in row.records),
        )
        for row in by_cell.values()
    ]


def not_installed(stored: list[Stored]) -> list[Problem]:
    """Say which records are of tasks that have no config."""
    known = headings.known_tasks()
    strange: dict[str, list[str]] = {}
    for item in stored:
        if item.record['task'] not in known:
            strange.setdefault(item.record['task'], []).append(item.path)
    return [
        Problem(
            'task not installed',
            f'{task} has no config here: its numbers are shown, '
            'not ranked or compared',
            tuple(paths),
        )
        for task, paths in sorted(strange.items())
    ]


def _compare(rows: list[Row], baseline: str) -> None:
    """Fill in each row's difference to the baseline of its task.

    Raises:
        UserError: No measured row, or several methods, have that name.
    """
    bases: dict[tuple[str, str], Row] = {}
    for row in rows:
        if is_chosen(row.method, row.variant, row.pretrain_epochs, [baseline]):
            other = bases.setdefault((row.task, row.metric), row)
            if other is not row:
                raise UserError(
                    f'baseline {baseline!r} fits both {other.described} and '
                    f'{row.described} on {row.task}; write "METHOD '
                    '(VARIANT)@EPOCHS", or read the folders of one only'
                )
    if not bases:
        raise unknown_name('baseline', baseline, {row.name for row in rows})
    for row in rows:
        base = bases.get((row.task, row.metric))
        if base is not None and row is not base:
            row.difference = stats.difference(
                row.by_seed or dict(row.values),
                base.by_seed or dict(base.values),
            )


def verdicts(record: Record) -> dict[str, tuple[float, str]]:
    """How one record compares with the papers, as the leaderboard says it.

    Returns:
        dict: Metric to published value and verdict, where there is one.
    """
    rows = _join(cells([Stored(record, '')]), 'own', (), (), PublishedIndex())
    return {
        row.metric: (row.published.value, row.verdict)
        for row in rows
        if row.published is not None
    }


def _place(rows: list[Row]) -> None:
    """Give each row its place among those of its task and metric.

    Rows of another protocol, as their departures say, have places of their
    own.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        key = row.task, row.metric, tuple(row.departures)
        groups.setdefault(key, []).append(row)
    for (task, metric, _), members in groups.items():
        higher = headings.higher_is_better(task, metric)
        if higher is None:  # of a task that is not installed
            continue
        ties = stats.tie_groups(
            [stats.mean([v for _, v in row.values]) for row in members],
            [row.interval for row in members],
            higher,
        )
        places = stats.places(ties)
        for row, place in zip(members, places):
            row.place, row.best = place, place == min(places)


def build(
    stored: list[Stored],
    problems: Sequence[Problem] = (),
    *,
    wanted: Sequence[str] = (),
    methods: Sequence[str] = (),
    baseline: str | None = None,
    published: str = 'all',
    index: PublishedIndex | None = None,
) -> Board:
    """Compute the leaderboard; a pure function of its arguments.

    Args:
        stored (list[Stored]): Valid records.
        problems (Sequence[Problem]): What reading them already found.
        wanted (Sequence[str]): Task ids to keep; all when empty.
        methods (Sequence[str]): Methods to keep, as ``is_chosen`` reads
            them; the baseline always stays.
        baseline (str, optional): Method that others are compared with.
        published (str): ``all`` printed numbers of the tasks, those of the
            measured rows (``own``), or ``none``.
        index (PublishedIndex, optional): Printed numbers to use.

    Returns:
        Board: Rows in the order of the CSV, and warnings.

    Raises:
        UserError: Unknown task, method or baseline.
    """
    if methods and baseline:
        methods = [*methods, baseline]
    chosen, conflicts = without_duplicates(_choose(stored, wanted, methods))
    rows = cells(chosen)
    _place(rows)
    if baseline:
        _compare(rows, baseline)
    rows = _join(rows, published, wanted, methods, index or PublishedIndex())
    conflicts += departed(rows, index or PublishedIndex())
    conflicts += not_installed(chosen)
    rows.sort(key=lambda row: row.sort_key)
    shown = {row.task for row in rows}
    warnings = (
        conflicts
        + check(chosen, methods)
        + [
            Problem('empty', f'no number for task {task}')
            for task in wanted
            if task not in shown
        ]
    )
    return Board(rows, [*problems, *warnings], baseline)
