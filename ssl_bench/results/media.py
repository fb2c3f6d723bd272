"""What runs write next to their records: loss curves."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from ssl_bench.errors import UserError, one_line
from ssl_bench.results import stats
from ssl_bench.results.folders import Folders
from ssl_bench.results.names import label
from ssl_bench.results.record import PathLike, Problem, Stored
from ssl_bench.results.scalars import read_losses

MAX_CURVES = 80
MAX_POINTS = 240  # per curve


@dataclass
class Curve:
    """Training loss of one run.

    Args:
        group (str): ``pretraining``, or the task of the run.
        name (str): Method, or the folder when it is not known.
        run (str): Folder of the run.
        points (list[tuple[int, float]]): Iteration and loss.
    """

    group: str
    name: str
    run: str
    points: list[tuple[int, float]] = field(default_factory=list)


def thin(
    points: list[tuple[int, float]], most: int = MAX_POINTS
) -> list[tuple[int, float]]:
    """At most ``most`` points, in order: means over equal parts."""
    points = sorted(points)
    if len(points) <= most:
        return points
    thinned = []
    for i in range(most):
        part = points[i * len(points) // most : (i + 1) * len(points) // most]
        thinned.append((part[-1][0], stats.mean([loss for _, loss in part])))
    return thinned


class _Owners:
    """Says which run or method a file belongs to."""

    def __init__(self, stored: Iterable[Stored]) -> None:
        self.runs: dict[str, Stored] = {}
        self.configs: dict[str, str] = {}
        for item in stored:
            folder = os.path.realpath(os.path.dirname(item.path) or '.')
            self.runs[folder] = item
            config = item.record['pretrain']['config']
            if config:
                self.configs[PurePath(config).stem] = label(
                    item.record['method'], item.record['variant']
                )

    def of(self, folder: str) -> tuple[str, str]:
        """Group and name of a file in ``folder``."""
        folder = os.path.realpath(folder)
        here = PurePath(folder)
        for parent in (here, *here.parents):
            item = self.runs.get(str(parent))
            if item is not None:
                return item.record['task'], label(
                    item.record['method'], item.record['variant']
                )
        for part in reversed(here.parts):
            if part in self.configs:
                return 'pretraining', self.configs[part]
        return 'pretraining', ''


def find_curves(
    dirs: Iterable[PathLike], stored: Iterable[Stored]
) -> tuple[list[Curve], list[Problem]]:
    """Loss curves of all runs under ``dirs``; a resumed run is one curve."""
    owners, problems = _Owners(stored), []
    runs: dict[str, Curve] = {}
    for folder, names in _folders(dirs):
        if 'scalars.json' not in names:
            continue
        path = os.path.join(folder, 'scalars.json')
        run = folder
        if os.path.basename(run) == 'vis_data':  # RUN/TIMESTAMP/vis_data
            run = os.path.dirname(os.path.dirname(run)) or '.'
        group, name = owners.of(folder)
        curve = runs.setdefault(
            run, Curve(group, name or os.path.basename(run), run)
        )
        try:
            curve.points += [
                (row['step'], row['loss']) for row in read_losses(path)
            ]
        except (UserError, OSError) as error:
            problems.append(Problem('training log', _reason(error), (path,)))
    curves = [curve for curve in runs.values() if len(curve.points) > 1]
    for curve in curves:
        curve.points = thin(list(dict(curve.points).items()))
    if len(curves) > MAX_CURVES:
        problems.append(
            Problem(
                'training log',
                f'{len(curves)} curves; the page shows the first {MAX_CURVES}',
            )
        )
    return curves[:MAX_CURVES], problems


def _folders(dirs: Iterable[PathLike]) -> Iterator[tuple[str, list[str]]]:
    """Every folder with its files; `scan` has named those it cannot list."""
    folders = Folders([])
    for top in map(str, dirs):
        if os.path.isdir(top):
            for folder, _, names in folders.below(top):
                yield folder, names


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or one_line(error)
