"""The leaderboard as one HTML file that needs nothing else."""

import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ssl_bench.results import grid, headings
from ssl_bench.results.media import find_curves, find_pictures
from ssl_bench.results.names import is_random, is_supervised
from ssl_bench.results.record import PathLike, Stored
from ssl_bench.results.table import Board, Row, main_metrics, rankings
from ssl_bench.results.text_formats import row_object, to_csv

PAGE = Path(__file__).with_name('page')
SCRIPTS = ('common.js', 'panel.js', 'tables.js', 'charts.js', 'main.js')


def safe_json(value: Any) -> str:
    """JSON that cannot end a script element or start a comment."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(',', ':')
    )
    for character in '<>&\u2028\u2029':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return text


def _costs(row: Row) -> dict[str, float]:
    """What a run of the row cost on average, where its records say so."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    costs = [s.record['cost'] for s in row.records]
    found = {}
    hours = [c['gpu_hours'] for c in costs if c['gpu_hours']]
    seen = [
        c['train_seconds'] * c['images_per_second']
        for c in costs
        if c['train_seconds'] and c['images_per_second']
    ]
    if hours:
        found['hours'] = mean(hours)
    if seen:
        found['images'] = mean(seen)
    if row.pretrain_epochs:
        found['epochs'] = row.pretrain_epochs
    return found


def _method(method_id: tuple) -> str:
    """One text for a method, its backbone and its pretraining."""
    return json.dumps(method_id)


def _row(row: Row, index: dict[int, int]) -> dict[str, Any]:
    content = row_object(row)
    content.update(
        id=_method(row.method_id),
        name=row.name + (' †' if row.departures else ''),
        cost=_costs(row),
        control=is_random(row.method) or is_supervised(row.method),
        runs=[index[id(item)] for item in row.records],
    )
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
    curves, bad_logs = find_curves(dirs, runs.values())
    pictures, bad_pictures = find_pictures(dirs, runs.values())
    board.problems += bad_logs + bad_pictures
    return dict(
        baseline=board.baseline,
        tasks=_tasks(board),
        rows=[
            _row(row, index)
            for row in sorted(
                board.rows,
                key=lambda row: (
                    headings.task_order(row.task),
                    headings.metric_order(row.task, row.metric),
                ),
            )
        ],
        runs=[dict(item.record, path=item.path) for item in runs.values()],
        ranks=[
            dict(
                id=_method(r.method_id),
                name=r.name,
                backbone=r.method_id[2],
                epochs=r.method_id[4],
                average=r.average,
                places=r.places,
                of=r.of_tasks,
            )
            for r in rankings(board)
        ],
        curves=[vars(curve) for curve in curves],
        pictures=[vars(picture) for picture in pictures],
        warnings=[
            dict(kind=p.kind, message=p.message, files=p.paths)
            for p in board.problems
        ],
        csv=to_csv(board),
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
                        title=headings.metric_title(m),
                        higher=rule is None or rule.higher_is_better,
                        tolerance=0.0 if rule is None else rule.tolerance,
                    )
                    for m, rule in (
                        (m, headings.metric_rule(task, m)) for m in metrics
                    )
                ],
            )
        )
    return found


def _plain_table(table: grid.Grid) -> str:
    """A grid without script, for readers who have it switched off."""

    def cells(texts: list[str], tag: str) -> str:
        return ''.join(
            f'<{tag}>{"<br>".join(map(html.escape, lines))}</{tag}>'
            for lines in texts
        )

    rows = ''.join(
        f'<tr>{cells([[p.text for p in cell] for cell in row], "td")}</tr>'
        for row in table.body
    )
    heads = cells([head.splitlines() for head in table.heads], 'th')
    return (
        f'<h2>{html.escape(table.title)}</h2><table><thead><tr>{heads}'
        f'</tr></thead><tbody>{rows}</tbody></table>'
    )


def to_html(board: Board, dirs: Iterable[PathLike] = ()) -> str:
    """The whole page.

    Args:
        board (Board): Rows and warnings; what is wrong with curves and
            pictures is added to its problems.
        dirs: Where curves and pictures are looked for.
    """
    import vl_convert

    from ssl_bench.results.charts import specifications

    data = page_data(board, dirs)
    measured = Board(board.measured, board.problems, board.baseline)
    parts = dict(
        STYLE=(PAGE / 'page.css').read_text(encoding='utf-8'),
        PLAIN=''.join(map(_plain_table, grid.grids(measured))),
        DATA=safe_json(data),
        CHARTS=safe_json(specifications()),
        VEGA=vl_convert.javascript_bundle(),
        SCRIPT='\n'.join(
            (PAGE / name).read_text(encoding='utf-8') for name in SCRIPTS
        ),
    )
    text = (PAGE / 'page.html').read_text(encoding='utf-8')
    pieces = text.split('@@')  # text, name, text, name, ..., text
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return ''.join(pieces)
