"""Pictures that runs left: a fair share of each kind, for the page.

Sheets of predictions are cut into their tiles, so that the page can put what
several methods predict on one image next to each other.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ssl_bench.errors import UserError, one_line, shown
from ssl_bench.results import headings
from ssl_bench.results.embedding import address, contents, decode
from ssl_bench.results.owners import Owner, Owners
from ssl_bench.results.picture_files import (
    OTHER,
    TITLES,
    PictureFile,
    in_turns,
    picture_files,
)
from ssl_bench.results.record import PathLike, Problem
from ssl_bench.results.table import Row
from ssl_bench.sheet_file import (
    PREDICTIONS,
    TRUTH,
    VIEWS,
    Contents,
    Legend,
    Tile,
)

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_FILES = {VIEWS: 16, PREDICTIONS: 48, OTHER: 12}
# characters on the page; a tile of 288 pixels takes 10,000
MAX_LENGTH = {VIEWS: 2_000_000, PREDICTIONS: 4_000_000, OTHER: 1_000_000}
MAX_IMAGES = 6  # of a task


@dataclass(frozen=True)
class Picture:
    """An image as a ``data:`` address, with what it shows.

    Args:
        kind (str): ``views``, ``predictions`` or ``other``.
        task (str): Empty for a pretraining.
        method (str): ``id`` of its rows; empty for the truth, or where it
            is not known.
        name (str): The method's.
        seed (int, optional): Of the run.
        caption, alt (str): What it shows, in short and in words.
        path (str): Of the file.
        source (str): The ``data:`` address.
        size (tuple[int, int]): Width and height in pixels.
        image (str): The test image of a tile; empty for a whole sheet.
        column (str): ``truth`` or ``predicted`` of a tile, else empty.
        note (str): What must be known about a tile.
        legend (Sequence[tuple[str, str]]): Of a whole sheet.
    """

    kind: str
    task: str
    method: str
    name: str
    seed: int | None
    caption: str
    alt: str
    path: str
    source: str
    size: tuple[int, int]
    image: str = ''
    column: str = ''
    note: str = ''
    legend: Sequence[Legend] = ()


@dataclass
class Found:
    """What the page shows of the pictures.

    Args:
        pictures (list[Picture]): Views, then predictions, then others.
        legends (dict[str, list]): Of the tiles of a task.
        notes (list[str]): What was left out on purpose.
        problems (list[Problem]): Files that cannot be shown, and limits.
    """

    pictures: list[Picture] = field(default_factory=list)
    legends: dict[str, list[Legend]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Sheet(NamedTuple):
    """A picture, and what it says of itself."""

    file: PictureFile
    contents: Contents


Cut = tuple[_Sheet, Tile]


def find_pictures(dirs: Iterable[PathLike], rows: Iterable[Row]) -> Found:
    """Pictures under ``dirs`` whose names say that they are for people.

    Every method gets the same share: one sheet of views, and one of
    predictions for each task, of its first seed.
    """
    rows, found = list(rows), Found()
    owners = Owners(rows)
    files = picture_files(dirs, owners)
    rank = {name: i for i, name in enumerate({row.name: 0 for row in rows})}
    for kind in TITLES:
        of_kind = [file for file in files if file.kind == kind]
        cells = in_turns(of_kind, rank)
        _say_left_out(found, kind, len(of_kind), len(cells))
        sheets = _read(cells[: MAX_FILES[kind]], owners, found.problems)
        if kind == PREDICTIONS:
            _add_tiles(found, [s for s in sheets if s.contents.tiles])
            sheets = [s for s in sheets if not s.contents.tiles]
        _add_whole(found, kind, sheets)
    return found


def _say_left_out(found: Found, kind: str, files: int, cells: int) -> None:
    """Other seeds are left out on purpose; a limit is a problem."""
    if files > cells:
        found.notes.append(
            f'{TITLES[kind]}: the first seed of each method; {files - cells} '
            'of other seeds lie next to their records.'
        )
    if cells > MAX_FILES[kind]:
        _limit(
            found,
            kind,
            f'{cells} sheets; the page shows {MAX_FILES[kind]}, a fair share '
            'for each method and task',
        )


def _limit(found: Found, kind: str, message: str) -> None:
    found.problems.append(Problem('picture', f'{TITLES[kind]}: {message}', ()))


def _read(
    files: Iterable[PictureFile], owners: Owners, problems: list[Problem]
) -> list[_Sheet]:
    """What each says of itself. No pixels yet: they could fill the memory."""
    sheets = []
    for file in files:
        try:
            said = contents(file.path)
        except (UserError, OSError) as error:
            problems.append(_named(file.path, error))
            continue
        if not file.owner.method and said and said.config:
            owner = owners.of_config(said.config, said.seed)
            unknown = Owner(name=said.config, seed=said.seed)
            file = file._replace(owner=owner or unknown)
        sheets.append(_Sheet(file, said or Contents(file.kind)))
    return sheets


def _named(path: str, error: Exception) -> Problem:
    reason = getattr(error, 'strerror', None) or one_line(error)
    return Problem('picture', reason, (path,))


def _add_whole(found: Found, kind: str, sheets: Sequence[_Sheet]) -> None:
    """Sheets that are shown whole, as far as there is room."""
    room, left_out = MAX_LENGTH[kind], 0
    for file, said in sheets:
        try:
            picture = _picture(file, decode(file.path))
        except (UserError, OSError) as error:
            found.problems.append(_named(file.path, error))
            continue
        if len(picture.source) > room:
            left_out += 1
            continue
        room -= len(picture.source)
        found.pictures.append(replace(picture, legend=said.legend))
    if left_out:
        _limit(found, kind, f'{left_out} sheets left out, {_full(kind)}')


def _full(kind: str) -> str:
    return f'since the page keeps {MAX_LENGTH[kind] // 1_000_000} MB of them'


def _picture(file: PictureFile, image: 'Image') -> Picture:
    """A whole sheet."""
    source, size = address(image)
    owner = file.owner
    return Picture(
        kind=file.kind,
        task=owner.task,
        method=owner.method,
        name=owner.name,
        seed=owner.seed,
        caption=_caption(owner, file.what),
        alt=_sheet_alt(file),
        path=shown(file.path),
        source=source,
        size=size,
    )


def _caption(owner: Owner, what: str) -> str:
    """``InsLoc (FPN) · mini_seg_fcn · seed 0 · predictions``."""
    seed = '' if owner.seed is None else f'seed {owner.seed}'
    known = filter(None, (owner.name, owner.task, seed, what))
    return shown(' · '.join(known))


def _sheet_alt(file: PictureFile) -> str:
    name = file.owner.name or 'a run'
    if file.kind == VIEWS:
        return shown(f'What {name} sees of training images in pretraining')
    if file.kind == PREDICTIONS:
        return shown(
            f'{_task(file.owner)}: the truth, and what {name} predicts'
        )
    return shown(f'{file.what} of {name}')


def _task(owner: Owner) -> str:
    return headings.heading(owner.task).title if owner.task else 'Test images'


def _add_tiles(found: Found, sheets: Sequence[_Sheet]) -> None:
    """Images of each task in a row: the truth, and each method's tile."""
    by_task: dict[str, list[_Sheet]] = {}
    for sheet in sheets:
        by_task.setdefault(sheet.file.owner.task, []).append(sheet)
    rows = {
        task: _image_rows(own)[:MAX_IMAGES] for task, own in by_task.items()
    }
    drawn = _cut(rows.values(), found.problems)
    shown: dict[str, list[Picture]] = {task: [] for task in rows}
    room, left_out = MAX_LENGTH[PREDICTIONS], 0
    for turn in range(MAX_IMAGES):
        for task, images in rows.items():
            tiles = [key for row in images[turn : turn + 1] for key in row]
            pictures = [
                drawn[_key(*tile)] for tile in tiles if _key(*tile) in drawn
            ]
            length = sum(len(picture.source) for picture in pictures)
            if length > room:
                left_out += 1
                continue
            room -= length
            shown[task] += pictures
    for task, pictures in shown.items():
        found.pictures += pictures
        legend = (entry for s in by_task[task] for entry in s.contents.legend)
        found.legends[task] = list(dict.fromkeys(legend))
    if left_out:
        _limit(
            found,
            PREDICTIONS,
            f'{left_out} test images left out, {_full(PREDICTIONS)}',
        )


