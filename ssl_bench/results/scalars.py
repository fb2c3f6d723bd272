"""The log of a run, ``scalars.json``: mmengine writes one object per line."""

import json
import math
from typing import Any

from ssl_bench.results.record import PathLike


def read_losses(path: PathLike) -> list[dict[str, Any]]:
    """Lines of a log that have a training loss.

    Empty lines, lines without ``loss`` (of a validation) and losses that are
    not finite numbers are skipped.

    Returns:
        list[dict]: In the order of the file; ``step`` (int), ``loss``
        (float), and what else was logged.

    Raises:
        ValueError: A line is not JSON, or the file is not UTF-8.
    """
    rows = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise ValueError(f'line {number} is not JSON') from None
            if isinstance(row, dict) and all(
                isinstance(row.get(name), (int, float))
                and math.isfinite(row[name])
                for name in ('step', 'loss')
            ):
                row.update(step=int(row['step']), loss=float(row['loss']))
                rows.append(row)
    return rows
