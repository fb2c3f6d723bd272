"""What a contact sheet marks is where the geometry says it is."""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from ssl_bench.config import load_config
from ssl_bench.data.contact_sheet import (
    KEY,
    QUERY,
    Sheet,
    contact_sheet,
    draw_view,
    marked,
)
from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.legend import LINE
from ssl_bench.engine.view_sheet import takes_checkpoint, views_of
from ssl_bench.errors import UserError
from ssl_bench.methods.insloc.sheet import AUGMENTED, mark_boxes
from ssl_bench.methods.lewel.sheet import HOT, map_tiles, overlay
from ssl_bench.methods.pixpro.sheet import (
    GAP,
    cell_centre,
    colour,
    draw_matches,
    matched_distances,
)
from ssl_bench.methods.siamese_im.sheet import MASKED, mark_tokens

SIDE, GRID = 64, (4, 4)
BLACK = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)


def sample(**fields):
    return {name: torch.as_tensor(value) for name, value in fields.items()}


def two_crops(crops, flips):
    """Two black views of a source of 101 x 101 pixels."""
    return dict(
        inputs=[BLACK, BLACK],
        data_samples=sample(
            crops=torch.tensor(crops, dtype=torch.float32),
            flips=flips,
            source_size=torch.tensor([101.0, 101.0]),
        ),
    )


@pytest.mark.parametrize(
    'crops, flips',
    [
        ([(0, 0, 64, 64), (32, 16, 96, 80)], [False, False]),
        ([(0, 0, 64, 64), (32, 16, 96, 80)], [False, True]),
        ([(10, 5, 90, 85), (20, 40, 60, 80)], [True, False]),
        ([(0, 0, 30, 30), (60, 60, 90, 90)], [False, False]),  # no overlap
    ],
)
def test_dots_are_where_both_views_show_one_place(crops, flips):
    """Expected from `ViewGeometry`, position by position."""
    item = two_crops(crops, flips)
    threshold = 0.7
    views = [
        ViewGeometry(crop, (SIDE, SIDE), flip)
        for crop, flip in zip(crops, flips)
    ]
    # a crop's outermost pixel centres span its bins: one pixel less wide
    diagonal = (
        max(math.hypot(c[2] - c[0] - 1, c[3] - c[1] - 1) for c in crops) / 4
    )
    places = [
        [
            view.to_source(torch.tensor(cell_centre(i, GRID, (SIDE, SIDE))))
            for i in range(16)
        ]
        for view in views
    ]
    distance = (
        torch.stack(
            [
                torch.stack([torch.dist(p, q) for q in places[1]])
                for p in places[0]
            ]
        )
        / diagonal
    )
    got = matched_distances(item['data_samples'], GRID, threshold)
    clear = (distance - threshold).abs() > 0.05  # half a pixel of the bins
    assert torch.equal(got.isfinite()[clear], (distance < threshold)[clear])
    tile = draw_matches(item, SIDE, GRID, threshold)
    for i in range(16):
        x, y = cell_centre(i, GRID, (SIDE, SIDE))
        found = tile.getpixel((round(x), round(y)))
        if got[i].isfinite().any():
            assert found == colour(i, GRID)
        x, y = cell_centre(i, GRID, (SIDE, SIDE))
        found = tile.getpixel((SIDE + GAP + round(x), round(y)))
        column = got[:, i]
        if column.isfinite().any():
            assert found == colour(int(column.argmin()), GRID)
    if not got.isfinite().any():
        assert set(np.array(tile)[:, :SIDE].flat) == {0}


def test_a_line_leads_from_a_position_to_its_nearest_match():
    item = two_crops([(0, 0, 64, 64), (32, 0, 96, 64)], [False, False])
    tile = draw_matches(item, SIDE, GRID, 0.7)
    row = np.array(tile)[round(cell_centre(0, GRID, (SIDE, SIDE))[1])]
    # position 2 of the first row is position 0 of view 2
    x1, x2 = 40 + 4, SIDE + GAP + 8 - 4
    assert (row[x1:x2] == colour(2, GRID)).all(1).any()
    assert not (row[:38] != 0).any()  # the left half has no partner


def test_colours_of_positions_differ():
    assert len({colour(i, (7, 7)) for i in range(49)}) == 49


