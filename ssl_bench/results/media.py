"""What runs write next to their records: loss curves and pictures."""

import base64
import io
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from ssl_bench.errors import UserError, one_line, shown
from ssl_bench.results import stats
from ssl_bench.results.folders import Folders
from ssl_bench.results.names import label
from ssl_bench.results.reading import read_file
from ssl_bench.results.record import PathLike, Problem, Stored
from ssl_bench.results.scalars import read_losses

# Names of pictures that the page shows; a run may have thousands.
PICTURE = re.compile(
    r'(contact|sheet|views?|detections?|predictions?|segmentations?|masks?|'
    r'examples?|grid)',
    re.IGNORECASE,
)
ENDINGS = ('.png', '.jpg', '.jpeg', '.webp')
KINDS = ('PNG', 'JPEG', 'WEBP')  # as Pillow calls them
MAX_PICTURES = 24
MAX_PICTURE_BYTES = 32 << 20
MAX_SIDE = 1600  # pixels; larger ones are scaled down
MAX_CURVES = 80
MAX_POINTS = 240  # per curve
MAX_PIXELS = 50_000_000  # of a picture before it is scaled


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


def _encode(path: str) -> tuple[str, tuple[int, int]]:
    """An image as a ``data:`` address, scaled down when large.

    Raises:
        UserError: Too large, or damaged: decoders raise anything.
        OSError: It cannot be read.
    """
    from PIL import Image

    data = read_file(path, MAX_PICTURE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data), formats=KINDS) as file:
                if math.prod(file.size) > MAX_PIXELS:
                    raise UserError('{} x {} pixels'.format(*file.size))
                file.load()
                kind, image = file.format, file.convert('RGB')
        scale = MAX_SIDE / max(image.size)
        if scale < 1:
            width, height = image.size
            image = image.resize(
                (max(1, round(width * scale)), max(1, round(height * scale)))
            )
        elif len(data) < 300_000:
            return _address(str(kind), data), image.size
        buffer = io.BytesIO()
        image.save(buffer, 'WEBP', quality=86, method=4)
    except Image.DecompressionBombError as error:
        raise UserError('too many pixels') from error
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f'cannot be read as a picture ({_reason(error)})'
        ) from error
    return _address('WEBP', buffer.getvalue()), image.size


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
    for folder, names in _folders(dirs):
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
            source, size = _encode(path)
        except (UserError, OSError) as error:
            problems.append(Problem('picture', _reason(error), (path,)))
            continue
        pictures.append(
            Picture(_caption(owners, folder, name), shown(path), source, size)
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
    return shown(' · '.join(filter(None, known)))
