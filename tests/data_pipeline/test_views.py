import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmpretrain.models import SelfSupDataPreprocessor
from PIL import Image, ImageFilter
from torchvision.transforms.v2 import functional as F

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.photometric import build_photometric, gaussian_blur
from ssl_bench.data.views import MakeViews, PackViews
from ssl_bench.errors import UserError


def coordinate_image(height=200, width=240):
    """Red encodes x, green encodes y, one grey level a pixel."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([x, y, np.zeros_like(x)], -1)


@pytest.mark.parametrize('seed', range(8))
def test_geometry_agrees_with_image_content(seed):
    torch.manual_seed(seed)
    results = MakeViews(
        [
            dict(size=64, scale=(0.1, 1.0)),
            dict(size=(48, 80), scale=(0.05, 0.5), interpolation='bicubic'),
        ]
    )(dict(img=coordinate_image()))
    for view, crop, flip in zip(
        results['img'], results['crops'], results['flips']
    ):
        height, width = view.shape[1:]
        geometry = ViewGeometry(
            tuple(crop.tolist()), (height, width), bool(flip)
        )
        rows, columns = torch.meshgrid(
            torch.arange(8, height - 8),
            torch.arange(8, width - 8),
            indexing='ij',
        )
        centres = torch.stack([columns, rows], -1) + 0.5
        source = geometry.to_source(centres)
        seen = view[:2, 8 : height - 8, 8 : width - 8].permute(1, 2, 0)
        # the pixel with index i has its centre at i + 0.5
        assert (seen - (source - 0.5)).abs().max() <= 1.0
        torch.testing.assert_close(
            geometry.to_view(source), centres, rtol=0, atol=1e-3
        )


def test_views_of_an_image_agree_with_each_other():
    torch.manual_seed(3)
    results = MakeViews([dict(size=64, scale=(0.5, 1.0), repeat=2)])(
        dict(img=coordinate_image())
    )
    first, second = (
        ViewGeometry(tuple(crop.tolist()), (64, 64), bool(flip))
        for crop, flip in zip(results['crops'], results['flips'])
    )
    grid = (
        torch.stack(
            torch.meshgrid(torch.arange(64), torch.arange(64), indexing='xy'),
            -1,
        )
        + 0.5
    )
    mapped = second.to_view(first.to_source(grid))  # (64, 64, 2)
    inside = ((mapped > 4) & (mapped < 60)).all(-1)
    inside[:4] = inside[-4:] = inside[:, :4] = inside[:, -4:] = False
    assert inside.sum() > 200
    index = (mapped[inside] - 0.5).round().long()
    one = results['img'][0][:2, inside].int()
    other = results['img'][1][:2, index[:, 1], index[:, 0]].int()
    assert (one - other).abs().max() <= 3  # nearest pixel, not interpolated


def test_box_in_view_is_mirrored():
    geometry = ViewGeometry(
        (0, 0, 10, 10), (100, 100), flip=True, placed=(10, 20, 40, 60)
    )
    assert geometry.box_in_view.tolist() == [60, 20, 90, 60]
    corner = geometry.to_view(torch.tensor([[0.0, 0.0], [10.0, 10.0]]))
    assert corner.tolist() == [[90, 20], [60, 60]]


@pytest.mark.parametrize('name', ['bilinear', 'bicubic'])
def test_resize_is_pil_s(photo, name):
    view = MakeViews(
        [
            dict(
                size=96,
                scale=(1.0, 1.0),
                ratio=(1.0, 1.0),
                flip=0.0,
                interpolation=name,
            )
        ]
    )(dict(img=photo))['img'][0]
    wanted = Image.fromarray(photo).resize(
        (96, 96), getattr(Image, name.upper())
    )
    difference = np.abs(
        view.permute(1, 2, 0).numpy().astype(int)
        - np.asarray(wanted).astype(int)
    )
    assert difference.max() <= 1


def test_pack_keeps_the_fields():
    results = MakeViews([dict(size=32, repeat=2)])(
        dict(img=coordinate_image(), img_path='a.jpg')
    )
    packed = PackViews()(results)
    assert [tuple(v.shape) for v in packed['inputs']] == [(3, 32, 32)] * 2
    sample = packed['data_samples']
    assert sample['crops'].shape == (2, 4) and sample['flips'].shape == (2,)
    assert sample['source_size'].tolist() == [200, 240]
    assert sample['img_path'] == 'a.jpg'


def test_a_batch_has_one_tensor_for_each_field():
    """None for each image: they are sent and copied one by one."""
    results = MakeViews([dict(size=32, repeat=2)])(
        dict(img=coordinate_image(), img_path='a.jpg')
    )
    batch = default_collate([PackViews()(dict(results)) for _ in range(3)])
    shapes = {
        name: tuple(value.shape)
        for name, value in batch['data_samples'].items()
        if name != 'img_path'
    }
    assert shapes == dict(crops=(3, 2, 4), flips=(3, 2), source_size=(3, 2))
    assert batch['data_samples']['img_path'] == ['a.jpg'] * 3
    preprocessor = SelfSupDataPreprocessor(mean=[0], std=[1])
    found = preprocessor(batch, True)
    assert torch.equal(
        found['data_samples']['crops'], batch['data_samples']['crops']
    )


@pytest.mark.parametrize('sigma', [0.1, 0.5, 1.0, 2.0])
def test_blur_is_pil_s(photo, sigma):
    ours = gaussian_blur(torch.from_numpy(photo).permute(2, 0, 1), sigma)
    pil = Image.fromarray(photo).filter(ImageFilter.GaussianBlur(sigma))
    assert np.array_equal(ours.permute(1, 2, 0).numpy(), np.asarray(pil))


@pytest.mark.parametrize(
    'adjust, factor',
    [
        ('adjust_brightness', 0.6),
        ('adjust_brightness', 1.4),
        ('adjust_contrast', 0.6),
        ('adjust_contrast', 1.4),
        ('adjust_saturation', 0.2),
        ('adjust_saturation', 1.8),
        ('adjust_hue', 0.1),
        ('adjust_hue', -0.2),
        ('solarize', 128),
        ('rgb_to_grayscale', 3),
    ],
)
def test_colour_steps_are_pil_s_within_two_levels(photo, adjust, factor):
    function = getattr(F, adjust)
    ours = function(torch.from_numpy(photo).permute(2, 0, 1), factor)
    pil = np.asarray(function(Image.fromarray(photo), factor)).astype(int)
    difference = np.abs(ours.permute(1, 2, 0).numpy().astype(int) - pil)
    assert difference.mean() < 2


def test_photometric_steps_apply_in_order():
    image = torch.full((3, 8, 8), 10, dtype=torch.uint8)
    steps = build_photometric(
        [
            dict(type='RandomInvert', p=1.0),  # 245
            dict(
                type='RandomApply',
                p=1.0,
                transforms=[dict(type='RandomSolarize', threshold=200, p=1.0)],
            ),
            lambda x: x + 1,
        ]
    )
    assert (steps(image) == 11).all()


def test_unknown_photometric_step_names_near_ones():
    with pytest.raises(UserError, match='ColorJitter'):
        build_photometric([dict(type='ColourJitter')])
