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

from ssl_bench.data.legend import draw_legend
from ssl_bench.sheet_file import Legend

# an item of the data set and a height in pixels, to a picture
Tile = Callable[[dict, int], Image.Image]
# draws on a view: the canvas, the data sample, the number of the view, and
# how many pixels of the canvas a pixel of the view is
Marks = Callable[[ImageDraw.ImageDraw, object, int, float], None]
QUERY, KEY = '#00d26a', '#ff5f00'  # view 1, view 2
SMALL = '#3aa7ff'  # smaller crops, from view 3 on
GAP = 4
WIDTH = 1500  # pixels of a sheet, about
# of an item of the data set, what the colours of its tile mean
Legends = Callable[[dict], Sequence[Legend]]


def no_legend(item: dict) -> Sequence[Legend]:
    """Nothing to explain."""
    return ()


@dataclass(frozen=True)
class Sheet:
    """How the samples of a method are drawn.

    Args:
        tile (callable): Draws an item at a height in pixels.
        side (int): Height of a drawn view in pixels.
        columns (int, optional): Samples in a row; by default as many as
            `WIDTH` holds, at most eight.
        legend (callable): What the colours of an item mean; it is written
            over the samples.
    """

    tile: Tile
    side: int = 160
    columns: int | None = None
    legend: Legends = no_legend


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


def overlap_legend(item: dict) -> list[Legend]:
    """What `mark_overlap` draws on an item."""
    count, sample = len(views_in(item)), item['data_samples']
    if count < 2:
        return [('', 'one view of each image, as the network gets it')]
    more = f' and {count - 2} smaller ones' if count > 2 else ''
    entries: list[Legend] = [('', f'2 views{more} of each image:')]
    if _has_crops(sample):
        entries += [
            (QUERY, 'where view 1 lies in view 2'),
            (KEY, 'where view 2 lies in view 1'),
        ]
        if count > 2:
            entries.append((SMALL, 'smaller ones, and where they lie'))
    return entries


def mark_overlap(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """The outlines of the other views' crops, each in its colour.

    The first two views show all others; the others have a frame in their
    colour. Samples without ``crops`` and ``flips`` have no marks.
    """
    if not _has_crops(sample):
        return
    width, height = draw.im.size
    if view > 1:
        draw.rectangle((0, 0, width - 1, height - 1), outline=SMALL)
        return
    for other in range(len(sample['crops'])):
        if other != view:
            colour = (QUERY, KEY)[other] if other < 2 else SMALL
            draw.rectangle(
                _outline(sample, view, other, (width, height)),
                outline=colour,
                width=2 if other < 2 else 1,
            )


def _has_crops(sample) -> bool:
    return 'flips' in sample and len(sample['crops']) > 1


def _outline(
    sample, view: int, other: int, size: tuple[int, int]
) -> list[float]:
    """Where another view's crop lies in a view of ``size`` pixels."""
    own, crop = sample['crops'][view], sample['crops'][other]
    factor = torch.tensor(size) / (own[2:] - own[:2])
    box = torch.cat(
        [(crop[:2] - own[:2]) * factor, (crop[2:] - own[:2]) * factor]
    )
    if sample['flips'][view]:
        box = torch.stack([size[0] - box[2], box[1], size[0] - box[0], box[3]])
    return box.tolist()


def draw_view(
    view: Tensor, sample, index: int, side: int, marks: Marks = mark_overlap
) -> Image.Image:
    """One view, uint8 (3, H, W), at a height of ``side`` with its marks."""
    image = picture(view, side)
    marks(ImageDraw.Draw(image), sample, index, side / view.shape[1])
    return image


def marked(marks: Marks = mark_overlap) -> Tile:
    """What draws the views of a sample in a row, each with its marks.

    The largest views have the height that is asked for; smaller ones are
    smaller and stand below each other.
    """

    def tile(item: dict, side: int) -> Image.Image:
        views = views_in(item)
        largest = max(view.shape[1] for view in views)
        columns: list[list[Image.Image]] = []
        for i, view in enumerate(views):
            height = round(side * view.shape[1] / largest)
            drawn = draw_view(view, item['data_samples'], i, height, marks)
            last = columns[-1] if columns else []
            if last and (len(last) + 1) * (last[0].height + 1) <= side + 1:
                last.append(drawn)
            else:
                columns.append([drawn])
        return in_a_row([in_a_column(own, 1) for own in columns], 1)

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
        PIL.Image.Image: The sheet on white, below what its colours mean.
    """
    tiles = [sheet.tile(item, sheet.side) for item in items]
    fitting = (WIDTH + GAP) // (tiles[0].width + GAP)
    drawn = in_rows(tiles, sheet.columns or min(max(fitting, 1), 8), GAP)
    legend = sheet.legend(items[0])
    if not legend:
        return drawn
    return in_a_column([draw_legend(legend, drawn.width), drawn], GAP)
