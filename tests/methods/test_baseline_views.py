"""The views of the baselines are those of mmpretrain's recipes.

Each config over a recipe of mmpretrain still has the recipe's own pipeline as
``train_pipeline``; `MakeViews` replaces it.
"""

import copy

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.datasets.transforms import ColorJitter, RandomResizedCrop

from ssl_bench.config import load_config
from ssl_bench.data.photometric import build_photometric
from ssl_bench.data.views import MakeViews, draw_crop

NAMES = [
    'mocov2_r50_200e',
    'simclr_r50_200e',
    'byol_r50_300e',
    'simsiam_r50_100e',
    'simsiam_r50_200e',
    'swav_r50_200e',
    'densecl_r50_200e',
    'mocov3_r50_100e',
    'mocov3_vitb16_300e',
    'mae_vitb16_800e',
    'mae_vitb16_1600e',
]
CHANGES = ('brightness', 'contrast', 'saturation', 'hue')


def plain(steps):
    """A recipe's steps as pairs of a kind and its settings."""
    for step in steps:
        kind = step['type'].rpartition('.')[2]
        p = step.get('prob')
        if kind == 'RandomApply':
            inner = step['transforms']
            inner = inner if isinstance(inner, (list, tuple)) else [inner]
            yield kind, p, *plain(inner)
        elif kind == 'ColorJitter':
            yield kind, *(step[name] for name in CHANGES)
        elif kind == 'GaussianBlur':
            assert step['magnitude_std'] == 'inf'  # uniform
            yield 'RandomGaussianBlur', p, tuple(step['magnitude_range'])
        elif kind == 'Solarize':
            if p:
                yield 'RandomSolarize', p, step['thr']
        elif kind == 'RandomGrayscale':
            yield kind, p


def ours(steps):
    for step in steps:
        kind, p = step['type'], step.get('p')
        if kind == 'RandomApply':
            yield kind, p, *ours(step['transforms'])
        elif kind == 'ColorJitter':
            yield kind, *(step[name] for name in CHANGES)
        elif kind == 'RandomGaussianBlur':
            yield kind, p, tuple(step['sigma'])
        elif kind == 'RandomSolarize':
            yield kind, p, step['threshold']
        else:
            yield kind, p


def recipe_views(config):
    """mmpretrain's pipeline of each view."""
    steps = config.train_pipeline
    if steps[1]['type'] != 'MultiView':
        return [steps[1:-1]]
    counts = steps[1]['num_views']
    counts = [counts] if isinstance(counts, int) else counts
    return [
        view
        for count, view in zip(counts, steps[1]['transforms'], strict=True)
        for _ in range(count)
    ]


@pytest.mark.parametrize('name', NAMES)
def test_settings(name):
    config = load_config(name)
    assert config.data_preprocessor.to_rgb is False  # our reader gives RGB
    make, pack = config.train_dataloader.dataset.pipeline
    assert (make.type, pack.type) == ('MakeViews', 'PackViews')
    views = [
        view for view in make['views'] for _ in range(view.get('repeat', 1))
    ]
    theirs = recipe_views(config)
    assert len(views) == len(theirs)
    for view, steps in zip(views, theirs):
        crop = steps[0]
        assert crop['type'] == 'RandomResizedCrop'
        assert view['size'] == crop['scale']
        scale = crop.get('crop_ratio_range', (0.08, 1.0))
        assert tuple(view['scale']) == tuple(scale)
        mode = crop.get('interpolation', 'bilinear')
        if name.startswith('simclr'):
            mode = 'bicubic'  # as released
        assert view.get('interpolation', 'bilinear') == mode
        flips = [s['prob'] for s in steps if s['type'] == 'RandomFlip']
        assert [view['flip']] == flips
        photometric = view.get('photometric', ())
        assert list(ours(photometric)) == list(plain(steps))


