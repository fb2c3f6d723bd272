"""The rows of one metric by the settings and the pretraining they are of."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ssl_bench.results import headings, stats
from ssl_bench.results.record import FULL
from ssl_bench.results.sensitivity_types import OWN, Answers, Condition, Method
from ssl_bench.results.table import Row


def labels(rows: dict[Method, Row]) -> dict[Method, str]:
    """The shortest names that tell all methods apart."""
    forms: tuple[Callable[[Row], str], ...] = (
        lambda row: row.short_name,
        lambda row: f'{row.short_name} [{row.backbone}]',
        lambda row: row.described,
    )
    for form in forms:
        found = {method: form(row) for method, row in rows.items()}
        if len({*found.values()}) == len(rows):
            break
    return found


def settings(rows: Sequence[Row]) -> list[Condition]:
    """The rows by the settings of the task; the headline first.

    It is the condition with the fewest departures, then the most methods.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((*row.protocol, row.recipe), []).append(row)
    departed = {key: _departed(own[0]) for key, own in groups.items()}
    order = sorted(
        groups, key=lambda key: (len(departed[key]), -len(groups[key]), key)
    )
    found = []
    for key in order:
        same = [k for k in groups if departed[k] == departed[key]]
        more = _told_apart(groups[key][0], [groups[k] for k in same])
        names = [*map(_text, departed[key].items())] or [OWN]
        found.append(
            Condition(
                '; '.join([*names, *map(_text, more.items())]),
                departed[key] | more,
                {row.method_id: row for row in groups[key]},
                _answers(groups[key]),
            )
        )
    return found


def _departed(row: Row) -> dict[str, str]:
    """What departs from the task's protocol, by its key."""
    parts = (text.partition('=') for text in row.departures)
    found = {key: value for key, _, value in parts}
    if row.recipe:
        found['recipe'] = row.recipe
    if row.trained not in ('', FULL):
        found['train'] = row.trained
    return found


def _told_apart(row: Row, groups: Iterable[Sequence[Row]]) -> dict[str, str]:
    """What tells rows apart whose records name the same departures."""
    found = {}
    protocols = [rows[0].protocol for rows in groups]
    if len({protocol[2] for protocol in protocols}) > 1:
        data = row.records[0].record['data']
        found['data'] = (
            f'{data["name"]} ({row.protocol[2][:8] or "not known"})'
        )
    if len({protocol[1] for protocol in protocols}) > 1:
        found['config'] = row.protocol[1][:8]
    return found


def _text(item: tuple[str, str]) -> str:
    key, value = item
    if key in ('recipe', 'train', 'data', 'config'):
        return f'{key} {value}'
    return f'{key}={value}' if value else key


def pretrainings(headline: Condition) -> list[Condition]:
    """The rows of one setting by epochs and changes of the pretraining.

    Methods without epochs, such as random initialisation, are in all of them.
    The first has no changes, then the most methods, then the most epochs.
    """
    always: dict[Method, Row] = {}
    groups: dict[tuple[float, tuple[str, ...]], dict[Method, Row]] = {}
    for row in headline.rows.values():
        method = row.name, row.method, row.backbone, row.pretrain_data
        changes = tuple(row.pretrain_departures)
        if row.pretrain_epochs is None and not changes:
            always[method] = row
        else:
            key = row.pretrain_epochs or 0, changes
            groups.setdefault(key, {})[method] = row
    order = sorted(
        groups, key=lambda k: (len(k[1]), -len(groups[k]), -k[0], k[1])
    )
    return [
        Condition(
            '; '.join((f'{key[0]:g} epochs', *key[1])),
            {'epochs': f'{key[0]:g}'}
            | {name.partition('=')[0]: name for name in key[1]},
            always | groups[key],
            headline.answers,
        )
        for key in order
    ]


def _answers(rows: Sequence[Row]) -> Answers:
    """What is shown of each pair of rows; all of them are one family."""
    places = {id(row): i for i, row in enumerate(rows)}
    pairs = list(itertools.combinations(range(len(rows)), 2))
    numbers = {pair: i for i, pair in enumerate(pairs)}
    higher = headings.higher_is_better(rows[0].task, rows[0].metric)
    family = stats.compare([row.values for row in rows], pairs, higher)

    def between(first: Row, second: Row) -> stats.Comparison:
        i, j = places[id(first)], places[id(second)]
        found: stats.Comparison = family[numbers[min(i, j), max(i, j)]]
        return found if i < j else found.turned()

    return between
