import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmpretrain.models import SelfSupDataPreprocessor
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.views import MakeViews, PackViews, draw_crop


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


@pytest.mark.parametrize('ratio', [(3 / 4, 4 / 3), (0.5, 2.0)])
def test_crops_are_torchvision_s(ratio):
    """The same rectangles, and the same random state after them."""
    rng = np.random.default_rng(0)
    logs = tuple(torch.tensor(ratio).log().tolist())
    for seed in range(150):
        height, width = rng.integers(1, 400, 2).tolist()
        if seed % 7 == 0:
            width = min(width, 5)  # no rectangle fits: the middle
        scale = (rng.uniform(0.05, 0.5), rng.uniform(0.5, 1))
        torch.manual_seed(seed)
        ours = draw_crop(height, width, scale, logs)
        after = torch.rand(())
        torch.manual_seed(seed)
        theirs = RandomResizedCrop.get_params(
            torch.empty(3, height, width), list(scale), list(ratio)
        )
        assert ours == tuple(theirs) and after == torch.rand(())