def test_pasted_and_augmented_boxes():
    item = sample(
        boxes=[[8.0, 8, 40, 24], [16.0, 4, 60, 50]],
        augmented_box=[12.0, 12, 48, 30],
    )
    pictures = [
        draw_view(BLACK, item, i, 2 * SIDE, mark_boxes) for i in (0, 1)
    ]
    rgb = {name: ImageColor.getrgb(name) for name in (QUERY, KEY, AUGMENTED)}
    assert pictures[0].getpixel((16, 32)) == rgb[QUERY]  # left edge
    assert pictures[0].getpixel((50, 24)) == rgb[AUGMENTED]  # top edge
    assert pictures[0].getpixel((30, 22)) == (0, 0, 0)
    assert pictures[1].getpixel((32, 50)) == rgb[KEY]
    assert pictures[1].getpixel((24, 50)) == (0, 0, 0)


def test_outline_of_the_other_crop():
    item = sample(
        crops=[[0.0, 0, 64, 64], [32.0, 32, 64, 64]], flips=[False, True]
    )
    first, second = (draw_view(BLACK, item, i, SIDE) for i in (0, 1))
    assert first.getpixel((32, 48)) == ImageColor.getrgb(KEY)
    assert first.getpixel((16, 16)) == (0, 0, 0)
    assert second.getpixel((32, 32)) == (0, 0, 0)  # lies within the first


def test_masked_patches_and_tokens():
    """A dropped patch is filled; dots of view 2 mark the same pixels."""
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[3, 1] = True
    item = sample(
        mask=mask,
        flips=[False, True],
        crops=[[0.0, 0, 64, 64], [32, 0, 64, 32]],
    )
    first, second = (
        draw_view(BLACK, item, i, SIDE, mark_tokens) for i in (0, 1)
    )
    assert first.getpixel((24, 56)) == ImageColor.getrgb(MASKED)
    assert first.getpixel((56, 56)) == (0, 0, 0)
    orange = (0xFF, 0x5F, 0x00)
    assert second.getpixel((24, 24)) == orange
    # view 2, mirrored, halves the right upper quarter of the source:
    # its pixel (24, 24) is the source's (64 - 12, 12)
    assert first.getpixel((52, 12)) == orange
    assert first.getpixel((12, 40)) == (0, 0, 0)


def test_overlay_is_hottest_where_the_map_is_greatest():
    weights = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    shown = overlay(BLACK, weights)
    assert shown.shape == BLACK.shape and shown.dtype == torch.uint8
    corners = shown[0, :: SIDE - 1, :: SIDE - 1].float()
    assert torch.equal(corners.flatten().argsort(), torch.arange(4))
    assert corners[0, 0] == 0
    assert corners[1, 1] == int(HOT[0] / 1.5)


@pytest.fixture
def lewel(registered):
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield load_config('mini/lewel_b_r18')


def test_maps_are_the_models(lewel):
    """The first map of each head, with a run's weights."""
    from mmpretrain.registry import MODELS

    torch.manual_seed(1)
    model = MODELS.build(lewel.model)
    tiles = map_tiles(lewel, model.state_dict())
    view = torch.randint(0, 256, (3, 112, 112), dtype=torch.uint8)
    pre = lewel.data_preprocessor
    image = (
        view.float() - torch.tensor(pre.mean).view(3, 1, 1)
    ) / torch.tensor(pre.std).view(3, 1, 1)
    model.eval()
    with torch.no_grad():
        maps = model.neck.maps(model.backbone(image[None])[-1])[0]
    torch.testing.assert_close(tiles.maps(view), maps[[0, 16, 32, 48]])
    assert not torch.equal(tiles.maps(view), map_tiles(lewel).maps(view))
    picture = tiles(dict(inputs=[view, view.flip(2)]), 56)
    assert picture.size == (5 * 58 - 2, 2 * 58 - 2)
    shown = torch.from_numpy(np.array(picture))[:56, 58:114]
    wanted = overlay(view, maps[0])
    got = np.array(
        Image.fromarray(wanted.permute(1, 2, 0).numpy()).resize(
            (56, 56), Image.NEAREST
        )
    )
    assert np.array_equal(shown.numpy(), got)


def test_checkpoints_that_do_not_fit(lewel, tmp_path, image_folder):
    lewel.train_dataloader.dataset.data_root = str(image_folder)
    with pytest.raises(UserError, match='no such checkpoint'):
        views_of(lewel, 1, tmp_path / 'none.pth')
    torch.save(
        dict(state_dict={'backbone.conv1.weight': torch.zeros(1)}),
        tmp_path / 'other.pth',
    )
    with pytest.raises(
        UserError, match='does not fit the config.s backbone'
    ) as error:
        views_of(lewel, 1, tmp_path / 'other.pth')
    assert '\n' not in str(error.value) and len(str(error.value)) < 300


