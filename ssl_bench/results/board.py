"""Build the leaderboard: choose, check, rank, compare, join, sort."""

from collections.abc import Sequence
from typing import Any

from ssl_bench.errors import unknown_name
from ssl_bench.results import headings, rounding
from ssl_bench.results.checks import (
    check,
    learn_tasks,
    without_duplicates,
    without_fractions,
)
from ssl_bench.results.comparing import compare_rows
from ssl_bench.results.names import (
    Wanted,
    backbone_name,
    is_chosen,
    label,
    method_key,
    squeeze,
)
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
        for name in (Wanted.parse(method).name for method in methods):
            if squeeze(name) not in keys and method_key(name) not in keys:
                raise unknown_name('method of records and papers', name, known)
        _check_forms(stored, methods)
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
                s.record['backbone'],
            )
        )
    ]


def _with_baseline(
    stored: list[Stored],
    wanted: Sequence[str],
    chosen: list[Stored],
    baseline: str,
) -> list[Stored]:
    """Chosen records, and those of the baseline.

    Raises:
        UserError: No record of the tasks is of the baseline.
    """
    able = [s for s in stored if not wanted or s.record['task'] in wanted]
    meant = Wanted.parse(baseline)
    of_it = {
        id(s)
        for s in able
        if meant.fits(
            s.record['method'],
            s.record['variant'],
            s.record['pretrain']['epochs'],
            s.record['backbone'],
        )
    }
    if not of_it:
        known = {
            label(s.record['method'], s.record['variant'])
            + (
                f' [{backbone_name(s.record["backbone"])}]'
                if meant.backbone
                else ''
            )
            for s in able
        }
        raise unknown_name('baseline', baseline, known)
    of_it |= {id(s) for s in chosen}
    return [s for s in able if id(s) in of_it]


def _check_forms(stored: list[Stored], methods: Sequence[str]) -> None:
    """Refuse epochs and backbones that no record and no paper has.

    Raises:
        UserError: Names those that are there.
    """
    forms = {
        (
            s.record['method'],
            s.record['variant'],
            s.record['pretrain']['epochs'],
            s.record['backbone'],
        )
        for s in stored
    }
    forms |= {
        (row.method, row.variant, row.pretrain_epochs, row.backbone)
        for row in PublishedIndex().rows
    }
    for wanted in map(Wanted.parse, methods):
        if any(wanted.fits(*form) for form in forms):
            continue
        anything = wanted._replace(epochs='', backbone='')
        raise unknown_name(
            'method of records and papers',
            wanted.text,
            {
                label(method, variant)
                + ('' if epochs is None else f'@{epochs:g}')
                + f' [{backbone_name(backbone)}]'
                for method, variant, epochs, backbone in forms
                if anything.fits(method, variant, epochs, backbone)
            },
        )


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
                item.method,
                item.variant,
                item.pretrain_epochs,
                methods,
                item.backbone,
            )
        )
    ]


def departed(rows: list[Row], index: PublishedIndex) -> list[Problem]:
    """Say which rows are not compared with the papers, and why."""
    printed = {item.task for item in index.rows}
    by_cell: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if reasons(row) and row.task in printed:
            key = row.method_id, row.task, tuple(reasons(row))
            by_cell.setdefault(key, row)
    return [
        Problem(
            'other protocol',
            f'{row.name} on {row.task} is not compared with '
            f'published numbers: {"; ".join(reasons(row))}',
            tuple(item.path for item in row.records),
        )
        for row in by_cell.values()
    ]


def reasons(row: Row) -> list[str]:
    """Why a row is of another protocol than the task's own."""
    return [*filter(None, [row.trained_text]), *row.all_departures]


def not_installed(stored: list[Stored]) -> list[Problem]:
    """Say which records are of tasks that have no config."""
    strange: dict[str, list[str]] = {}
    for item in stored:
        if not headings.is_known(item.record['task']):
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


def aims(record: Record) -> dict[str, str]:
    """How far one record is from the papers; a single run decides nothing.

    Returns:
        dict: Metric to `` (published 57.0: +0.2, tolerance 0.5; undecided: one
        seed)``, where there is a published value.
    """
    rows = _join(cells([Stored(record, '')]), 'own', (), (), PublishedIndex())
    found = {}
    for row in rows:
        rule = headings.metric_rule(row.task, row.metric)
        if row.published is None or row.delta is None or rule is None:
            continue
        found[row.metric] = (
            ' (published '
            f'{rounding.as_printed(row.published.value, rule.places)}: '
            f'{rounding.signed(row.delta, rule.places)}, '
            f'tolerance {rule.tolerance:g}; {row.verdict})'
        )
    return found


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
        methods (Sequence[str]): Methods to keep, as `Wanted` reads them;
            the baseline always stays.
        baseline (str, optional): Method that others are compared with.
        published (str): ``all`` printed numbers of the tasks, those of the
            measured rows (``own``), or ``none``.
        index (PublishedIndex, optional): Printed numbers to use.

    Returns:
        Board: Rows in the order of the CSV, and warnings.

    Raises:
        UserError: Unknown task, method or baseline.
    """
    told = learn_tasks(stored)
    chosen = _choose(stored, wanted, methods)
    if methods and baseline:
        chosen = _with_baseline(stored, wanted, chosen, baseline)
        methods = [*methods, baseline]
    chosen, conflicts = without_duplicates(chosen)
    chosen, odd = without_fractions(chosen)
    conflicts += odd + told
    rows = cells(chosen)
    groups = compare_rows(rows, baseline)
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
    return Board(rows, [*problems, *warnings], baseline, groups)
