"""InsLoc-FPN's pyramid and box head reach the detector, when asked for."""

import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import note_weights
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone

FRESH = ('fc_cls.', 'fc_reg.', 'fc_norm.')


def detector(recipe):
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    plan = make_plan('mini_coco_mrcnn_fpn', recipe=recipe)
    with DefaultScope.overwrite_default_scope('mmdet'):
        net = MODELS.build(plan.config.model)
    net.init_weights()
    return plan, net


def noise(module, leave=()):
    """Other weights for every tensor of a module."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(value.shape, generator=generator)
        for name, value in module.state_dict().items()
        if not name.startswith(leave)
        and not name.endswith('num_batches_tracked')
    }


@pytest.fixture
def pretrained(registered):
    """As conversion leaves the official file: a projector on the head."""
    net = detector('insloc')[1]
    backbone = thin_backbone()
    backbone.neck = noise(net.neck)
    backbone.roi_head = {
        f'bbox_head.{name}': value
        for name, value in noise(net.roi_head.bbox_head, FRESH).items()
    }
    backbone.roi_head.update(
        {
            'bbox_head.shared_fcs.1.weight': torch.rand(16, 128),
            'bbox_head.shared_fcs.1.bias': torch.rand(16),
        }
    )
    return Source(backbone, backbone.arch, backbone.meta['arch_args'])


def test_pyramid_and_head_are_transferred(pretrained):
    plan, net = detector('insloc')
    assert plan.config.transfer_neck_and_head
    head = net.roi_head.bbox_head
    assert type(head).__name__ == 'InsLocBoxHead'
    before = head.fc_cls.weight.clone()
    load_backbone(net, pretrained, True)
    for module, wanted in (
        (net.neck, pretrained.backbone.neck),
        (
            head,
            {
                name[10:]: value
                for name, value in pretrained.backbone.roi_head.items()
            },
        ),
    ):
        state = module.state_dict()
        for name, value in state.items():
            if not name.startswith(FRESH) and not name.endswith(
                'num_batches_tracked'
            ):
                assert torch.equal(value, wanted[name]), name
    assert torch.equal(head.fc_cls.weight, before)  # newly initialised
    note_weights(plan, pretrained)
    assert plan.changes[-1] == 'pretrained neck and box head transferred'


def test_only_when_asked_for(pretrained):
    plan, net = detector(None)
    before = {
        name: value.clone()
        for name, value in net.state_dict().items()
        if not name.startswith('backbone.')
    }
    load_backbone(net, pretrained)
    after = net.state_dict()
    assert all(
        torch.equal(after[name], value) for name, value in before.items()
    )
    note_weights(plan, pretrained)
    assert plan.changes[-1] == 'pretrained neck and box head not transferred'


def test_a_renamed_tensor_of_the_pyramid_is_refused(pretrained):
    neck = pretrained.backbone.neck
    neck['fpn_convs.2.conv.weightx'] = neck.pop('fpn_convs.2.conv.weight')
    with pytest.raises(UserError, match='fpn_convs.2.conv.weight'):
        load_backbone(detector('insloc')[1], pretrained, True)
