"""RoIAlign and RoIPool against compiled mmcv, and their edges."""

import mmcv.ops
import pytest
import torch
from torch.testing import assert_close

#: (aligned, sampling ratio, pooling) of the golden arrays.
ALIGN = [
    (1, 0, 'avg'),
    (1, 2, 'avg'),
    (0, 0, 'avg'),
    (0, 2, 'avg'),
    (1, 0, 'max'),
]


def scene(dtype=torch.float32):
    """A small map and RoIs inside, beyond the border, empty, of no image."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 8, 9, generator=generator)
    rois = torch.tensor(
        [
            [0, 3.1, 2.2, 20.4, 17.3],
            [1, -7, -5, 12.6, 40],
            [1, 6, 6, 6, 6],
            [0, 10.3, 9.1, 60, 50],
        ]
    )
    return features.to(dtype), rois.to(dtype)


@pytest.mark.parametrize('aligned, ratio, mode', ALIGN)
@pytest.mark.parametrize('scale', ['s16', 's4'])
def test_roi_align(golden, scale, aligned, ratio, mode):
    spatial_scale, size = golden[f'roi_align_{scale}_params'].tolist()
    features = golden[f'roi_align_{scale}_input'].clone().requires_grad_()
    layer = mmcv.ops.RoIAlign(
        int(size), spatial_scale, ratio, mode, bool(aligned)
    )
    output = layer(features, golden[f'roi_align_{scale}_rois'])
    output.backward(golden[f'roi_align_{scale}_grad_output'])
    name = f'roi_align_{scale}_aligned{aligned}_sr{ratio}_{mode}'
    assert_close(output.detach(), golden[f'{name}_output'], atol=1e-6, rtol=0)
    assert_close(
        features.grad, golden[f'{name}_grad_input'], atol=1e-6, rtol=0
    )


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align_gradient_in_float64(mode, ratio):
    features, rois = scene(torch.float64)
    rois = rois[[0, 3]]
    features = features[:1, :1, ::2, ::2].contiguous().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: mmcv.ops.roi_align(x, rois, 2, 0.125, ratio, mode, True),
        features,
    )


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_roi_align_without_rois(mode):
    features, rois = scene()
    features.requires_grad_()
    output = mmcv.ops.roi_align(features, rois[:0], 7, 0.25, 0, mode, True)
    assert output.shape == (0, 3, 7, 7)
    output.sum().backward()
    assert torch.equal(features.grad, torch.zeros_like(features))


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_in_half_is_float32_rounded(dtype, mode):
    features, rois = scene(dtype)
    grad_output = torch.randn(
        4, 3, 4, 4, generator=torch.Generator().manual_seed(1)
    ).to(dtype)
    results = []
    for cast in (dtype, torch.float32):
        x = features.detach().to(cast, copy=True).requires_grad_()
        y = mmcv.ops.roi_align(x, rois.to(cast), 4, 0.25, 2, mode, True)
        y.backward(grad_output.to(cast))
        results.append((y.detach(), x.grad))
    for half, single in zip(*results):
        assert half.dtype == dtype
        assert torch.equal(half, single.to(dtype))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_after_an_autocast_convolution(dtype):
    features, rois = scene()
    layer = torch.nn.Conv2d(3, 4, 3, padding=1)
    with torch.autocast('cpu', dtype):
        mapped = layer(features)
        assert mapped.dtype == dtype
        pooled = mmcv.ops.roi_align(mapped, rois, 4, 0.25, 0, 'avg', True)
    pooled.float().pow(2).sum().backward()
    expected = mmcv.ops.roi_align(
        layer(features), rois, 4, 0.25, 0, 'avg', True
    )
    assert_close(pooled.float(), expected, atol=0.03, rtol=0.03)
    assert layer.weight.grad.isfinite().all() and layer.weight.grad.any()


def test_inverted_roi_gives_zeros_when_aligned():
    features, _ = scene()
    roi = torch.tensor([[0, 20.0, 20.0, 4.0, 4.0]])
    output = mmcv.ops.roi_align(features, roi, 2, 0.25, 0, 'avg', True)
    assert torch.equal(output, torch.zeros(1, 3, 2, 2))
    output = mmcv.ops.roi_align(features, roi, 1, 0.25, 1, 'avg', False)
    assert_close(output[0, :, 0, 0], features[0, :, 5:7, 5:7].mean((1, 2)))


def loop_roi_pool(features, rois, size, scale):
    """mmcv's RoIPool, bin by bin: values (K, C, P, Q)."""
    output = features.new_zeros(len(rois), features.shape[1], *size)
    for k, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        edges = []
        for low, high, bins, length in (
            (y1, y2, size[0], features.shape[2]),
            (x1, x2, size[1], features.shape[3]),
        ):
            start, step = low * scale, (high + 1 - low) * scale / bins
            edges.append(
                [
                    (
                        max(
                            0,
                            min(
                                length,
                                int(
                                    torch.tensor(
                                        start + i * step, dtype=torch.float64
                                    ).floor()
                                ),
                            ),
                        ),
                        max(
                            0,
                            min(
                                length,
                                int(
                                    torch.tensor(
                                        start + (i + 1) * step,
                                        dtype=torch.float64,
                                    ).ceil()
                                ),
                            ),
                        ),
                    )
                    for i in range(bins)
                ]
            )
        for p, (top, bottom) in enumerate(edges[0]):
            for q, (left, right) in enumerate(edges[1]):
                window = features[int(image), :, top:bottom, left:right]
                if window.numel():
                    output[k, :, p, q] = window.amax((1, 2))
    return output


