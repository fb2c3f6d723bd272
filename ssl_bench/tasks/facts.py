"""What tables need to know of a task: its heading, its metrics, its place.

The task table has them of every task that is installed (`tasks.table.Task`).
A record of another task, whose id begins with ``custom:``, carries them, so
that it is shown on every machine as on the one that wrote it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_PLACES = 6  # decimals of a number in a table
LONGEST = 200  # characters of a name
MOST_METRICS = 100

Name = Annotated[str, Field(strict=True, min_length=1, max_length=LONGEST)]
NameOrEmpty = Annotated[str, Field(strict=True, max_length=LONGEST)]
# a table can show it, and no product of two is infinite
Number = Annotated[
    float, Field(strict=True, ge=-1e12, le=1e12, allow_inf_nan=False)
]


class Metric(BaseModel):
    """One number that a task gives.

    Attributes:
        toolkit (str): What the toolkit's evaluator calls it; empty for a
            probe, which uses our name.
        unit (str): ``percent``, or what else it is in: ``metres``; empty for
            a number that has none.
        places (int): Decimals in tables; files keep every digit.
        factor (float): From the toolkit's number to this unit.
        lowest, highest (float): Possible values, in this unit.
        higher_is_better (bool): False for errors.
        tolerance (float): By which two faithful runs may differ, in this
            unit.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    toolkit: NameOrEmpty = ''
    unit: NameOrEmpty = 'percent'
    places: Annotated[int, Field(strict=True)] = 1
    factor: Number = 1.0
    lowest: Number = 0.0
    highest: Number = 100.0
    higher_is_better: Annotated[bool, Field(strict=True)] = True
    tolerance: Number

    @property
    def problem(self) -> str:
        """Why no value could be shown, be in the range or be reproduced."""
        if not 0 <= self.places <= MOST_PLACES:
            return f'needs places of 0 to {MOST_PLACES}'
        possible = (
            self.lowest < self.highest
            and bool(self.factor)
            and self.tolerance >= 0
        )
        if not possible:
            return (
                'needs lowest < highest, a factor that is not 0 and a '
                'tolerance that is not negative'
            )
        return ''


class Facts(BaseModel):
    """What tables need to know of a task.

    Attributes:
        title (str): Heading in tables.
        group (str): ``detection``, ``segmentation``, ``classification``,
            ``features`` or ``robustness``; another word is another group.
        order (int): Place in lists and tables.
        metrics (dict[str, Metric]): By our name.
        shown (tuple[str, ...]): Those in tables, the main one first.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    title: Name
    group: Name
    order: Annotated[int, Field(strict=True, ge=-(10**6), le=10**6)] = 1000
    metrics: Annotated[dict[Name, Metric], Field(max_length=MOST_METRICS)]
    shown: Annotated[tuple[Name, ...], Field(max_length=MOST_METRICS)]

    def metric(self, name: str) -> Metric | None:
        """The rule of a metric, or of a variety of one; None if unknown.

        A variety adds words after an underscore: ``top1_k200`` (another k),
        ``mIoU_ms_flip`` (multi-scale test).
        """
        parts = name.split('_')
        for end in range(len(parts), 0, -1):
            found = self.metrics.get('_'.join(parts[:end]))
            if found is not None:
                return found
        return None

    @property
    def facts(self) -> 'Facts':
        """These fields alone, of a task too."""
        fields = {name: getattr(self, name) for name in Facts.model_fields}
        return Facts.model_validate(fields)

    @property
    def facts_problem(self) -> str:
        """What is wrong with metrics, beyond the types; often empty."""
        if not self.metrics or not self.shown:
            return '`metrics` and `shown` need a name each'
        odd = {name: m.problem for name, m in self.metrics.items()}
        for name, problem in odd.items():
            if problem:
                return f'metrics.{name} {problem}'
        strange = [name for name in self.shown if name not in self.metrics]
        if strange:
            return f'{strange[0]!r} of `shown` is not in `metrics`'
        return ''