def _key(sheet: _Sheet, tile: Tile) -> tuple[str, Tile]:
    return sheet.file.path, tile


def _cut(
    tasks: Iterable[list[list[Cut]]], problems: list[Problem]
) -> dict[tuple[str, Tile], Picture]:
    """The tiles of all rows; one sheet at a time is in memory."""
    wanted: dict[str, list[Cut]] = {}
    for rows in tasks:
        for sheet, tile in itertools.chain.from_iterable(rows):
            wanted.setdefault(sheet.file.path, []).append((sheet, tile))
    drawn = {}
    for path, cuts in wanted.items():
        try:
            image = decode(path)
        except (UserError, OSError) as error:
            problems.append(_named(path, error))
            continue
        for sheet, tile in cuts:
            drawn[_key(sheet, tile)] = _tile(sheet, tile, image)
    return drawn


def _image_rows(sheets: Sequence[_Sheet]) -> list[list[Cut]]:
    """Tiles by image, those first that most sheets have; the truth once."""
    images: dict[str, list[Cut]] = {}
    for sheet in sheets:
        for tile in sheet.contents.tiles:
            row = images.setdefault(tile.image, [])
            if tile.column != TRUTH:
                row.append((sheet, tile))
            elif not any(other.column == TRUTH for _, other in row):
                row.insert(0, (sheet, tile))
    return sorted(images.values(), key=len, reverse=True)


def _tile(sheet: _Sheet, tile: Tile, image: 'Image') -> Picture:
    """A part of a sheet."""
    file, owner = sheet.file, sheet.file.owner
    if tile.column == TRUTH:
        owner = Owner(owner.task)
        alt = f'{_task(owner)}: the truth of {tile.image}'
    else:
        alt = (
            f'{_task(owner)}: what {owner.name or "a run"} predicts on '
            f'{tile.image}'
        )
    whole = _picture(file._replace(owner=owner), image.crop(tile.box))
    return replace(
        whole,
        image=tile.image,
        column=tile.column,
        note=tile.note,
        caption=_caption(owner, f'{tile.column}, {tile.image}'),
        alt=shown(f'{alt}; {tile.note}' if tile.note else alt),
    )
