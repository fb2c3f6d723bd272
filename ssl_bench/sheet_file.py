"""A sheet of pictures as one PNG file that says what is on it.

What a sheet shows stands in a text chunk of the file, so that neither can be
without the other. A program that draws a sheet writes it here;
`ssl_bench.results.sheets` reads it, for the page of the leaderboard.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.files import atomic_path

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 'ssl_bench'  # keyword of the text chunk
VIEWS, PREDICTIONS = 'views', 'predictions'
TRUTH, PREDICTED = 'truth', 'predicted'  # columns

Legend = tuple[str, str]  # '#rrggbb' (empty: no colour) and its meaning


@dataclass(frozen=True)
class Tile:
    """A part of a sheet.

    Args:
        image (str): Name of the test image.
        column (str): ``truth`` or ``predicted``.
        box (tuple[int, int, int, int]): Left, top, right and bottom in
            pixels of the sheet.
        note (str): What must be known about it.
    """

    image: str
    column: str
    box: tuple[int, int, int, int]
    note: str = ''


@dataclass(frozen=True)
class Contents:
    """What is on a sheet.

    Args:
        kind (str): ``views`` or ``predictions``.
        legend (Sequence[tuple[str, str]]): Colours and their meaning.
        tiles (Sequence[Tile]): Its parts; none if it is shown whole.
        config (str): Name of the pretraining's config, for views.
        seed (int, optional): Of the run.
    """

    kind: str
    legend: Sequence[Legend] = ()
    tiles: Sequence[Tile] = ()
    config: str = ''
    seed: int | None = None


def save_sheet(image: 'Image', path: str | Path, contents: Contents) -> None:
    """Write a sheet, whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(CHUNK, json.dumps(asdict(contents)), zip=True)
    with atomic_path(path) as part:
        image.save(part, format='PNG', pnginfo=info)
