"""The views of PixPro's recipe against the released program's pixels."""

import random
from pathlib import Path

import numpy as np
import torch
from mmpretrain.models import SelfSupDataPreprocessor
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from ssl_bench.data.photometric import build_photometric, on_image

PACK = np.load(Path(__file__).parents[1] / 'data' / 'pixpro.npz')


def image(name):
    return torch.from_numpy(PACK[name]).permute(2, 0, 1).contiguous()


def difference(actual, name):
    return (actual.int() - image(name).int()).abs()


def test_crop_flip_blur_solarize_normalize():
    """Each step on the program's previous result (group a.pix)."""
    top, left, height, width, size, sigma = PACK['a.pix.ijhw_size_sigma']
    crop = F.resized_crop(
        image('a.pix.image'),
        int(top),
        int(left),
        int(height),
        int(width),
        [int(size)] * 2,
        InterpolationMode.BILINEAR,
        True,
    )
    assert difference(crop, 'a.pix.crop').max() <= 1
    flip = F.horizontal_flip(image('a.pix.crop'))
    assert difference(flip, 'a.pix.flip').max() == 0
    blurred = on_image.blur(PACK['a.pix.flip'], float(sigma))
    assert np.array_equal(blurred, PACK['a.pix.blur'])
    solarize = build_photometric(
        [dict(type='RandomSolarize', threshold=128, p=1.0)]
    )
    assert (
        difference(solarize(image('a.pix.blur')), 'a.pix.solarize').max() == 0
    )
    normalize = SelfSupDataPreprocessor(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]
    )
    normalized = normalize(
        dict(inputs=[image('a.pix.solarize')[None]], data_samples=[])
    )
    np.testing.assert_allclose(
        normalized['inputs'][0][0], PACK['a.pix.normalized'], 0, 1e-6
    )


def test_crops_with_the_programs_draws(monkeypatch):
    """Python's generator in torch's place gives the same 18 crops.

    Our views draw from torch's generator, which resumes and splits over
    workers; the formula, its ten attempts and the fallback are the same.
    """
    draw = random.Random(int(PACK['a.sample_seed']))
    monkeypatch.setattr(
        torch.Tensor,
        'uniform_',
        lambda self, low, high: self.fill_(draw.uniform(low, high)),
    )
    monkeypatch.setattr(
        torch,
        'randint',
        lambda low, high, size: torch.tensor([draw.randint(low, high - 1)]),
    )
    for width, height, *expected in PACK['a.sample_WHijhw'].tolist():
        crop = RandomResizedCrop.get_params(
            torch.zeros(3, height, width),
            PACK['a.sample_scale'].tolist(),
            [3 / 4, 4 / 3],
        )
        assert list(crop) == expected
