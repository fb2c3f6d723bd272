"""What the page shows of a board, as JSON values."""

from collections.abc import Iterable
from typing import Any

from ssl_bench.errors import shown
from ssl_bench.results import (
    grid,
    headings,
    latex,
    markup,
    provenance,
    rounding,
    wording,
)
from ssl_bench.results.chart_data import chart_data
from ssl_bench.results.columns import Columns, network
from ssl_bench.results.curves import VALUES, find_curves
from ssl_bench.results.names import is_random, is_supervised
from ssl_bench.results.owners import identity
from ssl_bench.results.page_matrix import coverage_data, matrix_data
from ssl_bench.results.pictures import Picture, find_pictures
from ssl_bench.results.ranking import RankTable, rank_tables
from ssl_bench.results.record import PathLike, Stored
from ssl_bench.results.table import Board, Row, main_metrics
from ssl_bench.results.text_formats import csv_lines, row_object

MAX_TEXT = 400  # characters of a name or a remark on the page
# classes in base.css
STYLES = {'reproduced': 'reproduced', 'within noise': 'noise', 'off': 'off'}


def _cut(value: Any) -> Any:
    """JSON values in which every text is printable and not too long."""
    if isinstance(value, str):
        plain = len(value) <= MAX_TEXT and value.isprintable()
        return value if plain else shown(value, MAX_TEXT)
    if isinstance(value, dict):
        return {_cut(name): _cut(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(item) for item in value]
    return value


def _cost_text(cost: dict[str, float | None]) -> str:
    """``3.61 GPU hours, 12996 s``: what is known of a run's cost."""
    units = dict(
        gpu_hours='GPU hours',
        train_seconds='s',
        images_per_second='images/s',
        peak_memory_mib='MiB peak',
    )
    known = ((cost.get(name), unit) for name, unit in units.items())
    return ', '.join(
        f'{rounding.short(value)} {unit}'
        for value, unit in known
        if value is not None
    )


def _cost_texts(cost: dict[str, float | None]) -> str:
    """What a row's runs and its pretraining cost, in words."""
    own = _cost_text(cost)
    before = _cost_text(
        dict(
            gpu_hours=cost['pretrain_gpu_hours'],
            train_seconds=cost['pretrain_seconds'],
            peak_memory_mib=cost['pretrain_peak_memory_mib'],
        )
    )
    return '; '.join(
        filter(None, (own, f'pretraining: {before}' if before else ''))
    )


def _texts(row: Row) -> dict[str, str]:
    """The row's numbers as the page shows them; empty where not known."""
    found, places = row.difference, row.places
    return dict(
        mean='' if row.mean is None else rounding.fixed(row.mean, places),
        std='' if row.std is None else rounding.fixed(row.std, places),
        interval=wording.interval(row),
        bounds=wording.bounds(row),
        delta='' if row.delta is None else rounding.signed(row.delta, places),
        mark=grid.MARKS[row.verdict],
        style=STYLES.get(row.verdict, ''),
        departed=grid.DEPARTED_MARK if row.all_departures else '',
        standing=wording.standing(row),
        leader=wording.against(row.leader.short_name, row.to_leader, places)
        if row.leader and row.to_leader
        else '',
        leader_test=wording.test(row.to_leader) if row.to_leader else '',
        difference=wording.comparison(found, places) if found else '',
        difference_test=wording.test(found) if found else '',
    )


def _label(row: Row) -> str:
    """``MoCo v2, two_fc, train frozen †``: with the recipe and the mark."""
    name = ', '.join(filter(None, (row.name, row.recipe, row.trained_text)))
    return f'{name} {grid.DEPARTED_MARK}' if row.all_departures else name


def _row(
    row: Row, key: str, index: dict[int, int], columns: Columns
) -> dict[str, Any]:
    content = row_object(row)
    texts, column = _texts(row), columns.of(row)
    texts['cost'] = _cost_texts(content['cost'])
    content.update(
        key=key,
        train_seconds=content['cost']['train_seconds'],
        column=column and column.key,
        group='/'.join(network(row)),
        id=identity(row.method_id, row.trained),
        network=row.network,
        trained_text=row.trained_text,
        name=row.name,
        short_name=row.short_name,
        label=_label(row),
        text=texts,
        best=row.best,
        control=is_random(row.method) or is_supervised(row.method),
        runs=[index[id(item)] for item in row.records],
        values=[
            dict(
                seed=seed, value=value, text=rounding.fixed(value, row.places)
            )
            for seed, value in row.values
        ],
    )
    printed = [row.published, *row.also_published] if row.published else []
    for entry, item in zip(content['published'], printed):
        entry['text'] = grid.published_text(item)
    del content['run_ids'], content['checkpoint_sha256']
    return content


def page_data(board: Board, dirs: Iterable[PathLike] = ()) -> dict[str, Any]:
    """Everything the page shows, as JSON values.

    Args:
        board (Board): Rows and warnings; those of the media are added.
        dirs: Where curves and pictures are looked for.
    """
    dirs = list(dirs)
    runs: dict[int, Stored] = {}
    for row in board.measured:
        for item in row.records:
            runs.setdefault(id(item), item)
    index = {key: number for number, key in enumerate(runs)}
    curves, bad_logs = find_curves(dirs, board.measured)
    found = find_pictures(dirs, board.measured)
    board.problems += bad_logs + found.problems
    rows = sorted(
        board.rows,
        key=lambda row: (
            headings.task_order(row.task),
            headings.metric_order(row.task, row.metric),
        ),
    )
    columns = Columns(board)
    charts = chart_data(board, rows, columns)
    texts = dict(
        baseline=board.baseline,
        **matrix_data(board, columns, rows),
        tasks=_tasks(board),
        rows=[
            dict(_row(row, key, index, columns), cost=cost)
            for row, key, cost in zip(
                rows, provenance.cell_keys(rows), charts.pop('costs')
            )
        ],
        **charts,
        runs=[
            dict(
                item.record,
                path=item.path,
                cost_text=_cost_text(item.record['cost']),
            )
            for item in runs.values()
        ],
        ranks=[_ranks(table) for table in rank_tables(board)],
        curves=[vars(curve) for curve in curves],
        curve_values=[dict(id=k, title=v) for k, v in VALUES.items()],
        picture_legends=[
            dict(task=task, entries=entries)
            for task, entries in found.legends.items()
        ],
        picture_notes=found.notes,
        warnings=[
            dict(kind=p.kind, message=p.message, files=p.paths)
            for p in board.problems
        ],
    )
    return dict(
        _cut(texts),
        pictures=[_picture(picture) for picture in found.pictures],
        coverage=coverage_data(board, columns),
        csv=_csv(board, rows),
        escapes=dict(markdown=markup.MARKDOWN, latex=latex.LATEX),
    )


def _csv(board: Board, rows: list[Row]) -> dict[str, Any]:
    """The CSV file in parts, so that the page can save some of its lines.

    Returns:
        dict: ``head``; ``lines``, one for each of the page's rows; and
        ``places``, where each of them stands in the whole file.
    """
    head, lines = csv_lines(board, rows)
    places = {id(row): i for i, row in enumerate(board.rows)}
    return dict(
        head=head, lines=lines, places=[places[id(row)] for row in rows]
    )


def _picture(picture: Picture) -> dict[str, Any]:
    content = vars(picture)
    return dict(_cut({**content, 'source': ''}), source=picture.source)


def _ranks(table: RankTable) -> dict[str, Any]:
    return dict(
        backbone=table.network,
        tasks=[headings.heading(task).title for task in table.tasks],
        critical=table.critical,
        critical_text=''
        if table.critical is None
        else rounding.rank(table.critical),
        note=grid.rank_note(table),
        left_out=table.left_out,
        methods=[
            dict(
                id=identity(r.method_id, table.trained),
                name=r.name,
                data=r.method_id[3],
                epochs=r.method_id[4],
                average=r.average,
                text=rounding.rank(r.average),
                interval=r.interval,
                interval_text=rounding.rank_bounds(r.interval),
                letters=r.letters,
                ranks=[
                    dict(
                        task=headings.heading(task).title,
                        rank=rank,
                        text=rounding.as_rank(rank),
                    )
                    for task, rank in r.ranks.items()
                ],
            )
            for r in table.rankings
        ],
    )


def _tasks(board: Board) -> list[dict[str, Any]]:
    mains = main_metrics(board)
    found = []
    for task in board.tasks:
        metrics = sorted(
            {r.metric for r in board.rows if r.task == task},
            key=lambda metric: headings.metric_order(task, metric),
        )
        found.append(
            dict(
                id=task,
                title=headings.heading(task).title,
                group=headings.heading(task).group,
                main=mains.get(task),
                metrics=[
                    dict(
                        id=m,
                        title=headings.metric_title(task, m),
                        higher=rule is None or rule.higher_is_better,
                        known=rule is not None,
                        tolerance=0.0 if rule is None else rule.tolerance,
                    )
                    for m, rule in (
                        (m, headings.metric_rule(task, m)) for m in metrics
                    )
                ],
            )
        )
    return found
