"""The leaderboard as CSV and JSON: every row, full precision."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ssl_bench.results import provenance, rounding, stats
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
    'measured_low',
    'measured_high',
    'place',
    'standing',
    'recipe',
    'departures',
    'trained',
)
BASELINE_COLUMNS = (
    'baseline',
    'baseline_diff',
    'baseline_diff_low',
    'baseline_diff_high',
    'baseline_pairs',
    'baseline_answer',
    'baseline_test',
    'baseline_p',
    'baseline_p_holm',
)
# After all others, so that the older columns keep their places.
LAST_COLUMNS = ('verdict', 'protocol', *provenance.COSTS)
# Columns of numbers, which may begin with a minus sign.
NUMBERS = (
    'pretrain_epochs',
    'measured_mean',
    'measured_std',
    'seeds',
    'published',
    'delta',
    'measured_low',
    'measured_high',
    'place',
    'baseline_diff',
    'baseline_diff_low',
    'baseline_diff_high',
    'baseline_pairs',
    'baseline_p',
    'baseline_p_holm',
    *provenance.COSTS,
)
# What a spreadsheet takes for the beginning of a formula, in the wide forms of
# East Asian keyboards too (OWASP, "CSV Injection"); then our own mark.
FORMULA = (*'=+-@\t\r\n', *'\uff1d\uff0b\uff0d\uff20', "'")


def number(value: float | None) -> str:
    """Ten digits without trailing zeros; empty for None."""
    return '' if value is None else rounding.exact(value)


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
        measured_low=number(row.interval[0] if row.interval else None),
        measured_high=number(row.interval[1] if row.interval else None),
        place='' if row.place is None else str(row.place),
        standing=row.standing,
        recipe=row.recipe,
        departures='; '.join(row.all_departures),
        trained=row.trained,
    )


def answer(found: stats.Comparison) -> str:
    """``better``, ``worse``, ``undecided``, ``undecided: one seed``."""
    return found.answer + (f': {found.reason}' if found.reason else '')


def test_name(found: stats.Comparison) -> str:
    """``paired`` or ``Welch``; empty when no test could be made."""
    return '' if found.p is None else 'paired' if found.paired else 'Welch'


def baseline_cells(row: Row, baseline: str) -> dict[str, str]:
    """The columns that ``--baseline`` adds."""
    found = row.difference
    low, high = found.interval if found and found.interval else (None, None)
    return dict(
        baseline=baseline if found else '',
        baseline_diff=number(found.difference if found else None),
        baseline_diff_low=number(low),
        baseline_diff_high=number(high),
        baseline_pairs=str(found.n[0] if found.paired else 0) if found else '',
        baseline_answer=answer(found) if found else '',
        baseline_test=test_name(found) if found else '',
        baseline_p=number(found.p if found else None),
        baseline_p_holm=number(found.adjusted if found else None),
    )


def last_cells(row: Row) -> dict[str, str]:
    """The columns after all others."""
    return dict(
        verdict=row.verdict,
        protocol=provenance.protocol(row),
        **{name: number(cost) for name, cost in provenance.costs(row).items()},
    )


def csv_lines(board: Board, rows: Sequence[Row]) -> tuple[str, list[str]]:
    """The heading of the CSV file, and the line of each row.

    Each ends with a line break.
    """
    baseline = BASELINE_COLUMNS if board.baseline else ()
    columns = (*COLUMNS, *baseline, *LAST_COLUMNS)
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator='\n')
    writer.writeheader()
    lines = [text.getvalue()]
    for row in rows:
        cell = cells(row) | last_cells(row)
        if board.baseline:
            cell.update(baseline_cells(row, board.baseline))
        text.seek(0)
        text.truncate()
        writer.writerow(
            {
                name: value if name in NUMBERS else as_text(value)
                for name, value in cell.items()
            }
        )
        lines.append(text.getvalue())
    return lines[0], lines[1:]


def to_csv(board: Board) -> str:
    """Every row as CSV: the same records give the same bytes."""
    head, lines = csv_lines(board, board.rows)
    return head + ''.join(lines)


def as_text(cell: str) -> str:
    """A text that a spreadsheet does not run as a formula.

    It gets an apostrophe in front; so does one that begins with an
    apostrophe, so that `from_text` gives back what was there.
    """
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def from_text(cell: str) -> str:
    """The text that `as_text` was given."""
    return cell[1:] if cell.startswith("'") else cell


def comparison_object(found: stats.Comparison) -> dict[str, Any]:
    """A comparison as JSON values."""
    return dict(
        mean=found.difference,
        interval=found.interval,
        n=found.n,
        test=test_name(found) or None,
        p=found.p,
        p_holm=found.adjusted,
        comparisons=found.tests,
        answer=answer(found),
    )


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
        standing=row.standing or None,
        values=[dict(seed=seed, value=value) for seed, value in row.values],
        published=published,
        delta=row.delta,
        verdict=row.verdict or None,
        baseline_difference=row.difference
        and comparison_object(row.difference),
        recipe=row.recipe or None,
        trained=row.trained or None,
        departures=row.all_departures,
        protocol=provenance.protocol(row) or None,
        cost=provenance.costs(row),
        checkpoint_sha256=row.checkpoints,
        run_ids=[s.record['run_id'] for s in row.records],
    )


def to_json(board: Board) -> str:
    """Rows and warnings as one JSON object."""
    content = dict(
        schema=2,
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
