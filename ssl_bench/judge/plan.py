"""What a judgement runs: weights, parts of the data, modes and seeds."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.judge.data_check import image_paths
from ssl_bench.judge.kinds import kind_of
from ssl_bench.judge.kinds.kind import Kind
from ssl_bench.judge.scores import RANDOM, SUPERVISED
from ssl_bench.judge.settings import UNIT, Mode, crop_of
from ssl_bench.judge.splits import Splits, percent
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task, find_task
from ssl_bench.transfer.source import Source, open_source

QUICK = 0.1  # of the length of a training


@dataclass(frozen=True)
class Weights:
    """A checkpoint or a control.

    Args:
        label (str): For people.
        control (str): ``random``, ``supervised``, or empty.
        source (Source): What is transferred.
    """

    label: str
    control: str
    source: Source


@dataclass(frozen=True)
class JudgePlan:
    """All that decides what is run.

    Attributes:
        splits (Splits): Of the data.
        weights (tuple[Weights, ...]): Checkpoints, then controls.
        modes (dict[str, Mode]): By their names.
        fractions (tuple[float, ...]): Of the training images, ascending.
        seeds (tuple[int, ...]): Of subsets, heads and random weights.
        crop (int): Side of an image, pixels.
        share (float): Of the length of trainings.
        work_dir (Path): Of everything.
        notes (tuple[str, ...]): What was left out, and why.
    """

    splits: Splits
    weights: tuple[Weights, ...]
    modes: dict[str, Mode]
    fractions: tuple[float, ...]
    seeds: tuple[int, ...]
    crop: int
    share: float
    work_dir: Path
    notes: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        """Of the data."""
        return kind_of(self.splits.own)

    def overrides(self, mode: str, images: int, rate: float) -> dict[str, Any]:
        """Settings of a run, over those of its config.

        Args:
            mode (str): ``frozen`` or ``fine-tuned``.
            images (int): To train on.
            rate (float): Learning rate.
        """
        way = self.kind.modes[mode]
        return self.kind.overrides(way, images, rate, self.crop, self.share)

    @property
    def task(self) -> Task:
        """One of its tasks; their first metric is the same."""
        return find_task(next(iter(self.modes.values())).task)


def make_judge_plan(
    own: OwnData,
    checkpoints: Sequence[str],
    supervised: str | None,
    fractions: Sequence[float],
    seeds: Sequence[int],
    modes: Sequence[str],
    work_dir: str | Path,
    arch: str | None = None,
    quick: bool = False,
) -> JudgePlan:
    """Read what the user named, and decide what is run.

    Args:
        own (OwnData): Images and labels.
        checkpoints (Sequence[str]): As `open_source` reads them.
        supervised (str, optional): File of supervised weights.
        fractions (Sequence[float]): In (0, 1].
        seeds (Sequence[int]): Each once.
        modes (Sequence[str]): ``frozen``, ``fine-tuned``, or both.
        work_dir (str | Path): Of everything.
        arch (str, optional): What the checkpoints must hold.
        quick (bool): Trainings of a tenth of their length.

    Raises:
        UserError: A checkpoint cannot be read or is of another
            architecture, or the images are too few.
    """
    weights = _weights(checkpoints, supervised, work_dir, arch)
    splits = Splits.of(own, work_dir)
    notes, usable = [], []
    for fraction in sorted(set(fractions)):
        problem = splits.problem(fraction, seeds)
        if problem:
            notes.append(f'{percent(fraction)} is left out: {problem}.')
        else:
            usable.append(fraction)
    if not usable:
        raise UserError(f'no fraction is left. {notes[-1]}')
    kind = kind_of(own)
    patch = (weights[0].source.arch_args or {}).get('patch') or UNIT
    files = image_paths(own.dataset().train)
    return JudgePlan(
        splits,
        weights,
        {name: way for name, way in kind.modes.items() if name in modes},
        tuple(usable),
        tuple(seeds),
        crop_of(files, patch, kind.largest),
        QUICK if quick else 1.0,
        Path(work_dir),
        tuple(notes),
    )


def _weights(
    checkpoints: Sequence[str],
    supervised: str | None,
    work_dir: str | Path,
    arch: str | None,
) -> tuple[Weights, ...]:
    """Checkpoints and controls, all of one architecture.

    Raises:
        UserError: As `make_judge_plan`.
    """
    names = [name for name in checkpoints if name != RANDOM]
    if not names:
        raise UserError(
            'name a checkpoint: random weights are always run, and there is '
            'nothing to compare them with.'
        )
    sources = [open_source(name, work_dir, arch) for name in names]
    found = [
        Weights(label, '', source)
        for label, source in zip(_labels(names, sources), sources)
    ]
    first = sources[0].arch
    control = Weights(RANDOM, RANDOM, open_source(RANDOM, work_dir, first))
    more = []
    if supervised:
        file = open_source(f'{SUPERVISED}={supervised}', work_dir, arch)
        more = [Weights(SUPERVISED, SUPERVISED, file)]
    for name, one in zip([*names[1:], supervised], [*found[1:], *more]):
        if one.source.arch != first:
            raise UserError(
                f'{name} holds {one.source.arch} and {names[0]} {first}: '
                'weights of two architectures are not compared. Judge each '
                'architecture in a run of its own.'
            )
    return (*found, control, *more)


def _labels(names: Sequence[str], sources: Sequence[Source]) -> list[str]:
    """Short names of checkpoints, each another one.

    Raises:
        UserError: One is named twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f'{twice[0]} is named twice. Name it once.')
    methods = [f'{one.method} {one.variant}'.strip() for one in sources]
    counts = Counter(methods)
    return [
        f'{method} ({name})'
        if counts[method] > 1 or method in ('unknown', RANDOM, SUPERVISED)
        else method
        for name, method in zip(names, methods)
    ]


def count_words(count: int, what: str) -> str:
    """``1 run``, ``3 runs``."""
    return f'{count} {what}{"" if count == 1 else "s"}'


def minutes(seconds: float) -> str:
    """``about 4 minutes``, ``about 3 hours``."""
    if seconds < 5400:
        return f'about {count_words(math.ceil(seconds / 60), "minute")}'
    return f'about {count_words(round(seconds / 3600), "hour")}'
