"""Numbers printed by papers, and which measurement each belongs to."""

import csv
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

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
    network_key,
    split_label,
    variant_key,
)
from ssl_bench.results.paper_recipes import recipe_of
from ssl_bench.results.record import FULL

FILE = Path(__file__).with_name('published.csv')

# The papers that this project reproduces come before others.
FIRST_PAPERS = ('InsLoc', 'PixPro', 'LEWEL', 'SiameseIM', 'Barlow Twins')
# Epochs of the model that a method's own paper releases, for rows of other
# papers that print none, where published.csv has no row that tells them.
OWN_EPOCHS = {
    ('mocov3', 'vitb16'): 300,  # facebookresearch/moco-v3, README.md
    ('byol', 'resnet50'): 1000,  # arXiv:2006.07733, Sec. 3.3
    ('simclr', 'resnet50'): 1000,  # arXiv:2002.05709, Sec. 6
}


# Papers that count iterations: their models have no epochs, and a record of
# one has none (Oquab et al., 2024; Siméoni et al., 2025; Darcet et al., 2025).
WITHOUT_EPOCHS = ('DINOv2', 'DINOv3', 'CAPI')
# Words after the name of a paper or program: where in it, and which version.
PLACES = r'README|model card'


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
    pretrain_data: str  # empty: the source does not state it
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
        """``reported_in`` without a remark: in brackets, or ``README``."""
        return re.sub(rf'\s*(\(.*\)|{PLACES})$', '', self.reported_in)

    @property
    def own(self) -> bool:
        """Whether the method's own paper or program prints it."""
        version = rf'{re.escape(self.method)}( v\d+)?'
        return method_key(self.paper) == method_key(self.method) or bool(
            re.fullmatch(version, self.paper)
        )

    @property
    def words(self) -> frozenset[str]:
        """Words of the variant that matter for the task."""
        return variant_key(self.variant, self.task, self.pretrain_data)

    @property
    def network(self) -> tuple[str, str]:
        """Method and backbone in one spelling."""
        return network_key(self.method, self.backbone)

    def is_pretrained_on(self, data: str | None) -> bool:
        """Whether it is of these images; never where it states none."""
        return bool(self.pretrain_data) and (
            data_key(self.pretrain_data) == data_key(data)
        )

    @property
    def recipe(self) -> str | None:
        """Of the task, that measures it; None when none does."""
        return recipe_of(self.task, self.method, self.paper)

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


class Measurement(Protocol):
    """What decides which printed number a measured one belongs to."""

    @property
    def method_id(self) -> tuple[str, str, str, str, float | None]:
        """Method, variant, backbone, pretraining data and epochs."""

    @property
    def task(self) -> str:
        """Id of the task."""

    @property
    def metric(self) -> str:
        """Name of the number."""

    @property
    def recipe(self) -> str:
        """Of the task; empty for its own settings."""

    @property
    def trained(self) -> str:
        """What was trained of the backbone; `FULL`: as the task says."""

    @property
    def pretrain_batch(self) -> float | None:
        """Images per step of the pretraining."""

    @property
    def departures(self) -> Sequence[str]:
        """What was otherwise than the task's protocol."""

    @property
    def pretrain_departures(self) -> Sequence[str]:
        """What was otherwise than the method's pretraining config."""


class PublishedIndex:
    """Finds the printed numbers for a measured row.

    Args:
        rows (Iterable[Published]): Where to look; all papers by default.
    """

    def __init__(self, rows: Iterable[Published] | None = None) -> None:
        self.rows = published() if rows is None else tuple(rows)
        self._index: dict[tuple[str, ...], list[Published]] = {}
        for row in self.rows:
            key = (*row.network, row.task, row.metric)
            self._index.setdefault(key, []).append(row)

    def matches(self, measured: Measurement) -> list[Published]:
        """Printed numbers of the same measurement, the best match first.

        Every output asks this function, and nothing else, whether a record
        is a printed number. Method, backbone, pretraining data, epochs, the
        words of the variant and the recipe of the task must be the same, the
        task must decide what is trained, and nothing may depart from the
        protocol. A row whose source does not state the data is of nobody's.
        For the controls any epochs match; for random initialisation also any
        data. Where a paper prints no epochs, `epochs_meant` says which;
        models that have none (`WITHOUT_EPOCHS`) match records that have none.
        The order: numbers checked in their source, the method's own paper,
        ``FIRST_PAPERS``, the same batch of the pretraining, then by name.

        Args:
            measured (Measurement): A row of the leaderboard.
        """
        if measured.departures or measured.pretrain_departures:
            return []
        if measured.trained != FULL:
            return []
        name, variant, backbone, data, epochs = measured.method_id
        method, variant = split_label(name, variant)
        task, random = measured.task, is_random(method)
        control = random or is_supervised(method)
        wanted = variant_key(variant, task, data)
        key = (*network_key(method, backbone), task, measured.metric)
        found = [
            row
            for row in self._index.get(key, ())
            if row.recipe == measured.recipe
            and (random or row.is_pretrained_on(data))
            and row.words == wanted
            and (control or _same_epochs(row, epochs))
        ]
        return sorted(
            found,
            key=lambda row: (
                not row.verified,
                not row.own,
                row.paper not in FIRST_PAPERS,
                row.pretrain_batch != measured.pretrain_batch,
                row.reported_in,
                row.variant,
                row.source,
            ),
        )


def _same_epochs(row: Published, epochs: float | None) -> bool:
    meant = row.pretrain_epochs
    if meant is None:
        meant = epochs_meant(row)
    if meant is None and epochs is None:
        return not has_epochs(row.method)
    return epochs is not None and epochs == meant


def has_epochs(method: str) -> bool:
    """Whether the models of a method are told apart by their epochs."""
    name, _ = network_key(method, '')
    return name not in map(method_key, WITHOUT_EPOCHS)


@functools.lru_cache(maxsize=4096)
def epochs_meant(row: Published) -> float | None:
    """Epochs of the model behind a number that is printed without them.

    They are those of the row that prints the same values of the same method
    and task with its epochs; else those of the method's own paper, if it has
    one model of this backbone and data only.

    Returns:
        float | None: None when the rows do not tell; then the number is
        nobody's.
    """
    same = [
        other
        for other in published()
        if other.pretrain_epochs is not None
        and 'effective epochs' not in other.notes
        and other.network == row.network
        and other.is_pretrained_on(row.pretrain_data)
        and variant_key(other.variant, row.task, other.pretrain_data)
        == row.words
    ]
    # the numbers of one model in one table: any of them tells
    line = {
        (other.task, other.metric, other.value)
        for other in published()
        if (other.method, other.variant, other.task, other.reported_in)
        == (row.method, row.variant, row.task, row.reported_in)
        and other.pretrain_epochs is None
        and other.backbone == row.backbone
        and other.pretrain_data == row.pretrain_data
    }
    told = [
        {
            other.pretrain_epochs
            for other in same
            if (other.task, other.metric, other.value) == number
        }
        for number in line
    ]
    alike = set.intersection(*filter(None, told)) if any(told) else set()
    own = {other.pretrain_epochs for other in same if other.own}
    listed = OWN_EPOCHS.get(
        (method_key(row.method), backbone_key(row.backbone))
    )
    for choices in (alike, own, {listed}):
        if len(choices) == 1:
            return next(iter(choices))
    return None