def test_mocov1_changes_grey_first_and_jitters_always():
    make = load_config('mocov1_r50_200e').train_dataloader.dataset.pipeline[0]
    (view,) = make['views']
    assert (view['repeat'], view['scale']) == (2, (0.2, 1.0))
    assert list(ours(view['photometric'])) == [
        ('RandomGrayscale', 0.2),
        ('ColorJitter', 0.4, 0.4, 0.4, 0.4),
    ]


def quantiles(values):
    return np.quantile(np.asarray(values, float), np.linspace(0.05, 0.95, 19))


@pytest.mark.parametrize('scale', [(0.2, 1.0), (0.05, 0.14)])
def test_crops_are_distributed_as_mmpretrains(scale):
    """Area, ratio and place, each at 19 quantiles of 3000 draws."""
    image = np.zeros((375, 500, 3), np.uint8)
    theirs = RandomResizedCrop(224, crop_ratio_range=scale)
    logs = tuple(torch.tensor((3 / 4, 4 / 3)).log().tolist())
    np.random.seed(0)
    torch.manual_seed(0)
    boxes = [theirs.rand_crop_params(image) for _ in range(3000)]
    crops = [draw_crop(375, 500, scale, logs) for _ in range(3000)]
    for measure in (
        lambda top, left, h, w: h * w / (375 * 500),
        lambda top, left, h, w: np.log(w / h),
        lambda top, left, h, w: top / (375 - h + 1),
        lambda top, left, h, w: left / (500 - w + 1),
    ):
        one, two = (
            quantiles([measure(*box) for box in found])
            for found in (boxes, crops)
        )
        assert np.abs(one - two).max() < 0.05 * np.ptp(one), (one, two)


def test_jitters_are_distributed_as_mmpretrains():
    """Four factors at 19 quantiles, and how often each change is first."""
    settings = dict(brightness=0.4, contrast=0.8, saturation=0.2, hue=0.1)
    theirs = ColorJitter(**settings)
    recipe = build_photometric([dict(type='ColorJitter', **settings)])
    np.random.seed(0)
    torch.manual_seed(0)
    drawn = torch.stack([recipe.draw() for _ in range(3000)]).numpy()
    found = [theirs._rand_params() for _ in range(3000)]
    for i in range(4):
        one = quantiles([each[i + 1] for each in found])
        two = quantiles(drawn[:, 5 + i])
        assert np.abs(one - two).max() < 0.05 * np.ptp(one)
    for place in range(4):
        one = np.bincount([each[0][place] for each in found], minlength=4)
        two = np.bincount(drawn[:, 1 + place].astype(int), minlength=4)
        assert np.abs(one - two).max() < 0.05 * 3000


@pytest.mark.parametrize(
    'name', ['mocov2_r50_200e', 'byol_r50_300e', 'swav_r50_200e']
)
def test_pixels_are_distributed_as_mmpretrains(registered, photo, name):
    """Mean and deviation of each channel over 300 small views."""
    config = load_config(name)
    steps = copy.deepcopy(recipe_views(config)[-1])
    steps[0]['scale'] = 32
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        from mmpretrain.registry import TRANSFORMS

        theirs = Compose([TRANSFORMS.build(step) for step in steps])
    view = dict(config.train_dataloader.dataset.pipeline[0]['views'][-1])
    make = MakeViews([view | dict(size=32, repeat=1)])
    image = np.ascontiguousarray(photo[:240, :320])
    backwards = np.ascontiguousarray(image[..., ::-1])
    np.random.seed(1)
    torch.manual_seed(1)
    one, two = [], []
    for _ in range(300):
        bgr = theirs(dict(img=backwards, img_shape=image.shape[:2]))['img']
        one.append(bgr[..., ::-1].astype(float))
        rgb = make(dict(img=image))['img'][0].permute(1, 2, 0).numpy()
        two.append(rgb.astype(float))
    for measure in (np.mean, np.std):
        first, second = (
            measure(np.stack(found), axis=(1, 2)) for found in (one, two)
        )  # (300, 3) each
        error = np.sqrt((first.var(0) + second.var(0)) / 300)
        assert (np.abs(first.mean(0) - second.mean(0)) < 4 * error).all()
