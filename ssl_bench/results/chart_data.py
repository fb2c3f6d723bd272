"""What the page's charts show: groups, ties, axes and fronts."""

from collections.abc import Iterable
from typing import Any

from ssl_bench.results import costs, headings, stats, wording
from ssl_bench.results.columns import Columns
from ssl_bench.results.names import backbone_key
from ssl_bench.results.table import UNBEATEN, Board, Row, main_metrics

HASH = 6  # digits of a hash, where nothing else tells two groups apart


def axis_title(task: str, metric: str) -> str:
    """Metric, unit and direction: ``RMSE in metres, lower is better``."""
    title = headings.metric_title(task, metric)
    rule = headings.metric_rule(task, metric)
    if rule is None:
        return f'{title}, {stats.NO_DIRECTION}'
    if rule.unit == headings.PERCENT:
        title += ' in percent'
    way = 'higher' if rule.higher_is_better else 'lower'
    return f'{title}, {way} is better'


def compared(
    board: Board, task: str, metric: str, columns: Columns
) -> list[list[Row]]:
    """Rows that are compared with each other, the best mean first.

    Returns:
        list[list[Row]]: One for each protocol and backbone, large ones first.
    """
    found: list[list[Row]] = []
    for group in board.groups:
        first = group.rows[0]
        if (first.task, first.metric) != (task, metric):
            continue
        same: dict[str, list[Row]] = {}
        for row in group.rows:
            same.setdefault(backbone_key(row.backbone), []).append(row)
        found += same.values()
    return sorted(
        found,
        key=lambda own: (-len(own), own[0].network, _age(own[0], columns)),
    )


def _age(row: Row, columns: Columns) -> int:
    column = columns.of(row)
    return column.earlier if column else 0


def titles(groups: list[list[Row]], columns: Columns) -> list[str]:
    """A different heading for each: the backbone, and what else differs.

    Args:
        groups (list[list[Row]]): Of one task.
        columns (Columns): Of the board: the matrix's words for settings.
    """
    found = [own[0].network for own in groups]
    for describe in (_notes, _settings, _data):
        more = [describe(own[0], columns) for own in groups]
        found = [
            f'{title}, {extra}' if extra and found.count(title) > 1 else title
            for title, extra in zip(found, more)
        ]
    return found


def _notes(row: Row, columns: Columns) -> str:
    column = columns.of(row)
    return '; '.join(column.notes) if column else ''


def _settings(row: Row, columns: Columns) -> str:
    return f'settings {row.protocol[1][:HASH]}'


def _data(row: Row, columns: Columns) -> str:
    return f'data {row.protocol[2][:HASH]}' if row.protocol[2] else ''


def tied(rows: list[Row]) -> list[Row]:
    """Those that no other is shown to be better than; of two seeds or more.

    All of them where nothing is decided; none where a row is alone.
    """
    return [r for r in rows if r.standing in (UNBEATEN, stats.UNDECIDED)]


def note(rows: list[Row]) -> str:
    """What the tests say of a group, for its caption; empty when alone."""
    own, able = tied(rows), [row for row in rows if len(row.values) > 1]
    if len(rows) == 1:
        return ''
    if not own:
        fewer = f'{stats.UNDECIDED}: one seed each'
        return fewer if not able else f'{stats.UNDECIDED}: one seed of others'
    if own[0].standing == stats.UNDECIDED:
        return wording.STANDINGS[stats.UNDECIDED]
    names = '; '.join(row.short_name for row in own[:4])
    if len(own) > 4:
        names += f' and {len(own) - 4} more'
    return f'{names}: {wording.STANDINGS[UNBEATEN]}'


def chart_data(
    board: Board, rows: list[Row], columns: Columns
) -> dict[str, Any]:
    """Values for the charts by task, and those of cost.

    Args:
        board (Board): With its groups.
        rows (list[Row]): As the page's data has them: a row is named by
            its position.
        columns (Columns): Of the board.
    """
    places = {id(row): i for i, row in enumerate(rows)}
    spent = {id(row): costs.costs(row) for row in board.measured}
    measures = costs.measures(spent.values())
    mains = main_metrics(board)
    charts, fronts = [], {}
    for task in board.tasks:
        if task not in mains:
            continue
        groups = compared(board, task, mains[task], columns)
        charts.append(
            dict(
                task=task,
                axis=axis_title(task, mains[task]),
                reversed=headings.higher_is_better(task, mains[task]) is False,
                groups=[
                    dict(
                        title=title,
                        rows=_indices(own, places),
                        tied=_indices(tied(own), places),
                        note=note(own),
                    )
                    for own, title in zip(groups, titles(groups, columns))
                ],
            )
        )
        fronts[task] = {
            measure.kind.id: _fronts(groups, measure, spent, places)
            for measure in measures
        }
    return dict(
        charts=charts,
        cost_kinds=[
            dict(id=measure.kind.id, title=measure.title)
            for measure in measures
        ],
        costs=[_texts(measures, spent.get(id(row), {})) for row in rows],
        fronts=fronts,
    )


def _indices(rows: Iterable[Row], places: dict[int, int]) -> list[int]:
    return [places[id(row)] for row in rows]


def _fronts(
    groups: list[list[Row]],
    measure: costs.Measure,
    spent: dict[int, dict[str, float]],
    places: dict[int, int],
) -> list[list[int]]:
    """The Pareto front of each group, as positions of rows."""
    return [
        [
            places[id(own[i])]
            for i in costs.front(
                own, [measure.value(spent[id(row)]) for row in own]
            )
        ]
        for own in groups
    ]


def _texts(
    measures: list[costs.Measure], found: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Each cost of a row: the value for its position, and the text."""
    texts = {}
    for measure in measures:
        value = measure.value(found)
        if value is not None:
            texts[measure.kind.id] = dict(
                value=value, text=measure.text(value)
            )
    return texts
