"""The leaderboard as CSV and JSON: every row, full precision."""

import csv
import io
import json
from typing import Any

from ssl_bench.results.table import Board, Row

COLUMNS = (
    'method',
    'variant',
    'backbone',
    'pretrain_data',
    'pretrain_epochs',
    'task',
    'metric',
    'measured_mean',
    'measured_std',
    'seeds',
    'published',
    'delta',
    'published_source',
    'checkpoint_sha256',
    'run_ids',
)
BASELINE_COLUMNS = (
    'baseline',
    'baseline_diff',
    'baseline_diff_low',
    'baseline_diff_high',
    'baseline_pairs',
)


def number(value: float | None) -> str:
    """Ten digits without trailing zeros; empty for None."""
    return '' if value is None else f'{value:.10g}'


def cells(row: Row) -> dict[str, str]:
    """One row in the columns of docs/leaderboard.md; empty: not known."""
    source = row.published.cited if row.published else ''
    return dict(
        method=row.method,
        variant=row.variant,
        backbone=row.backbone,
        pretrain_data=row.pretrain_data,
        pretrain_epochs=number(row.pretrain_epochs),
        task=row.task,
        metric=row.metric,
        measured_mean=number(row.mean),
        measured_std=number(row.std),
        seeds=str(len(row.values)) if row.values else '',
        published=number(row.published.value if row.published else None),
        delta=number(row.delta),
        published_source=source,
        checkpoint_sha256=';'.join(row.checkpoints),
        run_ids=';'.join(s.record['run_id'] for s in row.records),
    )


def baseline_cells(row: Row, baseline: str) -> dict[str, str]:
    """The columns that ``--baseline`` adds."""
    found = row.difference
    low, high = found.interval if found and found.interval else (None, None)
    return dict(
        baseline=baseline if found else '',
        baseline_diff=number(found.mean if found else None),
        baseline_diff_low=number(low),
        baseline_diff_high=number(high),
        baseline_pairs=str(found.pairs) if found else '',
    )


def to_csv(board: Board) -> str:
    """Every row as CSV: the same records give the same bytes."""
    columns = COLUMNS + (BASELINE_COLUMNS if board.baseline else ())
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    for row in board.rows:
        line = cells(row)
        if board.baseline:
            line.update(baseline_cells(row, board.baseline))
        writer.writerow({name: _as_text(line[name]) for name in line})
    return text.getvalue()


def _as_text(cell: str) -> str:
    """A cell that a spreadsheet does not run as a formula."""
    starts = cell[:1] in ('=', '+', '-', '@', '\t', '\r')
    return f"'{cell}" if starts and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def row_object(row: Row) -> dict[str, Any]:
    """One row as JSON values, with its statistics and provenance."""
    published = [
        dict(
            value=p.value,
            reported_in=p.reported_in,
            source=p.source,
            url=p.url,
            verified=p.verified,
            notes=p.notes,
        )
        for p in ([row.published] if row.published else [])
        + row.also_published
    ]
    found = row.difference
    return dict(
        method=row.method,
        variant=row.variant,
        backbone=row.backbone,
        pretrain_data=row.pretrain_data,
        task=row.task,
        metric=row.metric,
        pretrain_epochs=row.pretrain_epochs,
        mean=row.mean,
        std=row.std,
        interval=row.interval,
        place=row.place,
        values=[dict(seed=seed, value=value) for seed, value in row.values],
        published=published,
        delta=row.delta,
        verdict=row.verdict or None,
        baseline_difference=found
        and dict(
            mean=found.mean,
            interval=found.interval,
            pairs=found.pairs,
            within_noise=found.within_noise,
        ),
        departures=row.all_departures,
        checkpoint_sha256=row.checkpoints,
        run_ids=[s.record['run_id'] for s in row.records],
    )


def to_json(board: Board) -> str:
    """Rows and warnings as one JSON object."""
    content = dict(
        schema=1,
        baseline=board.baseline,
        rows=[row_object(row) for row in board.rows],
        warnings=[
            dict(kind=p.kind, message=p.message, files=p.paths)
            for p in board.problems
        ],
    )
    return (
        json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        + '\n'
    )
