"""SiameseIM: the mask of view 1, and where view 2's tokens are."""

import torch
from PIL import ImageDraw

from ssl_bench.data.contact_sheet import KEY, Sheet, marked
from ssl_bench.data.geometry import ViewGeometry

MASKED = '#5a3d9a'  # no colour of photographs
LEGEND = (
    ('', '2 views of each image:'),
    (MASKED, 'patches of view 1 that the encoder does not get'),
    (
        KEY,
        "centres of view 2's patches, in both views; its first row is larger",
    ),
)


def mark_tokens(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """Dropped patches of view 1, and view 2's tokens in both views.

    View 2's token centres are dots, those of its first row larger. Their
    places in view 1 are what the predictor gets.
    """
    width, height = draw.im.size
    grid = sample['mask'].shape[-1]
    side = width / grid
    if view == 0:
        for row, column in sample['mask'].nonzero().tolist():
            corner = (column * side, row * side)
            draw.rectangle(
                (*corner, corner[0] + side - 1, corner[1] + side - 1),
                fill=MASKED,
            )
    geometry = [
        ViewGeometry(tuple(crop), (height, width), bool(flip))
        for crop, flip in zip(sample['crops'].tolist(), sample['flips'])
    ]
    centres = (torch.arange(grid) + 0.5) * side
    x, y = torch.meshgrid(centres, centres, indexing='xy')
    points = geometry[1].to_source(torch.stack([x, y], -1))
    for i, row in enumerate(geometry[view].to_view(points).tolist()):
        radius = 3 if i == 0 else 1.5
        for x, y in row:
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=KEY
            )


def token_sheet(config) -> Sheet:
    """How the samples of a SiameseIM config are drawn."""
    return Sheet(marked(mark_tokens), legend=lambda item: LEGEND)
