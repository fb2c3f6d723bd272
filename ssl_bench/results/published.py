"""Numbers printed by papers, and which measurement each belongs to."""

import csv
import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

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

# Papers whose protocol is the one run here, where papers use several: the
# FPN heads and norms that InfoMin introduced, mmsegmentation's FCN.
SAME_PROTOCOL = {
    **dict.fromkeys(
        ('coco_mrcnn_fpn_1x', 'coco_mrcnn_fpn_2x'),
        ('InsLoc', 'PixPro', 'LEWEL', 'InfoMin', 'DenseCL'),
    ),
    **dict.fromkeys(('voc12aug_fcn', 'cityscapes_fcn'), ('DenseCL',)),
}
# The papers that this project reproduces come before others.
FIRST_PAPERS = ('InsLoc', 'PixPro', 'LEWEL', 'SiameseIM', 'Barlow Twins')


def _number(text: str, info: ValidationInfo) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise ValueError(
            f'{info.field_name} must be a number or empty, got {text!r}'
        ) from None


def _filled(text: str, info: ValidationInfo) -> str:
    if not text.strip():
        raise ValueError(f'{info.field_name} is empty')
    return text


def _truth(text: str, info: ValidationInfo) -> bool:
    if text not in ('true', 'false'):
        raise ValueError(
            f'{info.field_name} must be true or false, got {text!r}'
        )
    return text == 'true'


Filled = Annotated[str, BeforeValidator(_filled)]
Number = Annotated[float | None, BeforeValidator(_number)]
Truth = Annotated[bool, BeforeValidator(_truth)]


class Published(BaseModel):
    """One printed number; the columns of published.csv, which are texts."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    method: Filled
    variant: str
    backbone: Filled
    pretrain_data: Filled
    pretrain_epochs: Number
    pretrain_batch: Number
    task: str
    metric: str
    value: float
    source: Filled
    url: str
    reported_in: Filled
    verified: Truth
    notes: str

    @field_validator('task')
    @classmethod
    def _known_task(cls, task: str) -> str:
        if task not in headings.known_tasks():
            raise ValueError(
                f'unknown task {task!r}; add a config for it in '
                'configs/transfer, or, if only papers run it, a heading in '
                'ssl_bench/results/headings.py'
            )
        return task

    @field_validator('metric')
    @classmethod
    def _known_metric(cls, metric: str, info: ValidationInfo) -> str:
        task = info.data.get('task')
        if task is not None and headings.metric_rule(task, metric) is None:
            raise ValueError(f'unknown metric {metric!r}')
        return metric

    @field_validator('value', mode='before')
    @classmethod
    def _in_range(cls, text: str, info: ValidationInfo) -> float | None:
        value = _number(text, info)
        task, metric = info.data.get('task'), info.data.get('metric')
        rule = headings.metric_rule(task, metric) if task and metric else None
        if rule is not None and (
            value is None or not 0 <= value <= rule.highest  # NaN, too
        ):
            raise ValueError(
                f'value must be in 0..{rule.highest:g}, got {text!r}'
            )
        return value

    @property
    def paper(self) -> str:
        """``reported_in`` without a remark in brackets."""
        return re.sub(r'\s*\(.*\)$', '', self.reported_in)

    @property
    def cited(self) -> str:
        """Source for a table; says when it was not checked yet."""
        mark = '' if self.verified else ' [unverified]'
        return f'{self.reported_in}: {self.source}{mark}'


COLUMNS = tuple(Published.model_fields)
# What makes two rows the same row.
IDENTITY = (*COLUMNS[: COLUMNS.index('metric') + 1], 'reported_in')


def _parse(row: dict[str, Any], place: str) -> Published:
    """One line, checked.

    Raises:
        UserError: Unknown task or metric, value out of range, no source.
    """
    try:
        return Published.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        raised = first.get('ctx', {}).get('error')
        text = raised or f'{first["loc"][0]}: {first["msg"]}'
        raise UserError(f'{place}: {text}') from error


def read_published(path: Path = FILE) -> list[Published]:
    """Read and check a file of published numbers.

    Raises:
        UserError: Names the line that is wrong.
    """
    with open(path, newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise UserError(f'{path}: the columns must be {",".join(COLUMNS)}')
        rows: list[Published] = []
        seen: dict[tuple[str, ...], str] = {}
        for row in reader:
            place = f'{path}:{reader.line_num}'
            if None in row or None in row.values():
                raise UserError(f'{place}: needs {len(COLUMNS)} columns')
            item = _parse(row, place)
            key = tuple(row[name] for name in IDENTITY)
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
    """Finds the printed numbers for a measured row.

    Args:
        rows (Iterable[Published]): Where to look; all papers by default.
    """

    def __init__(self, rows: Iterable[Published] | None = None) -> None:
        self.rows = published() if rows is None else tuple(rows)
        self._index: dict[tuple[str, str, str], list[Published]] = {}
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
        """Printed numbers of the same measurement, the best match first.

        Method, backbone, pretraining data, epochs and the words of the
        variant must be the same. For the controls any epochs match; for
        random initialisation also any data. The order: papers with the
        protocol run here (``SAME_PROTOCOL``), numbers checked in their
        source, the method's own paper, ``FIRST_PAPERS``, then by name.
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
        same = SAME_PROTOCOL.get(task, ())
        return sorted(
            found,
            key=lambda row: (
                bool(same) and row.paper not in same,
                not row.verified,
                method_key(row.paper) != method_key(method),
                row.paper not in FIRST_PAPERS,
                row.reported_in,
                row.variant,
                row.source,
            ),
        )
