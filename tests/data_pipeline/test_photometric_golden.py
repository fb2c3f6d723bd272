"""Colour changes and crops against torchvision on Pillow's images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from ssl_bench.data.photometric import on_image
from ssl_bench.data.views import resized_crop

PACK = np.load(Path(__file__).parents[1] / 'data' / 'photometric.npz')
CHANGES = (
    on_image.brightness,
    on_image.contrast,
    on_image.saturation,
    on_image.hue,
)


def difference(outputs, key):
    """Mean and maximum, in levels, over all pictures."""
    levels = np.abs(np.stack(outputs).astype(int) - PACK[key])
    return float(levels.mean()), int(levels.max())


# largest mean and maximum
@pytest.mark.parametrize(
    'name, argument, mean, largest',
    [
        ('brightness', 'factor', 0, 0),
        ('contrast', 'factor', 0, 0),
        ('saturation', 'factor', 0, 0),
        ('hue', 'factor', 0.55, 8),
        ('blur', 'sigma', 0, 0),
        ('solarize', 'threshold', 0, 0),
    ],
)
def test_operation(name, argument, mean, largest):
    function = getattr(on_image, name)
    outputs = [
        function(image, float(value))
        for image, value in zip(
            PACK['images'], PACK[f'{name}/{argument}'], strict=True
        )
    ]
    found = difference(outputs, f'{name}/out')
    assert found[0] <= mean and found[1] <= largest, found


def test_grey_and_flip():
    images = PACK['images']
    grey = [on_image.grayscale(image) for image in images]
    assert difference(grey, 'grayscale/out') == (0, 0)
    flipped = [cv2.flip(image, 1) for image in images]
    assert difference(flipped, 'flip/out') == (0, 0)


@pytest.mark.parametrize('blurred', [False, True])
def test_chains(blurred):
    """Four jitter operations in the order drawn, then the others."""
    means = []
    for i, image in enumerate(PACK['images']):
        jitter, grey, blur, solarize, flip = PACK['chain/flags'][i]
        if blur != blurred:
            continue
        if jitter:
            for which in PACK['chain/order'][i]:
                factor = float(PACK['chain/factors'][i][which])
                image = CHANGES[which](image, factor)
        if grey:
            image = on_image.grayscale(image)
        if blur:
            image = on_image.blur(image, float(PACK['chain/sigma'][i]))
        if solarize:
            image = on_image.solarize(image, 128)
        if flip:
            image = cv2.flip(image, 1)
        levels = np.abs(image.astype(int) - PACK['chain/out'][i])
        means.append(levels.mean())
    assert len(means) > 3 and np.mean(means) <= 0.8, means


# largest mean and maximum
@pytest.mark.parametrize(
    'name, mean, largest', [('bilinear', 0.05, 1), ('bicubic', 0.06, 2)]
)
def test_crops(name, mean, largest):
    crops = [
        resized_crop(image, *box.tolist(), (32, 48), name)
        .permute(1, 2, 0)
        .numpy()
        for image, box in zip(
            PACK['images'], PACK['crop/top_left_height_width']
        )
    ]
    found = difference(crops, f'crop/{name}')
    assert found[0] <= mean and found[1] <= largest, found