def test_the_sheet_has_the_weights_of_the_checkpoint(
    lewel, tmp_path, image_folder
):
    from mmpretrain.registry import MODELS

    lewel.train_dataloader.dataset.data_root = str(image_folder)
    path = tmp_path / 'epoch_1.pth'
    sheets = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = MODELS.build(lewel.model)
        torch.save(dict(state_dict=model.state_dict()), path)
        sheets.append(np.array(views_of(lewel, 1, path)))
    assert np.array_equal(sheets[0], sheets[1])
    assert not np.array_equal(sheets[0], sheets[2])


def test_only_a_sheet_of_what_is_learnt_takes_a_checkpoint(registered):
    assert {
        name: takes_checkpoint(load_config(f'mini/{name}'))
        for name in ('lewel_b_r18', 'pixcontrast_r18', 'mocov2_r18')
    } == dict(lewel_b_r18=True, pixcontrast_r18=False, mocov2_r18=False)


def test_a_class_says_how_its_samples_are_drawn(
    registered, image_folder, monkeypatch
):
    from mmpretrain.registry import MODELS

    class Mine:
        @staticmethod
        def contact_sheet(config):
            def tile(item, side):
                return Image.new('RGB', (side, side), config.colour)

            return Sheet(tile, side=20, columns=2)

    monkeypatch.setitem(MODELS.module_dict, 'Mine', Mine)
    config = load_config(
        'mini/mocov2_r18',
        {'train_dataloader.dataset.data_root': str(image_folder)},
    )
    config.model, config.colour = dict(type='Mine'), 'red'
    picture = views_of(config, 2)
    assert picture.size == (44, 20)
    assert picture.getpixel((10, 10)) == (255, 0, 0)


def test_sheets_of_configs(registered, image_folder):
    def sheet(name, *arguments):
        config = load_config(
            name, {'train_dataloader.dataset.data_root': str(image_folder)}
        )
        return views_of(config, 2, *arguments)

    line = LINE + 2 + 4  # of the legend, and the gap below it
    size = (2 * (2 * 224 + GAP) + 4, line + 224)
    assert sheet('mini/pixpro_r18').size == size
    assert sheet('mini/pixcontrast_r18').size == size
    assert sheet('mini/lewel_m_r18').size == (
        2 * (5 * 114 - 2) + 4,
        line + 226,
    )
    for name, width, lines in (
        ('mae_vitb16_800e', 2 * 321 + 4, 2),
        ('mini/barlow_twins_r18', 2 * 321 + 4, 1),
        # two large views, six small ones in three columns of two
        ('swav_r50_200e', 2 * (322 + 3 * 70 - 1) + 4, 1),
    ):
        assert sheet(name).size == (width, lines * LINE + 6 + 160), name
    with pytest.raises(UserError, match='leave --checkpoint out'):
        sheet('mini/pixpro_r18', 'epoch_1.pth')


def test_channels_of_the_toolkits_order_are_swapped(registered, tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / 'red.png')
    config = load_config(
        'mae_vitb16_800e',
        {'train_dataloader.dataset.data_root': str(tmp_path)},
    )
    assert views_of(config, 1).getpixel((80, 104)) == (200, 0, 0)


def test_rows_and_columns():
    items = [dict(inputs=[BLACK], data_samples=sample(x=0))] * 5
    assert contact_sheet(items, Sheet(marked(), SIDE, 2)).size == (
        2 * SIDE + 4,
        3 * SIDE + 8,
    )


def test_the_config_that_a_run_left_shows_painted_views(image_folder):
    """A run on a device has told its transforms not to paint."""
    settings = {
        'train_dataloader.dataset.data_root': str(image_folder),
        'train_dataloader.dataset.pipeline.MakeViews.painted': False,
    }
    left = load_config(
        'mini/mocov2_r18', settings | {'+photometric': 'device'}
    )
    fresh = load_config('mini/mocov2_r18')
    fresh.train_dataloader.dataset.data_root = str(image_folder)
    sheets = [views_of(config, 4) for config in (left, fresh)]
    assert sheets[0].tobytes() == sheets[1].tobytes()
