"""What runs leave beside their records: loss curves and pictures."""

import base64
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from ssl_bench.results.names import label
from ssl_bench.results.record import PathLike, Problem, Stored

# Names of pictures worth a place on the page; a run may hold thousands.
PICTURE = re.compile(
    r'(contact|sheet|views?|detections?|predictions?|segmentations?|masks?|'
    r'examples?|grid)',
    re.IGNORECASE,
)
ENDINGS = ('.png', '.jpg', '.jpeg', '.webp')
MAX_PICTURES = 24
MAX_PICTURE_BYTES = 32 << 20
MAX_SIDE = 1600  # pixels; larger ones are scaled down
MAX_CURVES = 80
MAX_POINTS = 240  # per curve
MAX_LOG_BYTES = 64 << 20


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


@dataclass(frozen=True)
class Picture:
    """An image as a ``data:`` address, with where it came from."""

    caption: str
    path: str
    source: str
    size: tuple[int, int]


def _walk(dirs: Iterable[PathLike]) -> Iterator[tuple[str, list[str]]]:
    seen = set()
    for top in map(str, dirs):
        for folder, below, names in os.walk(top):
            below.sort()
            real = os.path.realpath(folder)
            if real not in seen:
                seen.add(real)
                yield folder, sorted(names)


def read_curve(path: str) -> list[tuple[int, float]]:
    """Iteration and loss from mmengine's ``scalars.json``, one a line.

    Lines without ``loss`` (validation) and losses that are not finite are
    passed over.

    Raises:
        ValueError: A line is not JSON.
    """
    points = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError:
                raise ValueError(f'line {number} is not JSON') from None
            loss = entry.get('loss') if isinstance(entry, dict) else None
            step = entry.get('step') if isinstance(entry, dict) else None
            if (
                isinstance(loss, (int, float))
                and isinstance(step, (int, float))
                and math.isfinite(loss)
            ):
                points.append((int(step), float(loss)))
    return points


def thin(
    points: list[tuple[int, float]], most: int = MAX_POINTS
) -> list[tuple[int, float]]:
    """At most ``most`` points: means over equal stretches, in order."""
    points = sorted(points)
    if len(points) <= most:
        return points
    thinned = []
    for i in range(most):
        part = points[i * len(points) // most : (i + 1) * len(points) // most]
        thinned.append(
            (part[-1][0], math.fsum(loss for _, loss in part) / len(part))
        )
    return thinned


class _Owners:
    """Tells to which run or method a file belongs."""

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
    for folder, names in _walk(dirs):
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
            if os.path.getsize(path) > MAX_LOG_BYTES:
                raise ValueError(f'larger than {MAX_LOG_BYTES} bytes')
            curve.points += read_curve(path)
        except (OSError, ValueError) as error:
            problems.append(Problem('training log', str(error), (path,)))
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


def _encode(path: str) -> tuple[str, tuple[int, int]]:
    """An image as a ``data:`` address, scaled down when large."""
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        kind, size = image.format, image.size
        scale = MAX_SIDE / max(size)
        if scale < 1 or kind not in ('PNG', 'JPEG', 'WEBP'):
            size = tuple(max(1, round(side * scale)) for side in size)
            image = image.convert('RGB').resize(size)
        elif os.path.getsize(path) < 300_000:
            with open(path, 'rb') as file:
                return _address(kind, file.read()), size
        buffer = io.BytesIO()
        image.convert('RGB').save(buffer, 'WEBP', quality=86, method=4)
    return _address('WEBP', buffer.getvalue()), size


def _address(kind: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return f'data:image/{kind.lower()};base64,{text}'


def find_pictures(
    dirs: Iterable[PathLike], stored: Iterable[Stored]
) -> tuple[list[Picture], list[Problem]]:
    """Contact sheets and detection pictures under ``dirs``.

    A picture counts when its name says so (``PICTURE``), for instance
    ``contact_sheet.jpg`` or ``detections_0.png``.
    """
    owners, problems, paths = _Owners(stored), [], []
    for folder, names in _walk(dirs):
        paths += [
            (folder, name)
            for name in names
            if name.lower().endswith(ENDINGS)
            and PICTURE.search(os.path.splitext(name)[0])
        ]
    pictures = []
    for folder, name in paths[:MAX_PICTURES]:
        path = os.path.join(folder, name)
        try:
            if os.path.getsize(path) > MAX_PICTURE_BYTES:
                raise ValueError(f'larger than {MAX_PICTURE_BYTES} bytes')
            source, size = _encode(path)
        except (OSError, ValueError, SyntaxError) as error:
            problems.append(Problem('picture', str(error), (path,)))
            continue
        pictures.append(
            Picture(_caption(owners, folder, name), path, source, size)
        )
    if len(paths) > MAX_PICTURES:
        problems.append(
            Problem(
                'picture',
                f'{len(paths)} pictures; the page shows the first '
                f'{MAX_PICTURES}',
            )
        )
    return pictures, problems


def _caption(owners: _Owners, folder: str, name: str) -> str:
    group, method = owners.of(folder)
    what = os.path.splitext(name)[0].replace('_', ' ').replace('-', ' ')
    known: list[str | None] = [
        method,
        group if group != 'pretraining' else None,
        what,
    ]
    return ' · '.join(filter(None, known))
