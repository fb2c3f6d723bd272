"""Deformable convolutions against compiled mmcv, and their edges."""

import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close


def case(golden, number):
    """Arrays of one golden case without its prefix, and its parameters."""
    prefix = f'deform{number}_'
    arrays = {
        name[len(prefix) :]: array.clone()
        for name, array in golden.items()
        if name.startswith(prefix)
    }
    groups, deform_groups, stride, padding, dilation = arrays.pop(
        'params'
    ).tolist()
    return arrays, (stride, padding, dilation, groups, deform_groups)


def check(arrays, version, leaves, output):
    """Compare output and the gradients of all leaves with the pack."""
    output.backward(arrays['grad_output'])
    assert_close(
        output.detach(), arrays[f'{version}_output'], atol=1e-5, rtol=0
    )
    for name in leaves:
        assert_close(
            arrays[name].grad,
            arrays[f'{version}_grad_{name}'],
            atol=1e-4,
            rtol=0,
            msg=lambda text: f'{name}: {text}',
        )


@pytest.mark.parametrize('number', range(4))
def test_v1(golden, number):
    arrays, params = case(golden, number)
    leaves = ('input', 'offset', 'weight')
    output = mmcv.ops.deform_conv2d(
        *(arrays[name].requires_grad_() for name in leaves), *params
    )
    check(arrays, 'v1', leaves, output)


@pytest.mark.parametrize('number', range(4))
def test_v2(golden, number):
    arrays, params = case(golden, number)
    leaves = ('input', 'offset', 'mask', 'weight', 'bias')
    output = mmcv.ops.modulated_deform_conv2d(
        *(arrays[name].requires_grad_() for name in leaves), *params
    )
    check(arrays, 'v2', leaves, output)


def test_zero_offsets_are_a_convolution_of_unequal_sides():
    """Height and width keep their places in both calling conventions."""
    torch.manual_seed(0)
    features, weight = torch.randn(2, 4, 9, 12), torch.randn(6, 2, 3, 2)
    settings = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2)
    expected = F.conv2d(features, weight, **settings)
    offset = features.new_zeros(2, 2 * 6, *expected.shape[2:])
    mask = torch.ones_like(offset[:, :6])
    args = ((2, 1), (1, 2), (1, 3), 2, 1)
    v1 = mmcv.ops.deform_conv2d(features, offset, weight, *args)
    v2 = mmcv.ops.modulated_deform_conv2d(
        features, offset, mask, weight, None, *args
    )
    assert_close(v1, expected, atol=1e-5, rtol=0)
    assert_close(v2, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize('bias', [True, False])
def test_gradients_in_float64(bias):
    torch.manual_seed(1)
    leaves = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in (
            (2, 2, 4, 5),
            (2, 8, 3, 4),
            (2, 4, 3, 4),
            (2, 2, 2, 2),
            (2,),
        )
    ]
    v1 = [leaves[i] for i in (0, 1, 3)]
    assert torch.autograd.gradcheck(mmcv.ops.deform_conv2d, v1)
    v2 = leaves if bias else leaves[:4]
    assert torch.autograd.gradcheck(mmcv.ops.modulated_deform_conv2d, v2)


def test_weight_gradient_never_comes_from_another_backward_pass(golden):
    arrays, params = case(golden, 0)
    leaves = [
        arrays[name].requires_grad_() for name in ('input', 'offset', 'weight')
    ]
    output = mmcv.ops.deform_conv2d(*leaves, *params)
    first, second = torch.randn(2, *output.shape)
    torch.autograd.grad(output, leaves[:2], first, retain_graph=True)
    (got,) = torch.autograd.grad(output, leaves[2:], second, retain_graph=True)
    expected = torch.autograd.grad(output, leaves, second)[2]
    assert_close(got, expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_layers_under_autocast(dtype):
    torch.manual_seed(2)
    features = torch.randn(2, 4, 7, 8)
    for name in ('DeformConv2dPack', 'ModulatedDeformConv2dPack'):
        layer = getattr(mmcv.ops, name)(4, 4, 3, padding=1)
        torch.nn.init.normal_(layer.conv_offset.weight, std=0.1)
        expected = layer(features)
        with torch.autocast('cpu', dtype):
            output = layer(features)
        assert output.dtype == dtype
        assert_close(output.float(), expected, atol=0.05, rtol=0.05)
        output.float().sum().backward()
        for parameter in layer.parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.any()