def test_roi_pool(golden):
    features = golden['formula_roi_pool_input'].clone().requires_grad_()
    rois = golden['formula_roi_pool_rois']
    output = mmcv.ops.roi_pool(features, rois, (4, 3), 1 / 16)
    assert torch.equal(
        output.detach(), golden['formula_roi_pool_output_4x3_scale16']
    )
    weights = torch.randn(
        output.shape, generator=torch.Generator().manual_seed(0)
    )
    output.backward(weights)
    argmax = golden['formula_roi_pool_argmax'].long()
    expected = torch.zeros_like(features)
    for k, c, p, q in (argmax >= 0).nonzero().tolist():
        plane = expected[int(rois[k, 0]), c].view(-1)
        plane[argmax[k, c, p, q]] += weights[k, c, p, q]
    assert_close(features.grad, expected, atol=1e-5, rtol=0)


def test_roi_pool_argmax(golden):
    from mmcv import _ext

    features = golden['formula_roi_pool_input']
    expected = golden['formula_roi_pool_argmax']
    argmax = torch.zeros_like(expected)
    _ext.roi_pool_forward(
        features,
        golden['formula_roi_pool_rois'],
        features.new_zeros(expected.shape),
        argmax,
        pooled_height=4,
        pooled_width=3,
        spatial_scale=1 / 16,
    )
    assert torch.equal(argmax, expected)


def test_roi_pool_against_the_loop_and_its_gradient():
    features, rois = scene(torch.float64)
    output = mmcv.ops.roi_pool(features, rois, (3, 2), 0.25)
    assert torch.equal(output, loop_roi_pool(features, rois, (3, 2), 0.25))
    assert (output == 0).any()  # empty bins
    small = features[:1, :1, ::2, ::2].contiguous().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: mmcv.ops.roi_pool(x, rois[[0, 3]], (3, 2), 0.125), small
    )


def test_roi_pool_of_nothing_inverted_and_half():
    features, rois = scene()
    features.requires_grad_()
    output = mmcv.ops.roi_pool(features, rois[:0], 3, 0.25)
    assert output.shape == (0, 3, 3, 3)
    inverted = torch.tensor([[0, 20.0, 20.0, 4.0, 4.0]])
    output = mmcv.ops.roi_pool(features, inverted, 2, 0.25)
    output.sum().backward()
    assert not output.any() and not features.grad.any()
    half = mmcv.ops.roi_pool(features.bfloat16(), rois.bfloat16(), 3, 0.25)
    single = mmcv.ops.roi_pool(
        features.bfloat16().float(), rois.bfloat16().float(), 3, 0.25
    )
    assert torch.equal(half.float(), single)


def test_a_view_is_filled_in_place():
    from mmcv import _ext

    features, rois = scene()
    stack = torch.zeros(2, 4, 3, 2, 2)
    nothing = torch.zeros(0)
    _ext.roi_align_forward(
        features,
        rois,
        stack[1],
        nothing,
        nothing,
        aligned_height=2,
        aligned_width=2,
        spatial_scale=0.25,
        sampling_ratio=0,
        pool_mode=1,
        aligned=True,
    )
    expected = mmcv.ops.roi_align(features, rois, 2, 0.25, 0, 'avg', True)
    assert torch.equal(stack[1], expected) and not stack[0].any()
