"""What a row was measured with and what it cost, as texts and means."""

import json
from collections.abc import Sequence
from hashlib import sha256

from ssl_bench.results import stats
from ssl_bench.results.table import Row
from ssl_bench.tasks.table import tasks

HASH = 8  # digits of a hash in a text
KEY = 10  # digits of the name of a cell
# name in files: of a transfer or of its pretraining, field of the record
COSTS = {
    'gpu_hours': ('', 'gpu_hours'),
    'train_seconds': ('', 'train_seconds'),
    'peak_memory_mib': ('', 'peak_memory_mib'),
    'pretrain_gpu_hours': ('pretrain', 'gpu_hours'),
    'pretrain_seconds': ('pretrain', 'train_seconds'),
    'pretrain_peak_memory_mib': ('pretrain', 'peak_memory_mib'),
}


def costs(row: Row) -> dict[str, float | None]:
    """What a run of the row and its pretraining cost, by `COSTS`.

    Returns:
        dict: Hours, seconds and MiB: means over the records that say it;
        None where none does.
    """
    found: dict[str, float | None] = {}
    for name, (group, field) in COSTS.items():
        records = [item.record for item in row.records]
        given = [
            (r[group].get('cost') or {}) if group else r['cost']
            for r in records
        ]
        known = [c[field] for c in given if c.get(field) is not None]
        found[name] = stats.mean(known) if known else None
    return found


def protocol(row: Row) -> str:
    """What a measured row was measured with; empty for a printed one.

    Whose protocol it is, what was changed, and the first digits of the
    hashes of settings and data: two rows of a task with the same text are
    compared with each other, others are not.
    """
    if not row.records:
        return ''
    record = row.records[0].record
    task = tasks().get(row.task)
    data = record['data']['fingerprint']
    return '; '.join(
        filter(
            None,
            (
                task.source if task else '',
                f'recipe {row.recipe}' if row.recipe else '',
                row.trained_text,
                *row.departures,
                f'settings {record["config_sha256"][:HASH]}',
                f'data {data[:HASH]}' if data else 'data not known',
            ),
        )
    )


def cell_keys(rows: Sequence[Row]) -> list[str]:
    """A short name of each row for links; no two are equal.

    It depends on the row alone: what else is on the page does not change
    it. Only rows that nothing tells apart are numbered.
    """
    seen: dict[str, int] = {}
    keys = []
    for row in rows:
        key = sha256(_identity(row).encode()).hexdigest()[:KEY]
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f'{key}-{seen[key]}')
    return keys


def _identity(row: Row) -> str:
    printed = row.published if not row.values else None
    return json.dumps(
        [
            row.method_id,
            row.task,
            row.metric,
            row.recipe,
            row.protocol,
            row.pretrain_departures,
            [printed.cited, printed.value, printed.notes] if printed else [],
        ]
    )
