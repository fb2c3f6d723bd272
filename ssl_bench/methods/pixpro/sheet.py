"""PixPro and PixContrast: the positions of two views that are one place."""

import colorsys

import torch
from mmpretrain.registry import MODELS
from PIL import Image, ImageDraw
from torch import Tensor

from ssl_bench.data.contact_sheet import Sheet, in_a_row, picture
from ssl_bench.methods.pixpro.pixel_grid import (
    pixel_distances,
    view_coordinates,
)

Grid = tuple[int, int]
GAP = 12  # pixels between the views; lines cross it
LEGEND = (
    (
        '',
        'Dots: positions of 2 views that the loss takes for one place; one '
        'place has one colour, and a line leads to the nearest position. '
        'Positions without a dot have no partner.',
    ),
)


def matched_distances(sample, grid: Grid, threshold: float) -> Tensor:
    """Distances of the positions that the loss pulls together.

    Args:
        sample (dict[str, Tensor]): With ``crops``, ``flips``, ``source_size``.
        grid (tuple): Height and width of the feature maps.
        threshold (float): Largest distance of a matched pair, exclusive.

    Returns:
        Tensor: Row-major positions of view 1 by those of view 2, (n, n);
        inf for pairs that are not matched.
    """
    coords = view_coordinates(sample)  # (2, 4)
    distance = pixel_distances(coords[:1], coords[1:], grid)[0]
    return distance.masked_fill(distance >= threshold, torch.inf)


def cell_centre(
    index: int, grid: Grid, size: tuple[int, int]
) -> tuple[float, float]:
    """x, y of a position's cell in a view of ``size`` (height, width)."""
    row, column = divmod(index, grid[1])
    return (
        (column + 0.5) * size[1] / grid[1],
        (row + 0.5) * size[0] / grid[0],
    )


def colour(index: int, grid: Grid) -> tuple[int, int, int]:
    """A position's own colour: its column is the hue, its row the light."""
    row, column = divmod(index, grid[1])
    light = 0.35 + 0.4 * row / max(grid[0] - 1, 1)
    rgb = colorsys.hls_to_rgb(column / grid[1], light, 1.0)
    red, green, blue = (round(255 * part) for part in rgb)
    return red, green, blue


def draw_matches(
    item: dict, side: int, grid: Grid, threshold: float
) -> Image.Image:
    """Two views in a row; positions that are one place have one colour.

    A matched position of view 1 has a dot of its own colour and a line to
    the nearest of the positions it is matched with. A matched position of
    view 2 has the colour of the nearest of its own. Positions without a dot
    take no part in the loss.

    Args:
        item (dict): What `PackViews` returns.
        side (int): Height of a drawn view in pixels.
        grid (tuple): Height and width of the feature maps.
        threshold (float): The model's.
    """
    views = [picture(view, side) for view in item['inputs'][:2]]
    right = views[0].width + GAP
    tile = in_a_row(views, GAP)
    draw = ImageDraw.Draw(tile)

    def centre(index: int, view: int) -> tuple[float, float]:
        x, y = cell_centre(index, grid, views[view].size[::-1])
        return x + view * right, y

    distance = matched_distances(item['data_samples'], grid, threshold)
    for axis, lines in ((1, True), (0, False)):
        nearest = distance.min(axis)
        for i in nearest.values.isfinite().nonzero().flatten().tolist():
            other = int(nearest.indices[i])
            fill = colour(i if lines else other, grid)
            x, y = centre(i, 0 if lines else 1)
            if lines:
                draw.line((x, y, *centre(other, 1)), fill=fill)
            draw.ellipse(
                (x - 3, y - 3, x + 3, y + 3), fill=fill, outline='black'
            )
    return tile


def match_sheet(config) -> Sheet:
    """How the samples of a PixPro or PixContrast config are drawn."""
    backbone = MODELS.build(config.model.backbone)
    backbone.eval()  # mmpretrain's returns nothing
    grids: dict[tuple[int, int], Grid] = {}

    def tile(item: dict, side: int) -> Image.Image:
        height, width = item['inputs'][0].shape[1:]
        size = height, width
        if size not in grids:
            with torch.no_grad():
                features = backbone(torch.zeros(1, 3, *size))[-1]
            grids[size] = features.shape[2], features.shape[3]
        return draw_matches(item, side, grids[size], config.model.threshold)

    return Sheet(tile, side=224, columns=3, legend=lambda item: LEGEND)
