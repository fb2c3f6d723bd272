"""Results: one record per run, and the leaderboard computed from them."""

from ssl_bench.results.frame import load
from ssl_bench.results.record import (
    FILE_NAME,
    SCHEMA,
    Problem,
    Stored,
    make_run_id,
    validate,
    write_record,
)
from ssl_bench.results.store import read_records, scan

__all__ = [
    'FILE_NAME',
    'SCHEMA',
    'Problem',
    'Stored',
    'load',
    'make_run_id',
    'read_records',
    'scan',
    'validate',
    'write_record',
]
