"""Logs of runs: whose they are, and what they say by iteration."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ssl_bench.config import parse_config
from ssl_bench.errors import UserError, one_line
from ssl_bench.results.names import label
from ssl_bench.results.owners import SEED, Owner, Owners, folders_of
from ssl_bench.results.reading import read_file
from ssl_bench.results.record import PathLike, Problem, task_part
from ssl_bench.results.scalars import read_losses
from ssl_bench.results.table import Row
from ssl_bench.tasks.table import tasks

PRETRAINING, OTHER = 'pretraining', 'other'
MAX_CONFIG = 4 << 20  # bytes of a config's text
RISE = 0.02  # of the loss's range: less is noise
# of a run's folder, as `record.make_run_id` makes it
RUN_ID = re.compile(r'(?P<words>.+)_s(?P<seed>\d{1,18})_[0-9a-f]{12}')


@dataclass
class Run:
    """The log of a run; one that was resumed is one run.

    Args:
        folder (str): Work dir.
        group (str): ``pretraining``, the task of a transfer, or ``other``.
        owner (Owner): Method and seed, as far as they are known.
        label (str): Method with what sets its rows apart, or the folder.
        config (str): Name of the config of a pretraining.
        rows (list[dict]): ``step``, ``loss``, and what else was logged, by
            step.
    """

    folder: str
    group: str
    owner: Owner = Owner()
    label: str = ''
    config: str = ''
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Method with its variant, or the folder where it is not known."""
        return self.owner.name or os.path.basename(self.folder)

    @property
    def losses(self) -> list[float]:
        """Of every logged step."""
        return [row['loss'] for row in self.rows]

    @property
    def peak(self) -> dict[str, Any]:
        """The row of the greatest loss."""
        return max(self.rows, key=lambda row: row['loss'])

    @property
    def rises_first(self) -> bool:
        """Whether the loss rises above its first value before it falls."""
        losses = self.losses
        extent = max(losses) - min(losses)
        return max(losses) - losses[0] > RISE * extent > 0


def read_runs(
    dirs: Iterable[PathLike], rows: Iterable[Row] = ()
) -> tuple[list[Run], list[Problem]]:
    """Every run below some folders that has logged a loss.

    Args:
        dirs: At any depth.
        rows (Iterable[Row]): Of the board, which know methods by folders and
            configs; what they do not know says the run's own config.

    Returns:
        tuple: The runs in the order of their folders, and logs that cannot
        be read.
    """
    whose, problems = _Whose(rows), []
    runs: dict[str, Run] = {}
    points: dict[str, dict[int, dict[str, Any]]] = {}
    for folder, names in folders_of(dirs):
        if 'scalars.json' not in names:
            continue
        path = os.path.join(folder, 'scalars.json')
        top = folder
        if os.path.basename(top) == 'vis_data':  # RUN/TIMESTAMP/vis_data
            top = os.path.dirname(os.path.dirname(top)) or '.'
        try:
            found = {row['step']: row for row in read_losses(path)}
        except (UserError, OSError) as error:
            problems.append(Problem('training log', _reason(error), (path,)))
            continue
        if top not in runs:
            runs[top] = whose.run(top, folder)
        points.setdefault(top, {}).update(found)  # what came later counts
    for top, run in runs.items():
        run.rows = [points[top][step] for step in sorted(points[top])]
    return [run for run in runs.values() if run.rows], problems


class _Whose:
    """Says whose run a folder is.

    Args:
        rows (Iterable[Row]): Of the board.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = list(rows)
        self.owners = Owners(self.rows)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Of a transfer, by its folder."""
        found: dict[str, str] = {}
        for row in self.rows:
            parts = row.name, row.recipe, row.trained_text
            text = ', '.join(filter(None, parts))
            for item in row.records:
                folder = os.path.dirname(item.path) or '.'
                found.setdefault(os.path.realpath(folder), text)
        return found

    @cached_property
    def words(self) -> dict[str, Owner]:
        """Methods by how folders of runs begin: ``insloc-fpn``."""
        found: dict[str, Owner] = {}
        for row in self.rows:
            words = f'{row.method} {row.variant}'.casefold()
            slug = re.sub(r'[^a-z0-9]+', '-', words).strip('-')[:60]
            found.setdefault(slug, Owner('', '', row.name))
        return found

    def run(self, top: str, folder: str) -> Run:
        """A run without its log.

        Args:
            top (str): Its work dir.
            folder (str): Where a log of it is.
        """
        owner = self.owners.of(folder)
        if owner.task:
            text = self.labels.get(os.path.realpath(top), owner.name)
            return Run(top, owner.task, owner, text)
        config, method = _pretraining(top)
        name = os.path.basename(os.path.abspath(top))
        if owner.method or method:
            match = SEED.fullmatch(name)
            said = label(str(method.get('name')), _text(method.get('variant')))
            if not owner.method:
                owner = Owner(
                    '', '', said, int(match['seed']) if match else None
                )
            return Run(top, PRETRAINING, owner, owner.name, config)
        task, owner = self._unfinished(name)
        return Run(top, task or OTHER, owner, owner.name or name)

    def _unfinished(self, name: str) -> tuple[str, Owner]:
        """Task and owner of a transfer without a record, by its folder."""
        match = RUN_ID.fullmatch(name)
        if not match:
            return '', Owner()
        known_tasks = {*tasks(), *(row.task for row in self.rows)}
        for task in sorted(known_tasks, key=len, reverse=True):
            if match['words'].endswith(f'_{task_part(task)}'):
                words = match['words'].removesuffix(f'_{task_part(task)}')
                known = self.words.get(words, Owner())
                return task, Owner('', '', known.name, int(match['seed']))
        return '', Owner()


def _pretraining(folder: str) -> tuple[str, dict[str, Any]]:
    """Name of the config of a pretraining and its ``method``, or nothing."""
    for path in sorted(Path(folder).glob('*.py')):
        try:
            text = read_file(path, MAX_CONFIG).decode('utf-8')
        except (UserError, OSError, ValueError):
            continue
        method = parse_config(text).get('method')
        if isinstance(method, dict):
            return path.stem, method
    return '', {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ''


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or one_line(error)


def find_runs(dirs: Sequence[PathLike]) -> list[Run]:
    """Every pretraining below some folders, by config and folder.

    Raises:
        UserError: There is none, or a log is damaged.
    """
    runs, problems = read_runs(dirs)
    if problems:
        raise UserError(f'{problems[0].paths[0]}: {problems[0].message}.')
    runs = [run for run in runs if run.group == PRETRAINING]
    if not runs:
        raise UserError(
            f'no log of a pretraining below {", ".join(map(str, dirs))}; '
            '`ssl-bench run mini_all` makes some.'
        )
    return sorted(runs, key=lambda run: (run.config, run.folder))
