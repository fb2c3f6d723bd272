"""Pictures of what a method is shown: views with what is known about them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.errors import UserError

Tile = Callable[[dict, int], Image.Image]
QUERY, KEY, AUGMENTED = '#00d26a', '#ff5f00', '#f8e71c'
GAP = 4


def draw_boxes(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """InsLoc: the pasted instance, and the query's augmented box."""
    colour = (QUERY, KEY)[view]
    draw.rectangle(
        (sample.boxes[view] * scale).tolist(), outline=colour, width=2
    )
    if view == 0:
        draw.rectangle(
            (sample.augmented_box * scale).tolist(), outline=AUGMENTED, width=2
        )


def draw_overlap(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """Two crops: where the other view's crop lies in this one."""
    if view > 1 or len(sample.crops) < 2:
        return
    own, other = sample.crops[view], sample.crops[1 - view]
    width, height = draw.im.size
    factor = torch.tensor([width, height]) / (own[2:] - own[:2])
    box = torch.cat(
        [(other[:2] - own[:2]) * factor, (other[2:] - own[:2]) * factor]
    )
    if sample.flips[view]:
        box = torch.stack([width - box[2], box[1], width - box[0], box[3]])
    draw.rectangle(box.tolist(), outline=(QUERY, KEY)[1 - view], width=2)


def draw_mask(
    draw: ImageDraw.ImageDraw, sample, view: int, scale: float
) -> None:
    """SiameseIM: dropped patches of view 1, and view 2's tokens in both.

    View 2's token centres are dots, those of its first row larger: where
    they lie in view 1 is what the predictor is told.
    """
    width, height = draw.im.size
    grid = sample.mask.shape[-1]
    side = width / grid
    if view == 0:
        for row, column in sample.mask.nonzero().tolist():
            corner = (column * side, row * side)
            draw.rectangle(
                (*corner, corner[0] + side - 1, corner[1] + side - 1),
                fill='#707070',
            )
    geometry = [
        ViewGeometry(tuple(crop), (height, width), bool(flip))
        for crop, flip in zip(sample.crops.tolist(), sample.flips)
    ]
    centres = (torch.arange(grid) + 0.5) * side
    x, y = torch.meshgrid(centres, centres, indexing='xy')
    points = geometry[1].to_source(torch.stack([x, y], -1))
    for i, row in enumerate(geometry[view].to_view(points).tolist()):
        radius = 3 if i == 0 else 1
        for x, y in row:
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=KEY
            )


# the first whose fields a sample has is drawn
DRAWERS: dict[tuple[str, ...], Callable] = {
    ('boxes', 'augmented_box'): draw_boxes,
    ('mask', 'crops', 'flips'): draw_mask,
    ('crops', 'flips'): draw_overlap,
}


def draw_view(view: Tensor, sample, index: int, side: int) -> Image.Image:
    """One view (3, H, W) uint8, enlarged to ``side``, with its marks."""
    scale = side / view.shape[1]
    image = Image.fromarray(view.permute(1, 2, 0).numpy()).resize(
        (round(view.shape[2] * scale), side), Image.BILINEAR
    )
    draw = ImageDraw.Draw(image)
    for fields, drawer in DRAWERS.items():
        if all(field in sample for field in fields):
            drawer(draw, sample, index, scale)
            break
    return image


def plain_tile(item: dict, side: int) -> Image.Image:
    """The views of a sample side by side, each with its marks."""
    return beside(
        [
            draw_view(view, item['data_samples'], i, side)
            for i, view in enumerate(_views(item))
        ],
        gap=1,
    )


def _views(item: dict) -> list[Tensor]:
    """A method of a single view hands on a tensor instead of a list."""
    views = item['inputs']
    return [views] if isinstance(views, Tensor) else views


def contact_sheet(
    items: Sequence[dict],
    side: int = 160,
    columns: int = 4,
    tile: Tile = plain_tile,
) -> Image.Image:
    """Lay out the views of several samples.

    Args:
        items (sequence[dict]): What `PackViews` returns: ``inputs`` (views,
            uint8 (3, H, W)) and ``data_samples``.
        side (int): Height of a drawn view in pixels.
        columns (int): Samples in a row.
        tile (callable): Draws a sample's item at that height.

    Returns:
        PIL.Image.Image: The sheet on white.
    """
    tiles = [tile(item, side) for item in items]
    rows = [
        beside(tiles[i : i + columns], GAP)
        for i in range(0, len(tiles), columns)
    ]
    return below(rows, GAP)


def beside(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """Images in a row, tops aligned, on white."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    sheet = Image.new('RGB', (width, max(i.height for i in images)), 'white')
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width + gap
    return sheet


def below(images: Sequence[Image.Image], gap: int) -> Image.Image:
    """Images in a column, left edges aligned, on white."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    sheet = Image.new('RGB', (max(i.width for i in images), height), 'white')
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height + gap
    return sheet


def views_of(
    config, count: int, checkpoint: str | Path | None = None
) -> Image.Image:
    """Contact sheet of the first ``count`` samples of a config's data.

    Args:
        config (mmengine.Config): A pretraining config.
        count (int): Samples, spread evenly over the set.
        checkpoint (str | Path, optional): Of a run of it, for what a model
            makes of the views (LEWEL's maps).

    Raises:
        UserError: A checkpoint for a method whose picture needs none.
    """
    from ssl_bench import register_all_modules

    register_all_modules()
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import DATASETS

    with DefaultScope.overwrite_default_scope(config.default_scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        layout = _layout(config, checkpoint)
    step = max(1, len(dataset) // count)
    items = [dataset[i * step] for i in range(count)]
    if getattr(dataset, 'channel_order', 'rgb') == 'bgr':
        for item in items:
            item['inputs'] = [view.flip(0) for view in _views(item)]
    layout.setdefault('columns', max(1, 8 // len(_views(items[0]))))
    return contact_sheet(items, **layout)


def _layout(config, checkpoint: str | Path | None) -> dict:
    """What draws a method's samples, and how many stand in a row."""
    from ssl_bench.methods.lewel.sheet import map_tiles
    from ssl_bench.methods.pixpro.sheet import match_tiles

    if config.model.type == 'LEWEL':
        return dict(tile=map_tiles(config, checkpoint), columns=2, side=112)
    if checkpoint is not None:
        raise UserError(
            f'the picture of {config.model.type} shows views '
            'only; leave --checkpoint out.'
        )
    if config.model.type in ('PixPro', 'PixContrast'):
        return dict(tile=match_tiles(config), columns=3, side=224)
    return {}
