"""What a sheet's legend says is what is drawn on it."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from ssl_bench.config import load_config
from ssl_bench.data.contact_sheet import (
    KEY,
    QUERY,
    SMALL,
    Sheet,
    contact_sheet,
    marked,
    overlap_legend,
)
from ssl_bench.data.legend import LEAST, LINE, SWATCH, draw_legend, font
from ssl_bench.engine.view_sheet import views_of
from ssl_bench.methods.insloc.sheet import AUGMENTED, LEGEND, mark_boxes
from ssl_bench.methods.mae_sheet import MASKED, example_mask

SIDE = 64


def item(count, **fields):
    view = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    return dict(
        inputs=[view] * count,
        data_samples={k: torch.as_tensor(v) for k, v in fields.items()},
    )


def colours(image):
    pixels = np.asarray(image).reshape(-1, 3)
    return {tuple(map(int, c)) for c in np.unique(pixels, axis=0)}


def halves(sheet):
    """Colours of the one-line legend, and of what is below it."""
    box = (0, 0, sheet.width, LINE + 2)
    return colours(sheet.crop(box)), colours(
        sheet.crop((0, LINE + 2, *sheet.size))
    )


def test_colours_of_the_legend_are_those_of_the_boxes():
    boxes = item(
        2,
        boxes=[[8.0, 8, 40, 24], [16.0, 4, 60, 50]],
        augmented_box=[12.0, 12, 48, 30],
    )
    sheet = contact_sheet(
        [boxes] * 4, Sheet(marked(mark_boxes), legend=lambda item: LEGEND)
    )
    legend, drawn = halves(sheet)
    for name in (QUERY, KEY, AUGMENTED):
        assert ImageColor.getrgb(name) in legend & drawn


def test_the_outlines_of_two_views():
    views = item(
        2, crops=[[0.0, 0, 64, 64], [32.0, 32, 80, 80]], flips=[False, False]
    )
    legend, drawn = halves(
        contact_sheet([views] * 4, Sheet(marked(), legend=overlap_legend))
    )
    for name in (QUERY, KEY):
        assert ImageColor.getrgb(name) in legend & drawn
    assert ImageColor.getrgb(SMALL) not in legend | drawn


def test_smaller_crops_are_smaller_and_in_their_own_colour():
    crops = [[0.0, 0, 64, 64]] * 2 + [[8.0, 16, 24, 32]] * 2
    views = item(4, crops=crops, flips=[False] * 4)
    small = torch.zeros(3, SIDE // 4, SIDE // 4, dtype=torch.uint8)
    views['inputs'][2:] = [small, small]
    tile = marked()(views, 160)
    # two large ones, and one column with the two small ones
    assert tile.size == (160 * 2 + 40 + 2, 160)
    blue = ImageColor.getrgb(SMALL)
    assert tile.getpixel((20, 60)) == blue  # left edge at 8 of 64 pixels
    assert tile.getpixel((60, 50)) == blue  # right edge at 24
    assert tile.getpixel((322, 20)) == blue and tile.getpixel((342, 20)) == (
        0,
        0,
        0,
    )
    text = [text for _, text in overlap_legend(views)]
    assert text[0] == '2 views and 2 smaller ones of each image:'
    assert overlap_legend(views)[-1][0] == SMALL


def test_legend_of_a_method_with_one_view():
    assert overlap_legend(item(1)) == [
        ('', 'one view of each image, as the network gets it')
    ]
    assert len(overlap_legend(item(2, x=0))) == 1  # no marks, no colours


def test_long_legends_wrap_and_stay_within_their_width():
    entries = [('#112233', 'word ' * 30), ('#00ff00', 'next')] * 2
    image = draw_legend(entries, 10)
    assert image.width == LEAST and image.height > 5 * LINE
    dark = np.asarray(image.convert('L')) < 128
    assert not dark[:, -2:].any()
    places = np.argwhere((np.asarray(image) == (0, 255, 0)).all(-1))
    assert len(places) == 2 * (SWATCH - 1) ** 2
    assert draw_legend([('', 'a')], 900).size == (900, LINE + 2)
    assert font().getlength('word') > 10


@pytest.mark.parametrize('ratio, kept', [(0.75, 49), (0.6, 78)])
def test_as_many_patches_are_hidden_as_in_training(ratio, kept):
    mask = example_mask(14, ratio, torch.Generator().manual_seed(3))
    assert mask.shape == (14, 14) and int((~mask).sum()) == kept


def test_hidden_patches_of_mae_are_on_the_patch_grid(registered, image_folder):
    config = load_config(
        'mae_vitb16_800e',
        {'train_dataloader.dataset.data_root': str(image_folder)},
    )
    sheet = views_of(config, 1)
    top = sheet.height - 160
    right = np.asarray(sheet.crop((161, top, 321, sheet.height)))
    hidden = (right == ImageColor.getrgb(MASKED)).all(-1)
    centres = (np.arange(14) + 0.5) * 160 / 14
    grid = hidden[np.ix_(centres.astype(int), centres.astype(int))]
    assert int(grid.sum()) == 14 * 14 - 49
    left = np.asarray(sheet.crop((0, top, 160, sheet.height)))
    assert (left[~hidden] == right[~hidden]).all()


def test_a_sheet_of_another_class_has_no_legend_it_did_not_give():
    def tile(item, side):
        return Image.new('RGB', (side, side), 'red')

    sheet = contact_sheet([item(2)], Sheet(tile, side=20))
    assert sheet.size == (20, 20)
