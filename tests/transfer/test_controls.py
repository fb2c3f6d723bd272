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


@pytest.mark.parametrize('task', ['voc0712_det_c4', 'coco_mrcnn_c4_2x'])
def test_the_c4_heads_branches_take_part(registered, task):
    """layer4 is in the RoI head, which starts as the backbone does."""
    from mmdet.registry import MODELS

    settings = make_plan(task).config.model.roi_head.shared_head
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(settings)
        head.init_weights()
    x = torch.randn(2, 1024, 4, 4)
    for block in head.layer4:
        assert torch.equal(block.bn3.weight, torch.ones(2048))
        y, short = x, block.downsample(x) if block.downsample else x
        for i in (1, 2, 3):
            conv, norm = getattr(block, f'conv{i}'), getattr(block, f'bn{i}')
            fan_out = conv.weight.shape[0] * conv.weight[0, 0].numel()
            assert conv.weight.std().item() == pytest.approx(
                math.sqrt(2 / fan_out), rel=0.05
            )
            y = norm(conv(y))
            y = y.relu() if i < 3 else y
        assert y.std() > 0.5  # of the branch alone
        x = (y + short).relu()


def test_branches_take_part_in_a_users_own_task(tmp_path, monkeypatch):
    """No config has to ask for it, and none can forget it."""
    (tmp_path / 'transfer').mkdir()
    (tmp_path / 'transfer/own_knn.py').write_text(
        'TASK = dict(id="own_knn", title="Own", group="features",\n'
        '    toolbox="probe", dataset="mini_imagenet", shown=["top1"],\n'
        '    metrics={"top1": dict(tolerance=0.5)}, source="own")\n'
        'backbone = dict(type="ResNet", depth=18, out_indices=(3,))\n'
        'probe = dict(type="knn")\n'
    )
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path))
    net = make_plan('own_knn').config.backbone
    assert net.zero_init_residual is False
    # who wants the toolkits' start says so, and the record lists it
    key = 'backbone.zero_init_residual'
    plan = make_plan('own_knn', overrides={key: True})
    assert plan.config.backbone.zero_init_residual is True
    assert plan.departures == [f'{key}=True']


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
