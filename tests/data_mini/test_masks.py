"""Masks as boxes, polygons and runs, against pycocotools and by hand."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import ndimage

from ssl_bench.data.mini.masks import extent, polygons, run_lengths


def decode(shape, height, width):
    """pycocotools' reading of a polygon list or of uncompressed runs."""
    runs = coco_mask.frPyObjects(shape, height, width)
    if isinstance(runs, list):
        runs = coco_mask.merge(runs)
    return coco_mask.decode(runs).astype(bool)


def blobs(seed):
    """Random blobs with holes, corner contacts and frame contacts."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(
        rng.normal(size=(31, 43)), rng.uniform(0.3, 3)
    )
    mask = noise > np.quantile(noise, rng.uniform(0.2, 0.8))
    mask[0, 0] = True
    return mask


def test_extent_by_hand():
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2] = mask[3, 2:6] = True
    assert extent(mask) == (2, 1, 6, 4)


def test_run_lengths_by_hand():
    mask = np.array([[0, 1], [1, 1], [0, 0]], bool)
    assert run_lengths(mask) == dict(counts=[1, 1, 1, 2, 1], size=[3, 2])


@pytest.mark.parametrize('seed', range(40))
def test_polygons_and_runs_decode_to_the_same_pixels(seed):
    mask = blobs(seed)
    np.testing.assert_array_equal(decode(run_lengths(mask), 31, 43), mask)
    # pycocotools asks for three points and more
    parts = polygons(mask)
    assert min(len(part) for part in parts) >= 8
    np.testing.assert_array_equal(decode(parts, 31, 43), mask)


def test_full_and_single_pixel_masks():
    full = np.ones((4, 6), bool)
    assert run_lengths(full)['counts'] == [0, 24]
    assert polygons(full) == [[0, 0, 6, 0, 6, 4, 0, 4]]
    dot = np.zeros((4, 6), bool)
    dot[2, 3] = True
    assert polygons(dot) == [[3, 2, 4, 2, 4, 3, 3, 3]]


def test_a_hole_is_cut_open():
    ring = np.ones((9, 9), bool)
    ring[3:6, 3:6] = False
    parts = polygons(ring)
    assert len(parts) == 2
    np.testing.assert_array_equal(decode(parts, 9, 9), ring)
