"""Colour operations against torchvision on Pillow's images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from ssl_bench.data.photometric import gaussian_blur

PACK = np.load(Path(__file__).parents[1] / 'data' / 'photometric.npz')
JITTER = (
    F.adjust_brightness,
    F.adjust_contrast,
    F.adjust_saturation,
    F.adjust_hue,
)


def pictures(key='images'):
    """(N, 3, H, W) uint8."""
    return torch.from_numpy(PACK[key]).permute(0, 3, 1, 2)


def difference(outputs, key):
    """Mean and maximum, in levels, over all pictures."""
    levels = (torch.stack(outputs).int() - pictures(key).int()).abs()
    return float(levels.float().mean()), int(levels.max())


# largest mean and maximum
@pytest.mark.parametrize(
    'name, function, argument, mean, largest',
    [
        ('brightness', JITTER[0], 'factor', 0, 0),
        ('contrast', JITTER[1], 'factor', 0.2, 1),
        ('saturation', JITTER[2], 'factor', 0.2, 1),
        ('hue', JITTER[3], 'factor', 0.55, 8),
        ('blur', gaussian_blur, 'sigma', 0, 0),
        ('solarize', F.solarize, 'threshold', 0, 0),
    ],
)
def test_operation(name, function, argument, mean, largest):
    outputs = [
        function(image, float(value))
        for image, value in zip(
            pictures(), PACK[f'{name}/{argument}'], strict=True
        )
    ]
    found = difference(outputs, f'{name}/out')
    assert found[0] <= mean and found[1] <= largest, found


def test_grey_and_flip():
    grey = [F.rgb_to_grayscale(image, 3) for image in pictures()]
    assert difference(grey, 'grayscale/out')[1] <= 1
    flipped = [F.horizontal_flip(image) for image in pictures()]
    assert difference(flipped, 'flip/out') == (0, 0)


def test_chains():
    """Four jitter operations in the order drawn, then the others."""
    outputs = []
    for i, image in enumerate(pictures()):
        jitter, grey, blur, solarize, flip = PACK['chain/flags'][i]
        if jitter:
            for which in PACK['chain/order'][i]:
                factor = float(PACK['chain/factors'][i][which])
                image = JITTER[which](image, factor)
        if grey:
            image = F.rgb_to_grayscale(image, 3)
        if blur:
            image = gaussian_blur(image, float(PACK['chain/sigma'][i]))
        if solarize:
            image = F.solarize(image, 128)
        if flip:
            image = F.horizontal_flip(image)
        outputs.append(image)
    assert difference(outputs, 'chain/out')[0] <= 0.8
