"""A factor from a range, relative to the image's own size."""

import numpy as np
import pytest


@pytest.fixture
def scale(registered):
    from ssl_bench.toolbox.random_scale import RandomScale

    return RandomScale((0.5, 2.0))


def row(height, width):
    return dict(
        img=np.zeros((height, width, 3), np.uint8),
        img_shape=(height, width),
        gt_seg_map=np.arange(height * width, dtype=np.uint8).reshape(
            height, width
        ),
        seg_fields=['gt_seg_map'],
    )


def test_factors_are_uniform_and_sizes_are_the_images_own(scale):
    np.random.seed(0)
    factors = []
    for index in range(400):
        height, width = (100, 160) if index % 2 else (240, 80)
        found = scale(row(height, width))
        got = np.array(found['img'].shape[:2]) / (height, width)
        assert abs(got[0] - got[1]) < 0.02  # one factor for both sides
        assert found['gt_seg_map'].shape == found['img'].shape[:2]
        factors.append(got.mean())
    factors = np.array(factors)
    assert 0.49 < factors.min() < 0.53 and 1.97 < factors.max() < 2.01
    assert abs(factors.mean() - 1.25) < 0.06
    # no grid: 400 draws from 31 steps would repeat
    assert len(np.unique(np.round(factors, 3))) > 150


def test_labels_are_not_mixed(scale):
    np.random.seed(1)
    found = scale(row(16, 16))['gt_seg_map']
    assert set(np.unique(found)) <= set(range(256))
    labels = np.where(np.arange(256).reshape(16, 16) % 2, 255, 0)
    mixed = scale(dict(row(16, 16), gt_seg_map=labels.astype(np.uint8)))
    assert set(np.unique(mixed['gt_seg_map'])) == {0, 255}


@pytest.mark.parametrize('wrong', [(0.0, 2.0), (2.0, 0.5)])
def test_a_range_that_is_none(registered, wrong):
    from ssl_bench.toolbox.random_scale import RandomScale

    with pytest.raises(ValueError, match='rising order'):
        RandomScale(wrong)
