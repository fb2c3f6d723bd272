"""What random initialisation is: every residual branch takes part."""

import math

import pytest
import torch
from mmengine.registry import DefaultScope

from ssl_bench.tasks.table import tasks
from ssl_bench.transfer.plan import make_plan

pytestmark = pytest.mark.slow

SCOPES = dict(
    mmdet='mmdet', mmseg='mmseg', mmpretrain='mmpretrain', probe='mmpretrain'
)


def backbone_of(task):
    """The initialised backbone of a task, None where it is a ViT."""
    from mmdet.registry import MODELS as MMDET
    from mmpretrain.registry import MODELS as MMPRETRAIN
    from mmseg.registry import MODELS as MMSEG

    config = make_plan(task).config
    settings = config.get('model', config).backbone
    if not settings.type.startswith('ResNet'):
        return None
    scope = SCOPES[tasks()[task].toolbox]
    registry = dict(mmdet=MMDET, mmseg=MMSEG, mmpretrain=MMPRETRAIN)[scope]
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        backbone = registry.build(settings)
        backbone.init_weights()
    return backbone


@pytest.mark.parametrize('task', tasks())
def test_random_residual_branches_are_not_zeroed(registered, task):
    backbone = backbone_of(task)
    if backbone is None:
        return
    last = {
        name.rpartition('.')[0]: module
        for name, module in backbone.named_modules()
        if name.endswith(('.bn1', '.bn2', '.bn3'))
    }
    assert len(last) >= 6
    for block, norm in last.items():  # the last of each block's norms
        assert torch.equal(norm.weight, torch.ones_like(norm.weight)), block


@pytest.mark.parametrize('task', tasks())
def test_random_convolutions_have_torchvisions_spread(registered, task):
    backbone = backbone_of(task)
    if backbone is None:
        return
    for name, value in backbone.named_parameters():
        if value.ndim == 4 and value.numel() > 20_000:
            fan_out = value.shape[0] * value.shape[2] * value.shape[3]
            assert value.std().item() == pytest.approx(
                math.sqrt(2 / fan_out), rel=0.05
            ), name
