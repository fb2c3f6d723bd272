"""What the page says first, as JSON values: verdicts, matrix, coverage."""

import itertools
from collections.abc import Iterator
from typing import Any

from ssl_bench.errors import shown
from ssl_bench.results import missing, rounding, stats, verdicts, wording
from ssl_bench.results.baselines import baselines
from ssl_bench.results.columns import Columns
from ssl_bench.results.comparing import baseline_rows
from ssl_bench.results.names import backbone_key, is_random, is_supervised
from ssl_bench.results.owners import identity
from ssl_bench.results.pairs import Pairs
from ssl_bench.results.table import Board, Row, main_metrics

MAX_PAIRS = 10_000  # comparisons on the page
FIRST_HUBS = 3  # rows of a table that others are always compared with


def matrix_data(
    board: Board, columns: Columns, rows: list[Row]
) -> dict[str, Any]:
    """Headline, verdicts, columns, baselines, comparisons.

    Args:
        board (Board): With its groups.
        columns (Columns): Of the board.
        rows (list[Row]): In the order of the page: others are positions.
    """
    return dict(
        headline=verdicts.headline(board),
        trial=verdicts.trial_note(board),
        verdicts=_verdicts(board, columns, rows),
        reproduction=_reproduction(board),
        columns=_columns(columns),
        baselines=_baselines(board, columns, rows),
        **_pairs(board, rows),
    )


def _verdicts(
    board: Board, columns: Columns, rows: list[Row]
) -> list[dict[str, Any]]:
    """What is said; ``rows`` are positions in the page's rows."""
    places = {id(row): i for i, row in enumerate(rows)}
    return [
        dict(
            task=found.task,
            network=found.network,
            title=found.title,
            kind=found.kind,
            answers=[vars(answer) for answer in found.answers],
            note=found.note,
            earlier=found.earlier,
            rows=[places[id(row)] for row in found.rows],
        )
        for found in verdicts.verdicts(board, columns)
    ]


def _columns(columns: Columns) -> list[dict[str, Any]]:
    return [
        dict(
            key=column.key,
            task=column.task,
            area=column.area,
            title=column.title,
            notes=column.notes,
        )
        for column in columns.all
    ]


def _baselines(
    board: Board, columns: Columns, rows: list[Row]
) -> list[dict[str, Any]]:
    """What rows can be compared with; the first choice is the default.

    Where not every pair is on the page, a choice has all of its own.
    """
    places = {id(row): i for i, row in enumerate(rows)}
    found = baselines(board, columns.rows)
    if not _all_pairs(_main_groups(board)):
        hubs = _hubs(board)
        found = [b for b in found if all(id(row) in hubs for row in b.rows)]
    return [
        dict(name=b.name, rows=[places[id(row)] for row in b.rows])
        for b in found
    ]


def _reproduction(board: Board) -> dict[str, Any]:
    found = verdicts.reproduction(board)
    return dict(vars(found), total=found.total, text=str(found))


def _main_groups(board: Board) -> list[list[Row]]:
    """Rows that are compared with each other, in main metrics."""
    mains = main_metrics(board)
    return [
        group.rows
        for group in board.groups
        if mains.get(group.rows[0].task) == group.rows[0].metric
    ]


def _all_pairs(groups: list[list[Row]]) -> bool:
    """Whether the page can have every comparison."""
    return sum(len(g) * (len(g) - 1) // 2 for g in groups) <= MAX_PAIRS


def _pairs(board: Board, rows: list[Row]) -> dict[str, Any]:
    """Comparisons of main metrics, for a baseline that is chosen on the page.

    Returns:
        dict: ``pairs``, a list of [row, other, difference, answer, text,
        text of the other against the row, test, difference as a text, the
        same of the other against the row, interval], rows by their position;
        ``all_pairs`` (bool): False where there are too many, and only
        those with a control, the baseline or the best mean of their group
        are there.
    """
    index, groups = Pairs(board), _main_groups(board)
    places = {id(row): i for i, row in enumerate(rows)}
    whole = _all_pairs(groups)
    hubs = None if whole else _hubs(board)
    found: list[list[Any]] = []
    for members in groups:
        for row, other in _combinations(members, hubs):
            comparison = index.between(row, other)
            if comparison is not None:
                found.append(
                    [
                        places[id(row)],
                        places[id(other)],
                        *_comparison_texts(comparison, row.places),
                    ]
                )
    return dict(pairs=found, all_pairs=whole)


def _comparison_texts(found: stats.Comparison, digits: int) -> list[Any]:
    return [
        found.difference,
        found.answer,
        wording.comparison(found, digits),
        wording.comparison(found.turned(), digits),
        wording.test(found),
        rounding.signed(found.difference, digits),
        rounding.signed(-found.difference, digits),
        found.interval,
    ]


def _hubs(board: Board) -> set[int]:
    """Ids of the rows that all others of their table are compared with.

    Of each backbone the baseline, random weights and the best mean; then
    other controls, as many as there is place for.
    """
    wanted = board.baseline
    bases = baseline_rows(board.groups, wanted) if wanted else []
    first = {id(row) for row in bases}
    groups = _main_groups(board)
    most = max(FIRST_HUBS, MAX_PAIRS // max(1, sum(map(len, groups))))
    tables: dict[tuple[int, str], list[Row]] = {}
    for number, members in enumerate(groups):
        for row in members:
            key = number, backbone_key(row.backbone)
            tables.setdefault(key, []).append(row)
    found: set[int] = set()
    for rows in tables.values():
        random = [row for row in rows if is_random(row.method)]
        hubs = [
            *(row for row in rows if id(row) in first),
            *random[:1],
            rows[0],
            *random,
            *(row for row in rows if is_supervised(row.method)),
        ]
        found.update(list(dict.fromkeys(map(id, hubs)))[:most])
    return found


def _combinations(
    members: list[Row], hubs: set[int] | None
) -> Iterator[tuple[Row, Row]]:
    """Every two rows, or those with one of the hubs."""
    for row, other in itertools.combinations(members, 2):
        if hubs is None or id(row) in hubs or id(other) in hubs:
            yield row, other


def coverage_data(board: Board, columns: Columns) -> dict[str, Any]:
    """What is measured, and the cells that lack something.

    Commands are not cut.
    """
    cells = missing.coverage(board, columns)
    return dict(
        text=missing.summary(cells) if cells else '',
        whole=not any(cell.missing for cell in cells),
        cells=[
            dict(
                id=identity(cell.like.method_id, cell.like.trained),
                column=cell.column.key,
                seeds=cell.seeds,
                missing=cell.missing,
                started=[
                    [seed, shown(folder, 1000)]
                    for seed, folder in cell.started.items()
                ],
                fills=[
                    dict(
                        seeds=fill.seeds,
                        command=shown(fill.command, 10_000),
                        notes=[shown(note, 1000) for note in fill.notes],
                    )
                    for fill in cell.fills
                ],
            )
            for cell in cells
        ],
    )
