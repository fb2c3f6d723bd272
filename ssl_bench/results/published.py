"""Numbers printed by papers, and which measurement each belongs to."""

import csv
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.results import headings
from ssl_bench.results.names import (
    backbone_key,
    data_key,
    is_random,
    is_supervised,
    method_key,
    variant_key,
)

FILE = Path(__file__).with_name('published.csv')
COLUMNS = (
    'method',
    'variant',
    'backbone',
    'pretrain_data',
    'pretrain_epochs',
    'pretrain_batch',
    'task',
    'metric',
    'value',
    'source',
    'url',
    'reported_in',
    'verified',
    'notes',
)

# Papers whose protocol is the one run here, where several are in use: the
# FPN heads and norms of InfoMin's camp, mmsegmentation's FCN.
SAME_PROTOCOL = {
    **dict.fromkeys(
        ('coco_mrcnn_fpn_1x', 'coco_mrcnn_fpn_2x'),
        ('InsLoc', 'PixPro', 'LEWEL', 'InfoMin', 'DenseCL'),
    ),
    **dict.fromkeys(('voc12aug_fcn', 'cityscapes_fcn'), ('DenseCL',)),
}
# The papers this project reproduces come before others that quote.
FIRST_PAPERS = ('InsLoc', 'PixPro', 'LEWEL', 'SiameseIM', 'Barlow Twins')


@dataclass(frozen=True)
class Published:
    """One printed number; the columns of published.csv."""

    method: str
    variant: str
    backbone: str
    pretrain_data: str
    pretrain_epochs: float | None
    pretrain_batch: float | None
    task: str
    metric: str
    value: float
    source: str
    url: str
    reported_in: str
    verified: bool
    notes: str

    @property
    def paper(self) -> str:
        """``reported_in`` without a remark in brackets."""
        return re.sub(r'\s*\(.*\)$', '', self.reported_in)

    @property
    def cited(self) -> str:
        """Source for a table, saying so when it is still to be checked."""
        mark = '' if self.verified else ' [unverified]'
        return f'{self.reported_in}: {self.source}{mark}'


def _number(text: str, name: str, place: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f'{place}: {name} must be a number or empty, got {text!r}'
        ) from None


def _parse(row: dict[str, str], place: str) -> Published:
    """One line, checked.

    Raises:
        UserError: Unknown task or metric, value out of range, no source.
    """
    task, metric = row['task'], row['metric']
    if task not in headings.known_tasks():
        raise UserError(
            f'{place}: unknown task {task!r}; add a config for it in '
            'configs/transfer, or, if only papers run it, a heading in '
            'ssl_bench/results/headings.py'
        )
    rule = headings.metric_rule(task, metric)
    if rule is None:
        raise UserError(f'{place}: unknown metric {metric!r}')
    value = _number(row['value'], 'value', place)
    if value is None or not 0 <= value <= rule.highest:
        raise UserError(
            f'{place}: value must lie in 0..{rule.highest:g}, '
            f'got {row["value"]!r}'
        )
    for name in (
        'method',
        'backbone',
        'pretrain_data',
        'source',
        'reported_in',
    ):
        if not row[name].strip():
            raise UserError(f'{place}: {name} is empty')
    if row['verified'] not in ('true', 'false'):
        raise UserError(
            f'{place}: verified must be true or false, got {row["verified"]!r}'
        )
    numbers = {
        name: _number(row[name], name, place)
        for name in ('pretrain_epochs', 'pretrain_batch')
    }
    return Published(
        **{
            **row,
            **numbers,
            'value': value,
            'verified': row['verified'] == 'true',
        }
    )


def read_published(path: Path = FILE) -> list[Published]:
    """Read and check a file of published numbers.

    Raises:
        UserError: Names the line that is wrong.
    """
    with open(path, newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UserError(f'{path}: the columns must be {",".join(COLUMNS)}')
        rows, seen = [], {}
        for row in reader:
            place = f'{path}:{reader.line_num}'
            if None in row or None in row.values():
                raise UserError(f'{place}: needs {len(COLUMNS)} columns')
            item = _parse(row, place)
            key = tuple(row[n] for n in COLUMNS[:8]) + (item.reported_in,)
            if key in seen:
                raise UserError(f'{place}: the same row as {seen[key]}')
            seen[key] = place
            rows.append(item)
    return rows


@functools.lru_cache(maxsize=1)
def published() -> tuple[Published, ...]:
    """The numbers that come with the package."""
    return tuple(read_published())


class PublishedIndex:
    """Finds the printed numbers of a measured cell.

    Args:
        rows (Iterable[Published]): Where to look; all papers by default.
    """

    def __init__(self, rows: Iterable[Published] | None = None) -> None:
        self.rows = published() if rows is None else tuple(rows)
        self._index: dict[tuple, list[Published]] = {}
        for row in self.rows:
            key = (method_key(row.method), row.task, row.metric)
            self._index.setdefault(key, []).append(row)

    def matches(
        self,
        method: str,
        variant: str,
        backbone: str,
        data: str,
        epochs: float | None,
        task: str,
        metric: str,
    ) -> list[Published]:
        """Printed numbers of the same thing, the most fitting first.

        Method, backbone, pretraining data, epochs and the words of the
        variant must agree. The controls are compared whatever the epochs;
        random initialisation whatever the data. The order: papers with the
        protocol run here (``SAME_PROTOCOL``), read in the source, printed
        by the method's own paper, by one of ``FIRST_PAPERS``, by name.
        """
        random, wanted = is_random(method), variant_key(variant, task)
        control = random or is_supervised(method)
        found = [
            row
            for row in self._index.get((method_key(method), task, metric), ())
            if backbone_key(row.backbone) == backbone_key(backbone)
            and (random or data_key(row.pretrain_data) == data_key(data))
            and (control or row.pretrain_epochs == epochs)
            and variant_key(row.variant, task) == wanted
        ]
        camp = SAME_PROTOCOL.get(task, ())
        return sorted(
            found,
            key=lambda row: (
                bool(camp) and row.paper not in camp,
                not row.verified,
                method_key(row.paper) != method_key(method),
                row.paper not in FIRST_PAPERS,
                row.reported_in,
                row.variant,
                row.source,
            ),
        )
