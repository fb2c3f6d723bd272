"""A distinctive backbone reaches every part of a task's model."""

import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.source import Source, open_source
from ssl_bench.transfer.weights import finished_training, load_backbone
from tests.backbones import thin_backbone, tiny_vit


@pytest.fixture(scope='module')
def reference(source):
    """mmdet's whole ResNet with the same weights."""
    from mmdet.models.backbones import ResNet

    net = ResNet(18, base_channels=16, norm_eval=False)
    missing = net.load_state_dict(source.backbone.state, strict=False)
    assert all(
        name.endswith('num_batches_tracked') for name in missing.missing_keys
    )
    net.eval()
    return net


def build(task, source):
    from mmengine.registry import DefaultScope

    plan = make_plan(task, source.arch_args)
    scope = plan.config.default_scope
    with DefaultScope.overwrite_default_scope(scope):
        if scope == 'mmdet':
            from mmdet.registry import MODELS
        elif scope == 'mmseg':
            from mmseg.registry import MODELS
        else:
            from mmpretrain.registry import MODELS
        net = MODELS.build(plan.config.model)
        net.init_weights()
    return net


@pytest.mark.parametrize(
    'task', ['mini_voc_det_c4', 'mini_coco_mrcnn_fpn', 'mini_linear']
)
def test_features_are_the_source_networks(registered, source, reference, task):
    net = build(task, source)
    load_backbone(net, source)
    net.eval()
    image = torch.randn(
        2, 3, 64, 64, generator=torch.Generator().manual_seed(1)
    )
    with torch.no_grad():
        want, got = reference(image), list(net.backbone(image))
        if 'c4' in task:
            shared = net.roi_head.shared_head
            got.append(shared.layer4(got[-1]))
            # a fresh norm keeps what it is given, but for eps
            torch.testing.assert_close(
                shared(got[0]), got[-1], rtol=1e-4, atol=1e-5
            )
        for ours, theirs in zip(reversed(got), reversed(want)):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_segmenters_features_are_the_source_networks(registered, source):
    """At its own strides and dilations, which weights know nothing of."""
    from mmseg.models.backbones import ResNet

    net = build('mini_seg_fcn', source)
    load_backbone(net, source)
    whole = ResNet(
        18,
        stem_channels=16,
        base_channels=16,
        strides=net.backbone.strides,
        dilations=net.backbone.dilations,
        contract_dilation=True,
    )
    whole.load_state_dict(source.backbone.state, strict=False)
    net.eval(), whole.eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(
            net.backbone(image), whole(image), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'task', ['mini_voc_det_c4', 'mini_coco_mrcnn_fpn', 'mini_seg_fcn']
)
@pytest.mark.parametrize(
    'name', ['layer2.0.conv1.weight', 'layer4.1.bn2.running_var']
)
def test_one_renamed_tensor_is_refused(registered, task, name):
    backbone = thin_backbone()
    backbone.state[name + 'x'] = backbone.state.pop(name)
    source = Source(
        backbone, backbone.meta['arch'], backbone.meta['arch_args']
    )
    with pytest.raises(UserError, match='conv1.weight|running_var'):
        load_backbone(build(task, source), source)


def test_vit_tokens_are_the_source_networks(registered):
    net, backbone = tiny_vit()
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    tuned = build('mini_finetune', source)
    load_backbone(tuned, source)
    for module in (net, tuned.backbone):
        module.eval()
    image = torch.randn(2, 3, 80, 80)
    tuned.backbone.out_type = net.out_type = 'raw'
    net.final_norm = False
    # the fine-tuned net has no ln1, and a table for 80 instead of 64 pixels
    net.pos_embed = tuned.backbone.pos_embed
    net.patch_resolution = tuned.backbone.patch_resolution
    net.patch_embed.init_out_size = tuned.backbone.patch_embed.init_out_size
    with torch.no_grad():
        torch.testing.assert_close(
            tuned.backbone(image)[0], net(image)[0], rtol=1e-5, atol=1e-5
        )


