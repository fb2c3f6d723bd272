"""Focal loss and deformable attention against their kernels' formulas."""

import mmcv.ops
import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch.testing import assert_close

from ssl_bench.compat import attention


def test_sigmoid_focal_loss(golden):
    logits = golden['formula_sigmoid_focal_input'].clone().requires_grad_()
    target = golden['formula_sigmoid_focal_target']
    loss = mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    loss.sum().backward()
    expected = golden['formula_sigmoid_focal_output_gamma2_alpha025']
    moderate = logits.abs() < 16
    assert (~moderate).any() and (target == 8).any()
    assert_close(loss[moderate], expected[moderate], atol=1e-3, rtol=0)
    assert_close(loss[~moderate], expected[~moderate], atol=0.5, rtol=0)
    assert_close(
        logits.grad,
        golden['formula_sigmoid_focal_grad_gamma2_alpha025'],
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(
    'logit, target, value',
    [
        (0.0, 0, 0.25 * 0.25 * 0.6931472),
        (0.0, 1, 0.75 * 0.25 * 0.6931472),
        (30.0, 1, 0.75 * 87.33654),
        (-30.0, 1, 0.0),
        (-40.0, 0, 0.25 * 40.0),
        (-200.0, 0, 0.25 * 87.33654),
    ],
)
def test_focal_values_by_hand(logit, target, value):
    logits = torch.tensor([[logit]], requires_grad=True)
    loss = mmcv.ops.sigmoid_focal_loss(
        logits, torch.tensor([target]), 2.0, 0.25, None, 'sum'
    )
    assert_close(loss.detach(), torch.tensor(value), atol=1e-5, rtol=1e-5)
    loss.backward()
    assert logits.grad.isfinite().all()


def test_focal_weight_is_that_of_the_target_class():
    torch.manual_seed(0)
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 2, 1, 2, 0])
    weight = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    plain = mmcv.ops.sigmoid_focal_loss(
        logits, target, 2.0, 0.25, None, 'none'
    )
    loss = mmcv.ops.sigmoid_focal_loss(
        logits, target, 2.0, 0.25, weight, 'none'
    )
    assert_close(loss, plain * weight[target][:, None])
    assert torch.autograd.gradcheck(
        lambda x: mmcv.ops.sigmoid_focal_loss(
            x, target, 2.0, 0.25, weight, 'mean'
        ),
        logits,
    )
    with pytest.raises(ValueError, match='3 class weights, but targets .* 3'):
        mmcv.ops.sigmoid_focal_loss(
            logits, torch.tensor([0, 1, 2, 2, 3]), 2.0, 0.25, weight, 'none'
        )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_focal_loss_in_half_and_of_nothing(dtype):
    logits = torch.tensor(
        [[-3.0, 20.0], [1.0, 2.0]], dtype=dtype, requires_grad=True
    )
    target = torch.tensor([0, 2])
    loss = mmcv.ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none')
    single = mmcv.ops.sigmoid_focal_loss(
        logits.float(), target, 2.0, 0.25, None, 'none'
    )
    assert torch.equal(loss, single.to(dtype)) and loss.isfinite().all()
    loss.sum().backward()
    assert logits.grad.dtype == dtype and logits.grad.isfinite().all()
    nothing = torch.zeros(0, 4, requires_grad=True)
    mmcv.ops.sigmoid_focal_loss(
        nothing, target[:0], 2.0, 0.25, None, 'sum'
    ).backward()
    assert nothing.grad.shape == (0, 4)


def attention_inputs(golden, dtype=torch.float32):
    """The golden inputs in the order of mmcv's function."""
    value, shapes, locations, weights = (
        golden[f'ms_deform_attn_{name}']
        for name in (
            'value',
            'spatial_shapes',
            'sampling_locations',
            'attention_weights',
        )
    )
    starts = torch.cat((shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]))
    leaves = [
        tensor.to(dtype, copy=True).requires_grad_()
        for tensor in (value, locations, weights)
    ]
    return (leaves[0], shapes, starts, *leaves[1:], 64), leaves


def test_deformable_attention(golden):
    inputs, leaves = attention_inputs(golden)
    output = MultiScaleDeformableAttnFunction.apply(*inputs)
    output.backward(golden['ms_deform_attn_grad_output'])
    assert_close(
        output.detach(), golden['ms_deform_attn_output'], atol=1e-5, rtol=0
    )
    names = ('value', 'sampling_locations', 'attention_weights')
    for leaf, name in zip(leaves, names):
        assert_close(
            leaf.grad, golden[f'ms_deform_attn_grad_{name}'], atol=1e-5, rtol=0
        )


def test_deformable_attention_in_half(golden):
    inputs, leaves = attention_inputs(golden, torch.bfloat16)
    output = MultiScaleDeformableAttnFunction.apply(*inputs)
    output.sum().backward()
    assert output.dtype == torch.bfloat16
    assert_close(
        output.float(), golden['ms_deform_attn_output'], atol=0.1, rtol=0.05
    )
    assert all(leaf.grad.dtype == torch.bfloat16 for leaf in leaves)


def test_deformable_attention_without_queries(golden):
    inputs, leaves = attention_inputs(golden)
    output = attention.ms_deform_attn_forward(
        inputs[0],
        inputs[1],
        inputs[2],
        inputs[3][:, :0],
        inputs[4][:, :0],
        im2col_step=64,
    )
    assert output.shape == (2, 0, 16)
