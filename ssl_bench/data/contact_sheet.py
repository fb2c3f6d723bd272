"""Draw views: pictures with marks, in rows and columns on a sheet.

A method that has more to show than its views gives its own `Sheet`, from the
static function ``contact_sheet`` of its model. Nothing here knows a method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from PIL.Image import Resampling
from torch import Tensor

# an item of the data set and a height in pixels, to a picture
Tile = Callable[[dict, int], Image.Image]
# draws on a view: the canvas, the data sample, the number of the view, and
# how many pixels of the canvas a pixel of the view is
Marks = Callable[[ImageDraw.ImageDraw, object, int, float], None]
QUERY, KEY = '#00d26a', '#ff5f00'  # view 1, view 2
GAP = 4


@dataclass(frozen=True)
class Sheet:
    """How the samples of a method are drawn.

    Args:
        tile (callable): Draws an item at a height in pixels.
        side (int): Height of a drawn view in pixels.
        columns (int, optional): Samples in a row; by default as many as give
            eight views.
    """

    tile: Tile
    side: int = 160
    columns: int | None = None


def picture(
    view: Tensor, side: int, resample: Resampling = Resampling.BILINEAR
) -> Image.Image:
    """A view, uint8 (3, H, W), scaled to a height of ``side`` pixels."""
    width = round(view.shape[2] * side / view.shape[1])
    image = Image.fromarray(view.permute(1, 2, 0).numpy())
    return image.resize((width, side), resample)


def in_a_row(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """Images next to each other, tops aligned, on white."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new('RGB', (width, max(i.height for i in images)), 'white')
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width + gap
    return sheet


def in_a_column(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """Images below each other, left edges aligned, on white."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    sheet = Image.new('RGB', (max(i.width for i in images), height), 'white')
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height + gap
    return sheet


def in_rows(
    images: Sequence[Image.Image], columns: int, gap: int
) -> Image.Image:
    """Images row by row, ``columns`` in a row."""
    rows = [
        in_a_row(images[i : i + columns], gap)
        for i in range(0, len(images), columns)
    ]
    return in_a_column(rows, gap)


def mark_overlap(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """The outline of the other view's crop, in its colour.

    Samples without two ``crops`` and ``flips`` have no marks.
    """
    if view > 1 or 'flips' not in sample or len(sample['crops']) < 2:
        return
    own, other = sample['crops'][view], sample['crops'][1 - view]
    width, height = draw.im.size
    factor = torch.tensor([width, height]) / (own[2:] - own[:2])
    box = torch.cat(
        [(other[:2] - own[:2]) * factor, (other[2:] - own[:2]) * factor]
    )
    if sample['flips'][view]:
        box = torch.stack([width - box[2], box[1], width - box[0], box[3]])
    draw.rectangle(box.tolist(), outline=(QUERY, KEY)[1 - view], width=2)


def draw_view(
    view: Tensor, sample, index: int, side: int, marks: Marks = mark_overlap
) -> Image.Image:
    """One view, uint8 (3, H, W), at a height of ``side`` with its marks."""
    image = picture(view, side)
    marks(ImageDraw.Draw(image), sample, index, side / view.shape[1])
    return image


def marked(marks: Marks = mark_overlap) -> Tile:
    """What draws the views of a sample in a row, each with its marks."""

    def tile(item: dict, side: int) -> Image.Image:
        return in_a_row(
            [
                draw_view(view, item['data_samples'], i, side, marks)
                for i, view in enumerate(views_in(item))
            ],
            gap=1,
        )

    return tile


def views_in(item: dict) -> list[Tensor]:
    """The views of an item; a method of one view gives a bare tensor."""
    views = item['inputs']
    return [views] if isinstance(views, Tensor) else views


def contact_sheet(items: Sequence[dict], sheet: Sheet) -> Image.Image:
    """Lay out the views of several samples.

    Args:
        items (sequence[dict]): What `PackViews` returns: ``inputs`` (views,
            uint8 (3, H, W)) and ``data_samples``.
        sheet (Sheet): How to draw them.

    Returns:
        PIL.Image.Image: The sheet on white.
    """
    columns = sheet.columns or max(1, 8 // len(views_in(items[0])))
    return in_rows(
        [sheet.tile(item, sheet.side) for item in items], columns, GAP
    )
