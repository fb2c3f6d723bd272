"""Shapes and scenes: areas, bookkeeping, contrast, the promises on size."""

import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ssl_bench.data.mini import CLASSES
from ssl_bench.data.mini.photos import load_photos, patch, recolour
from ssl_bench.data.mini.scene import (
    add_item,
    new_scene,
    object_image,
    objects_scene,
)
from ssl_bench.data.mini.shapes import clutter_outline, outline, place


def rng(*seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize('name', CLASSES)
@pytest.mark.parametrize('angle', (0.0, 0.4))
def test_every_class_covers_the_area_asked(name, angle):
    alpha, width, height = place(rng(1), outline(name), 40.0, angle)
    pixels = (np.asarray(alpha) >= 128).sum()
    assert pixels == pytest.approx(1600, rel=0.06)
    assert alpha.width - 3 < width <= alpha.width
    assert alpha.height - 3 < height <= alpha.height


def test_classes_are_distinct_outlines():
    masks = []
    for name in CLASSES:
        alpha, _, _ = place(rng(0), outline(name), 40.0, 0.0)
        frame = Image.new('L', (96, 96))
        frame.paste(alpha, ((96 - alpha.width) // 2, (96 - alpha.height) // 2))
        masks.append(np.asarray(frame) >= 128)
    for i, one in enumerate(masks):
        for other in masks[:i]:
            overlap = (one & other).sum() / (one | other).sum()
            assert overlap < 0.86


def test_rotation_is_clockwise():
    # a triangle points up; turned by a quarter it points to the right
    alpha, _, _ = place(rng(0), outline('triangle'), 40.0, math.pi / 2)
    columns = (np.asarray(alpha) >= 128).sum(0)
    assert columns[:10].mean() > 3 * columns[-10:].mean()


@pytest.mark.parametrize('seed', range(6))
def test_clutter_has_an_area_of_one(seed):
    alpha, _, _ = place(rng(0), clutter_outline(rng(seed)), 40.0, 0.3)
    assert (np.asarray(alpha) >= 128).sum() == pytest.approx(1600, rel=0.06)


@pytest.mark.parametrize('seed', range(5))
def test_recolour_gives_the_light_and_spread_asked(seed):
    image = recolour(
        rng(seed), patch(rng(seed), (64, 48), 1.0, 0.5), 120.0, 15.0
    )
    grey = np.asarray(image.convert('L')).astype(float)
    assert grey.mean() == pytest.approx(120, abs=22)  # the tint adds its own
    assert 5 < grey.std() < 25


def test_patch_reaches_no_pixel_outside_a_photograph():
    # outside a photograph PIL gives black; none of ours is black all over
    photos = load_photos()
    white = tuple(
        tuple(Image.new('RGB', level.size, 'white') for level in levels)
        for levels in photos
    )
    load_photos.cache_clear()
    from ssl_bench.data.mini import photos as module

    original = module.load_photos
    module.load_photos = lambda: white
    try:
        for seed in range(60):
            generator = rng(seed)
            image = patch(
                generator,
                (160, 120),
                generator.uniform(0.5, 9),
                generator.uniform(0, 7),
            )
            assert np.asarray(image).min() == 255
    finally:
        module.load_photos = original


def test_scenes_keep_their_books():
    hidden = tiny = large = 0
    for seed in range(40):
        scene = objects_scene(rng(seed), 160, crowd=0.3)
        assert scene.items and scene.owner.max() == len(scene.items)
        assert scene.owner.shape == scene.image.size[::-1]
        for index, item in enumerate(scene.items):
            pixels = int(scene.mask(index).sum())
            assert 16 <= pixels == item.visible <= item.inside <= item.area
            hidden += pixels < 0.9 * item.inside
            tiny += item.area < 20**2
            large += item.area > 50**2
    assert min(hidden, tiny, large) >= 5


def test_the_edge_of_an_object_shows():
    for seed in range(30):
        scene = new_scene(rng(seed), (112, 112))
        before = np.asarray(scene.image.convert('L')).astype(float)
        assert add_item(
            rng(seed, 1),
            scene,
            seed % len(CLASSES),
            50.0,
            (56.0, 56.0),
            keep=0.0,
        )
        after = np.asarray(scene.image.convert('L')).astype(float)
        mask = scene.mask(0)
        mask &= ~ndimage.binary_erosion(mask, iterations=2)
        assert abs(after[mask].mean() - before[mask].mean()) > 30
        np.testing.assert_array_equal(after[0], before[0])


def test_keep_protects_what_was_there():
    scene = new_scene(rng(0), (112, 112))
    assert add_item(rng(1), scene, 2, 40.0, (56.0, 56.0), keep=0.0)
    picture = np.asarray(scene.image).copy()
    assert not add_item(rng(2), scene, 2, 40.0, (60.0, 56.0), keep=0.6)
    np.testing.assert_array_equal(np.asarray(scene.image), picture)
    assert add_item(rng(2), scene, 2, 40.0, (90.0, 56.0), keep=0.6)


@pytest.mark.parametrize('label', range(len(CLASSES)))
def test_object_image_shows_its_class_large(label):
    for seed in range(5):
        scene = object_image(rng(seed, label), label, 112)
        item = scene.items[0]
        assert item.label == label
        assert item.visible >= 0.8 * item.inside
        assert item.visible > 0.1 * scene.owner.size