def test_what_the_user_names(tmp_path, source):
    from ssl_bench.checkpoints import write_backbone

    assert open_source('random', tmp_path).method == 'Random init'
    thin = open_source('random', tmp_path, 'resnet18-w16')
    assert thin.arch == 'resnet18-w16' and thin.arch_args['base'] == 16
    path = tmp_path / 'x.backbone.safetensors'
    write_backbone(path, source.backbone)
    found = open_source(path, tmp_path, meta=dict(method='Mine'))
    assert (found.method, found.arch) == ('Mine', 'resnet18-w16')
    assert found.pretrain()['epochs'] == 1
    with pytest.raises(UserError, match='no checkpoint .*nothing.pth'):
        open_source(tmp_path / 'nothing.pth', tmp_path)
    # a training checkpoint leaves its backbone file next to the runs
    torch.save(
        dict(
            meta=dict(
                epoch=3, cfg='', mmengine_version='0.10', experiment_name='x'
            ),
            message_hub={},
            state_dict={
                f'backbone.{k}': v for k, v in source.backbone.state.items()
            },
        ),
        tmp_path / 'epoch_3.pth',
    )
    found = open_source(
        tmp_path / 'epoch_3.pth', tmp_path / 'runs', meta=dict(method='Mine')
    )
    assert found.pretrain()['epochs'] == 3
    files = list((tmp_path / 'runs').glob('mine_*.backbone.safetensors'))
    assert len(files) == 1


def test_heads_come_from_the_header(tmp_path):
    """No tensor tells them; widths known by name may have others (MoCo v3)."""
    from ssl_bench.checkpoints import write_backbone

    _, backbone = tiny_vit()
    for heads in (3, 6):
        backbone.meta['arch_args']['heads'] = heads
        path = tmp_path / f'{heads}.backbone.safetensors'
        write_backbone(path, backbone)
        assert open_source(path, tmp_path).arch_args['heads'] == heads


def test_supervised_weights_are_a_method(tmp_path):
    """A file as torchvision saves it: its classifier is left aside."""
    from torchvision.models import resnet18

    state = resnet18().state_dict()
    torch.save(state, tmp_path / 'resnet18.pth')
    found = open_source(f'supervised={tmp_path}/resnet18.pth', tmp_path)
    assert (found.method, found.arch) == ('Supervised', 'resnet18')
    group = found.pretrain()
    assert (group['data'], group['source']) == ('IN1K labels', 'imported')
    assert torch.equal(
        found.backbone.state['layer4.1.conv2.weight'],
        state['layer4.1.conv2.weight'],
    )
    assert not [key for key in found.backbone.state if key.startswith('fc')]
    with pytest.raises(UserError, match='supervised=resnet50.pth'):
        open_source('supervised', tmp_path)
    with pytest.raises(UserError, match='no checkpoint .*none.pth'):
        open_source('supervised=none.pth', tmp_path)
    del state['layer3.1.conv2.weight']
    torch.save(state, tmp_path / 'part.pth')
    with pytest.raises(UserError, match='layer3.1.conv2'):
        open_source(f'supervised={tmp_path}/part.pth', tmp_path)
    torch.save(
        {
            f'module.encoder_q.{key}': value
            for key, value in resnet18().state_dict().items()
        },
        tmp_path / 'moco.pth',
    )
    with pytest.raises(UserError, match='torchvision'):
        open_source(f'supervised={tmp_path}/moco.pth', tmp_path)


def test_a_training_has_ended_where_its_own_processes_ended_it(tmp_path):
    """One process needs 8 iterations for 4 of two processes."""
    path = tmp_path / 'iter_4.pth'
    torch.save(dict(meta=dict(max_iters=4)), path)
    assert finished_training(tmp_path, dict(max_iters=8)).path == path
    torch.save(dict(meta=dict(max_iters=6)), path)
    with pytest.raises(UserError, match='trained for 4 of 6 iters'):
        finished_training(tmp_path, dict(max_iters=8))
