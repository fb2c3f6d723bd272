"""The log of a run, ``scalars.json``: mmengine writes one object per line."""

import json
import math
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.results.reading import read_file
from ssl_bench.results.record import PathLike

MAX_BYTES = 64 << 20


def read_losses(path: PathLike) -> list[dict[str, Any]]:
    """Lines of a log that have a training loss.

    Empty lines, lines without ``loss`` (of a validation) and losses that are
    not finite numbers are skipped.

    Returns:
        list[dict]: In the order of the file; ``step`` (int), ``loss``
        (float), and what else was logged.

    Raises:
        UserError: Not a regular file, larger than `MAX_BYTES`, not UTF-8, or
            a line is not JSON.
        OSError: It cannot be read.
    """
    rows = []
    try:
        lines = read_file(path, MAX_BYTES).decode('utf-8').split('\n')
    except UnicodeDecodeError as error:
        raise UserError(f'not UTF-8 text: {error}') from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise UserError(f'line {number} is not JSON') from None
        if isinstance(row, dict) and all(
            _is_number(row.get(name)) for name in ('step', 'loss')
        ):
            row.update(step=int(row['step']), loss=float(row['loss']))
            rows.append(row)
    return rows


def _is_number(value: Any) -> bool:
    """Whether a value is a number that can be drawn."""
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False
