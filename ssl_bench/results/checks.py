"""Conflicts between records: shown, never hidden."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ssl_bench.results.headings import is_custom
from ssl_bench.results.names import (
    backbone_spelling,
    is_random,
    is_supervised,
    label,
)
from ssl_bench.results.record import Problem, Record, Stored, facts_of
from ssl_bench.results.table import (
    departures,
    pretrain_departures,
    recipe,
    trained,
    trained_text,
    variant,
)
from ssl_bench.tasks.facts import Facts
from ssl_bench.tasks.table import tasks

MAX_PATHS = 6  # file names in a message
COPY = 'duplicate'  # a run that is stored twice with the same numbers


def _problem(kind: str, message: str, items: Sequence[Stored]) -> Problem:
    paths = [item.path for item in items]
    if len(paths) > MAX_PATHS:
        rest = len(paths) - MAX_PATHS
        paths = paths[:MAX_PATHS] + [f'and {rest} more']
    return Problem(kind, message, tuple(paths))


def without_duplicates(
    stored: list[Stored],
) -> tuple[list[Stored], list[Problem]]:
    """Keep one record per run id: the one that finished last."""
    by_id: dict[str, list[Stored]] = {}
    for item in stored:
        by_id.setdefault(item.record['run_id'], []).append(item)
    kept, copies, problems = [], [], []
    for items in by_id.values():
        if len(items) == 1:
            kept += items
            continue
        items.sort(
            key=lambda s: (s.record['finished'], len(s.corrections), s.path)
        )
        kept.append(items[-1])
        if any(
            s.record['metrics'] != items[-1].record['metrics'] for s in items
        ):
            problems.append(_conflict(items))
        else:
            copies.append(items)
    if copies:
        runs = ', '.join(sorted(c[0].record['run_id'] for c in copies)[:3])
        problems.append(
            _problem(
                COPY,
                f'{len(copies)} run{"s"[: len(copies) > 1]} stored '
                f'more than once with the same numbers, counted once: {runs}'
                + (', ...' if len(copies) > 3 else ''),
                [item for items in copies for item in items],
            )
        )
    return kept, problems


def learn_tasks(stored: list[Stored]) -> list[Problem]:
    """Let tables know the tasks that records describe.

    Of several descriptions of a task, the one of the record that finished
    last counts. A task that is installed is as its config says.

    Returns:
        list[Problem]: Tasks that are described in several ways.
    """
    told: dict[str, list[tuple[Facts, Stored]]] = {}
    for item in stored:
        facts = facts_of(item.record)
        if facts is not None:
            told.setdefault(item.record['task'], []).append((facts, item))
    learned, problems = {}, []
    for task, pairs in told.items():
        pairs.sort(key=lambda pair: (pair[1].record['finished'], pair[1].path))
        learned[task] = pairs[-1][0]
        if any(facts != learned[task] for facts, _ in pairs):
            problems.append(
                _problem(
                    'task described twice',
                    f'the records of {task} describe it in several ways (by '
                    f'{_difference([facts for facts, _ in pairs])}); the '
                    'last to finish is used',
                    [item for _, item in pairs],
                )
            )
    tasks().learn(learned)
    return problems


def _difference(facts: list[Facts]) -> str:
    """The first field in which descriptions of a task differ."""
    last = facts[-1]
    other = next(one for one in facts if one != last)
    name = next(
        name
        for name in Facts.model_fields
        if getattr(other, name) != getattr(last, name)
    )
    if name == 'metrics':
        both = {*other.metrics} | {*last.metrics}
        odd = sorted(
            metric
            for metric in both
            if other.metrics.get(metric) != last.metrics.get(metric)
        )
        return f'metrics.{odd[0]}'
    return f'{name} {getattr(other, name)!r} and {getattr(last, name)!r}'


def _conflict(items: list[Stored]) -> Problem:
    metrics = [item.record['metrics'] for item in items]
    differing = [
        name
        for name in sorted({n for m in metrics for n in m})
        if len({m.get(name) for m in metrics}) > 1
    ]
    seen = '; '.join(
        f'{name} {", ".join(str(m.get(name)) for m in metrics)}'
        for name in differing[:3]
    )
    return _problem(
        'conflict',
        f'run {items[0].record["run_id"]} has records with '
        f'different numbers ({seen}); the last to finish is used',
        items,
    )


def _by(stored: list[Stored], *names: str) -> dict[Any, list[Stored]]:
    """Group by fields: one field is the key itself, several a tuple."""
    key = itemgetter(*names)
    groups = defaultdict(list)
    for item in stored:
        groups[key(item.record)].append(item)
    return groups


def _mixed(stored: list[Stored]) -> list[Problem]:
    """Cells whose records do not belong together."""
    problems = []
    for cell in _cells(stored).values():
        first = cell[0].record
        name = _name(first)
        configs = {s.record['config_sha256'] for s in cell}
        if len(configs) > 1:
            problems.append(
                _problem(
                    'mixed configs',
                    f'{name} on {first["task"]}: '
                    f'{len(configs)} different configs; one row each',
                    cell,
                )
            )
        seeds: dict[tuple[int, str, str], list[Stored]] = {}
        for item in cell:
            record = item.record
            same = record['config_sha256'], record['data']['fingerprint']
            seeds.setdefault((record['seed'], *same), []).append(item)
        twice = [
            s for group in seeds.values() if len(group) > 1 for s in group
        ]
        if twice:
            problems.append(
                _problem(
                    'mixed checkpoints',
                    f'{name} on {first["task"]}: the same seed '
                    'with different checkpoints',
                    twice,
                )
            )
    return problems


def _name(record: Record) -> str:
    """The name, its recipe, what was trained, whether anything departed."""
    name = label(record['method'], record['variant'])
    changed = departures(record) or pretrain_departures(record)
    parts = (
        name,
        recipe(record),
        trained_text(trained(record)),
        'changed' if changed else '',
    )
    return ', '.join(filter(None, parts))


def _cells(stored: list[Stored]) -> dict[tuple[Any, ...], list[Stored]]:
    """Records that a reader expects in one row: the tables tell no more."""
    groups: dict[tuple[Any, ...], list[Stored]] = {}
    for item in stored:
        record, pretrain = item.record, item.record['pretrain']
        key = (
            record['method'],
            variant(record),
            backbone_spelling(record['backbone']),
            pretrain['data'],
            pretrain['epochs'],
            record['task'],
            recipe(record),
            trained(record),
            departures(record),
        )
        groups.setdefault(key, []).append(item)
    return groups


def _data(stored: list[Stored]) -> list[Problem]:
    """Tasks whose records were measured on different data."""
    problems = []
    for task, items in _by(stored, 'task').items():
        prints: dict[str, list[Stored]] = {}
        for item in items:
            mark = item.record['data']['fingerprint']
            prints.setdefault(mark, []).append(item)
        if len(prints) > 1:
            smallest = min(prints.values(), key=len)
            problems.append(
                _problem(
                    'mixed data',
                    f'{task}: {len(prints)} different data '
                    'fingerprints; the numbers are not comparable. The rarest '
                    'is in',
                    smallest,
                )
            )
    return problems


def without_fractions(
    stored: list[Stored],
) -> tuple[list[Stored], list[Problem]]:
    """Name records in fractions; none shares a mean with per cent.

    A record looks so when every number is at most 1, and a hundred times it
    is within a factor of 2 of the task's largest, which is 10 or more. A run
    that hardly learnt looks so, too: it keeps a row of its own.

    Returns:
        tuple: Without records whose row has others in per cent, and a problem
        for each task.
    """
    found = {id(item): item for item in _fractions(stored)}
    mixed: set[int] = set()
    for items in _cells(list(stored)).values() if found else ():
        odd = {id(item) for item in items} & found.keys()
        if len(odd) < len(items):
            mixed |= odd
    problems = []
    for left_out in (True, False):
        some = [s for k, s in found.items() if (k in mixed) == left_out]
        for task, items in _by(some, 'task').items():
            first = items[0].record
            name, value = next(iter(first['metrics'].items()))
            largest = max(
                s.record['metrics'].get(name, 0)
                for s in stored
                if s.record['task'] == task
            )
            problems.append(
                _problem(
                    'fractions',
                    f'{label(first["method"], first["variant"])} on {task}: '
                    f'{name} {value:g} next to {largest:g} looks like a '
                    'fraction; records are in per cent'
                    + ('; left out of the mean' if left_out else ''),
                    items,
                )
            )
    return [item for item in stored if id(item) not in mixed], problems


def _fractions(stored: list[Stored]) -> list[Stored]:
    found = []
    for items in _by(stored, 'task').values():
        largest: dict[str, float] = {}
        for item in items:
            for name, value in item.record['metrics'].items():
                largest[name] = max(value, largest.get(name, value))
        found += [
            item
            for item in items
            if all(
                value <= 1
                and largest[name] >= 10
                and largest[name] / 2 <= 100 * value <= largest[name] * 2
                for name, value in item.record['metrics'].items()
            )
        ]
    return found


def _settings(stored: list[Stored]) -> list[Problem]:
    """Tasks of which methods were measured with different settings."""
    problems = []
    groups: dict[tuple[str, ...], list[Stored]] = defaultdict(list)
    for item in stored:
        record = item.record
        if not record.get('departures'):
            key = record['task'], recipe(record), trained(record)
            groups[key].append(item)
    for (task, *_), items in groups.items():
        configs = _by(items, 'config_sha256')
        methods = _by(items, 'method', 'variant')
        if len(configs) > 1 and len(methods) > 1:
            problems.append(
                _problem(
                    'mixed settings',
                    f'{task}: {len(configs)} different config hashes; methods '
                    'are compared within one of them only. The rarest is in',
                    min(configs.values(), key=len),
                )
            )
    return problems


def _seeds(stored: list[Stored]) -> list[Problem]:
    """Methods that lack seeds which others of the task have."""
    problems = []
    expected: dict[str, set[int]] = defaultdict(set)
    for item in stored:
        expected[item.record['task']].add(item.record['seed'])
    for cell in _cells(stored).values():
        first = cell[0].record
        missing = expected[first['task']] - {s.record['seed'] for s in cell}
        if missing:
            name = _name(first)
            problems.append(
                _problem(
                    'incomplete seeds',
                    f'{name} on {first["task"]} lacks seed '
                    f'{", ".join(map(str, sorted(missing)))}',
                    cell,
                )
            )
    return problems


def _controls(stored: list[Stored]) -> list[Problem]:
    """Tasks without random initialisation or supervised pretraining."""
    problems = []
    groups = _by(stored, 'task')
    for name, is_control in (
        ('random initialisation', is_random),
        ('supervised', is_supervised),
    ):
        without = sorted(
            task
            for task, items in groups.items()
            if not any(is_control(i.record['method']) for i in items)
            # supervised weights are asked for where papers have them
            and not (is_control is is_supervised and is_custom(task))
        )
        if without:
            problems.append(
                Problem(
                    'missing control', f'no {name} row on {", ".join(without)}'
                )
            )
    return problems


def check(stored: list[Stored], methods: Sequence[str] = ()) -> list[Problem]:
    """All conflicts of a set of records, most serious first.

    Args:
        stored (list[Stored]): Records without duplicates.
        methods (Sequence[str]): The user's choice of methods; with one,
            missing controls are expected and not listed.
    """
    problems = _mixed(stored) + _data(stored)
    problems += _settings(stored)
    problems += _seeds(stored)
    return problems + ([] if methods else _controls(stored))
