"""What methods know of a view's place fits its pixels, wherever painted."""

import copy

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.models import SelfSupDataPreprocessor
from PIL import Image

from ssl_bench.config import load_config
from ssl_bench.data.painting import set_painting
from ssl_bench.methods.pixpro.pixel_grid import view_coordinates
from ssl_bench.methods.siamese_im.sincos import relative_position

pytestmark = pytest.mark.slow  # loaders with workers

HEIGHT, WIDTH = 200, 320
NO_CHANGE = [dict(type='RandomInvert', p=0.0)]
SETTINGS = dict(worker=('worker', 0), device=('device', 2))
METHODS = dict(
    mocov2='mocov2_r50_200e',
    barlow_twins='barlow_twins_r50_300e',
    pixpro='pixpro_r50_100e',
    siamese_im='siamese_im_vitb16_400e',
    insloc='insloc_r50_c4',
)


@pytest.fixture(scope='module')
def ramps(tmp_path_factory):
    """Images whose red and green say how far right and down a pixel is."""
    folder = tmp_path_factory.mktemp('ramps')
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    ramp = np.stack([40 + 150 * x / WIDTH, 40 + 150 * y / HEIGHT, 0 * x], 2)
    for i in range(8):
        Image.fromarray(ramp.round().astype(np.uint8)).save(
            folder / f'{i}.png'
        )
    return folder


def first_batch(name, folder, setting, workers, colours=None):
    """Images as floats of levels, and the data samples."""
    config = load_config(METHODS[name])
    config.photometric = setting
    loader = config.train_dataloader
    loader.update(batch_size=8, num_workers=workers, persistent_workers=False)
    loader.dataset.data_root = str(folder)
    views = loader.dataset.pipeline[0]
    for view in views.get('views', [views]):
        if colours is not None:
            view['photometric'] = copy.deepcopy(colours)
    painter = set_painting(config, 'cpu')
    preprocessor = SelfSupDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
    if painter:
        painter.attach(preprocessor)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        batch = next(iter(Runner.build_dataloader(loader, seed=3)))
    assert ('photometric' in batch) == (setting == 'device')
    data = preprocessor(batch, training=True)
    return data['inputs'], data['data_samples']


def place_of(pixels):
    """Fractions of width and height of the source, of (..., 3, H, W)."""
    return (pixels[..., 0, :, :] - 40) / 150, (pixels[..., 1, :, :] - 40) / 150


@pytest.mark.parametrize('name', METHODS)
def test_both_ways_give_the_same_batch(registered, ramps, name):
    """Also with another number of workers."""
    pixels, fields = first_batch(name, ramps, *SETTINGS['worker'])
    later, other = first_batch(name, ramps, *SETTINGS['device'])
    for one, two in zip(pixels, later, strict=True):
        assert torch.equal(one, two)
    assert fields.keys() == other.keys()
    for key in fields.keys() - {'img_path'}:
        assert torch.equal(fields[key], other[key]), key
    assert 0 < fields['flips'].sum() < fields['flips'].numel()


@pytest.mark.parametrize('setting', SETTINGS)
@pytest.mark.parametrize('name', ['mocov2', 'barlow_twins', 'pixpro'])
def test_coordinates_are_those_of_the_pixels(registered, ramps, name, setting):
    views, fields = first_batch(name, ramps, *SETTINGS[setting], NO_CHANGE)
    assert 0 < fields['flips'].sum() < fields['flips'].numel()
    corners = view_coordinates(fields)
    for pixels, corner in zip(views, corners.unbind(1), strict=True):
        x, y = place_of(pixels)
        side = x.shape[-1]
        steps = (torch.arange(side) + 0.5) / side
        x0, y0, x1, y1 = corner.unbind(1)
        wanted_x = x0[:, None] + (x1 - x0)[:, None] * steps
        wanted_y = y0[:, None] + (y1 - y0)[:, None] * steps
        assert (x.mean(1) - wanted_x).abs().max() < 0.015
        assert (y.mean(2) - wanted_y).abs().max() < 0.015


@pytest.mark.parametrize('setting', SETTINGS)
def test_siamese_ims_second_view_is_where_the_codes_say(
    registered, ramps, setting
):
    views, fields = first_batch(
        'siamese_im', ramps, *SETTINGS[setting], NO_CHANGE
    )
    flips = fields['flips']
    assert (flips[:, 0] ^ flips[:, 1]).any() and flips.all(1).any()
    relative = relative_position(
        fields['crops'], flips, fields['source_size']
    ).float()
    down, right, tall, wide, differ, mirrored_right = relative.unbind(1)
    side = views[0].shape[-1]
    steps = (torch.arange(side) + 0.5) / side
    along = wide[:, None] * steps
    found = torch.where(
        differ[:, None] > 0,
        mirrored_right[:, None] - along,
        right[:, None] + along,
    )  # in widths of the first view, from its left edge
    (x1, y1), (x2, y2) = map(place_of, views)
    first, last = x1.mean(1)[:, [0]], x1.mean(1)[:, [-1]]
    step = (last - first) / (side - 1)
    wanted = first + step * (found * side - 0.5)
    assert (x2.mean(1) - wanted).abs().max() < 0.02
    top, bottom = y1.mean(2)[:, [0]], y1.mean(2)[:, [-1]]
    rows = down[:, None] + tall[:, None] * steps
    wanted = top + (bottom - top) / (side - 1) * (rows * side - 0.5)
    assert (y2.mean(2) - wanted).abs().max() < 0.02


@pytest.mark.parametrize('setting', SETTINGS)
def test_insloc_s_boxes_hold_the_crop(registered, ramps, setting):
    views, fields = first_batch('insloc', ramps, *SETTINGS[setting], NO_CHANGE)
    flips = fields['flips']
    assert 0 < flips.sum() < flips.numel()
    for v, pixels in enumerate(views):
        for image, box, crop, flip in zip(
            pixels, fields['boxes'][:, v], fields['crops'][:, v], flips[:, v]
        ):
            left, top, right, bottom = box.int().tolist()
            x, y = place_of(image[:, top:bottom, left:right])
            ends = crop[[0, 2]] / WIDTH
            ends = ends.flip(0) if flip else ends
            assert abs(x[:, 0].mean() - ends[0]) < 0.02
            assert abs(x[:, -1].mean() - ends[1]) < 0.02
            assert abs(y[0].mean() - crop[1] / HEIGHT) < 0.02
            assert abs(y[-1].mean() - crop[3] / HEIGHT) < 0.02
