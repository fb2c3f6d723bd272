"""The same numbers on an accelerator as on the CPU."""

import mmcv.ops
import pytest
import torch
from torch.testing import assert_close

DEVICE = 'cuda'
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason='needs a CUDA device'
    ),
]


def roi_align(pack, mode='avg'):
    return mmcv.ops.roi_align(
        pack['roi_align_s16_input'],
        pack['roi_align_s16_rois'],
        7,
        1 / 16,
        0,
        mode,
        True,
    )


def deform_conv(pack):
    return mmcv.ops.deform_conv2d(
        pack['deform0_input'],
        pack['deform0_offset'],
        pack['deform0_weight'],
        *same_size(pack),
    )


def modulated_deform_conv(pack):
    return mmcv.ops.modulated_deform_conv2d(
        *(
            pack[f'deform0_{name}']
            for name in ('input', 'offset', 'mask', 'weight', 'bias')
        ),
        *same_size(pack),
    )


def same_size(pack):
    groups, deform_groups, stride, padding, dilation = pack[
        'deform0_params'
    ].tolist()
    return stride, padding, dilation, groups, deform_groups


def focal(pack):
    return mmcv.ops.sigmoid_focal_loss(
        pack['formula_sigmoid_focal_input'],
        pack['formula_sigmoid_focal_target'],
    )


def roi_pool(pack):
    return mmcv.ops.roi_pool(
        pack['formula_roi_pool_input'],
        pack['formula_roi_pool_rois'],
        (4, 3),
        1 / 16,
    )


CASES = {
    'roi_align_s16_input': [roi_align, lambda pack: roi_align(pack, 'max')],
    'deform0_weight': [deform_conv, modulated_deform_conv],
    'formula_sigmoid_focal_input': [focal],
    'formula_roi_pool_input': [roi_pool],
}


@pytest.mark.parametrize(
    'leaf, function',
    [(leaf, function) for leaf in CASES for function in CASES[leaf]],
)
def test_output_and_gradient(golden, leaf, function):
    results = []
    for device in ('cpu', DEVICE):
        pack = {name: array.to(device) for name, array in golden.items()}
        pack[leaf] = pack[leaf].clone().requires_grad_()
        output = function(pack)
        (gradient,) = torch.autograd.grad(output.sum(), pack[leaf])
        assert output.device.type == device
        results.append((output.detach().cpu(), gradient.cpu()))
    for on_cpu, on_gpu in zip(*results):
        assert_close(on_gpu, on_cpu, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('offset', [0, 1])
def test_kept_boxes(golden, offset):
    _, keep = mmcv.ops.nms(
        golden['nms_boxes'].to(DEVICE),
        golden['nms_scores'].to(DEVICE),
        0.5,
        offset=offset,
    )
    assert torch.equal(keep.cpu(), golden[f'nms_keep_thr5_offset{offset}'])
