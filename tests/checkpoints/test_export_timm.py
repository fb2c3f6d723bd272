"""What timm and transformers read back of a network that timm builds."""

import json

import pytest
import timm
import torch

from ssl_bench.checkpoints import Backbone, write_backbone
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.export import export
from ssl_bench.checkpoints.timm_nets import TimmNet, from_header, to_header
from ssl_bench.cli import main
from ssl_bench.errors import UserError

from .families import randomise

VIT = dict(embed_dim=32, depth=2, num_heads=4)
# network, transformers' class
NETS = [
    (
        TimmNet(
            'vit_small_patch14_dinov2',
            VIT | dict(img_size=56, norm_eps=1e-5),
            'dino',
        ),
        'Dinov2Model',
    ),
    (
        TimmNet(
            'vit_giant_patch14_dinov2',
            dict(embed_dim=48, depth=1, num_heads=4, img_size=56)
            | dict(mlp_ratio=256.5 / 48),
            'dino',
        ),
        'Dinov2Model',
    ),
    (
        TimmNet('vit_small_patch14_reg4_dinov2', VIT | dict(img_size=56)),
        'Dinov2WithRegistersModel',
    ),
    (
        TimmNet(
            'vit_small_patch16_dinov3_qkvb',
            VIT | dict(rope_temperature=50.0),
            'none',
        ),
        'DINOv3ViTModel',
    ),
    (TimmNet('vit_small_plus_patch16_dinov3', VIT, 'none'), 'DINOv3ViTModel'),
    (
        TimmNet(
            'vit_base_patch16_224',
            VIT
            | dict(img_size=32, class_token=False, global_pool='avg')
            | dict(fc_norm=False),
            'fixed',
            pool='patch_mean',
        ),
        'IJepaModel',
    ),
    (
        TimmNet(
            'convnext_tiny',
            dict(depths=[1, 1, 2, 1], dims=[8, 16, 32, 64]),
            'none',
            pool='pooled_map',
        ),
        'ConvNextModel',
    ),
    (
        TimmNet('convnextv2_atto', {}, 'none', pool='pooled_map'),
        'ConvNextV2Model',
    ),
]


def backbone_of(net):
    state = randomise(net.build()).state_dict()
    meta = dict(
        method='DINO',
        variant='',
        arch=net.name,
        arch_args=to_header(net),
        pretrain_data='IN1K',
        pretrain_epochs=7,
        pretrain_batch=None,
        config='',
        source_format='timm',
        source_sha256='0' * 64,
        ssl_bench_version='1',
        sources={},
    )
    return Backbone(dict(state), meta=meta)


def loaded(net, state):
    module = net.build().eval()
    module.load_state_dict(state, strict=True)
    return module


def images_of(net):
    side = net.kwargs.get('img_size', 64)
    return torch.rand(2, 3, side, side)


@pytest.mark.parametrize('case', NETS, ids=lambda case: case[1])
@torch.no_grad()
def test_transformers_reads_it_and_so_do_we(case, tmp_path):
    transformers = pytest.importorskip('transformers')
    net, name = case
    backbone = backbone_of(net)
    export(tmp_path / 'out', backbone, 'hf')
    images = images_of(net)
    wanted = loaded(net, backbone.state).forward_features(images)
    model, info = getattr(transformers, name).from_pretrained(
        tmp_path / 'out', output_loading_info=True
    )
    assert not info['missing_keys']
    assert not info['unexpected_keys']
    found = model.eval()(images).last_hidden_state
    assert wanted.abs().max() > 1
    assert torch.allclose(found, wanted, atol=1e-5)
    # and back: the same weights, bit for bit, and the same header
    again, report = convert(tmp_path / 'out')
    assert again.state.keys() == backbone.state.keys()
    assert all(
        torch.equal(again.state[name], tensor)
        for name, tensor in backbone.state.items()
    )
    assert from_header(again.meta['arch_args']) == net
    assert again.meta['pretrain_epochs'] == 7
    folder = tmp_path / 'out'
    said = json.loads((folder / 'preprocessor_config.json').read_text())
    assert said['image_mean'] == list(net.mean)


@torch.no_grad()
def test_timm_reads_a_file_and_a_folder(tmp_path):
    net = TimmNet(
        'convnextv2_atto', dict(depths=[1, 1, 2, 1]), 'none', mean=(0.1,) * 3
    )
    backbone = backbone_of(net)
    images = torch.rand(2, 3, 64, 64)
    wanted = loaded(net, backbone.state)(images)
    for file in ('out.safetensors', 'out.pth'):
        export(tmp_path / file, backbone, 'timm')
        model = timm.create_model(
            'convnextv2_atto',
            num_classes=0,
            depths=[1, 1, 2, 1],
            checkpoint_path=tmp_path / file,
        )
        assert torch.equal(model.eval()(images), wanted)
    export(tmp_path / 'folder', backbone, 'timm')
    model = timm.create_model(f'local-dir:{tmp_path}/folder', pretrained=True)
    assert torch.equal(model.eval()(images), wanted)
    assert model.pretrained_cfg['mean'] == [0.1] * 3
    again, _ = convert(tmp_path / 'folder')
    assert from_header(again.meta['arch_args']) == net
    assert all(
        torch.equal(again.state[name], tensor)
        for name, tensor in backbone.state.items()
    )


def test_a_folder_without_our_stamp_is_read_by_its_name(tmp_path):
    net = TimmNet('test_resnet', {}, 'none', pool='pooled_map', std=(0.3,) * 3)
    backbone = backbone_of(net)
    export(tmp_path / 'folder', backbone, 'timm')
    file = tmp_path / 'folder/model.safetensors'
    from safetensors.torch import load_file, save_file

    save_file(load_file(file), file)
    again, _ = convert(tmp_path / 'folder')
    assert from_header(again.meta['arch_args']) == net


REFUSED = [
    (TimmNet('regnety_002', {}, 'none'), 'hf', 'no class for regnety_002'),
    (TimmNet('regnety_002', {}, 'none'), 'detectron2', 'has no regnety_002'),
    (
        TimmNet('convnextv2_atto', {}, 'none', final_norm=False),
        'timm',
        'has no final norm',
    ),
    (
        TimmNet('convnextv2_atto', {}, 'none', final_norm=False),
        'hf',
        'without a final norm',
    ),
    (
        TimmNet('vit_small_patch14_dinov2', VIT | dict(norm_eps=1e-5)),
        'timm',
        'cannot say norm_eps: write a file',
    ),
    (
        TimmNet('vit_small_patch14_dinov2', VIT | dict(mlp_ratio=2.5)),
        'hf',
        'no MLP of 80 channels',
    ),
    (
        TimmNet('convnext_atto_ols', {}, 'none'),
        'hf',
        'no class for convnext_atto_ols',
    ),
]


@pytest.mark.parametrize(('net', 'target', 'said'), REFUSED)
def test_what_a_target_cannot_hold_is_said(net, target, said, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        export(tmp_path / 'out', backbone_of(net), target)
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_keeps_what_is_there(tmp_path, capsys):
    net = TimmNet('test_convnext2', {}, 'none', pool='pooled_map')
    path = tmp_path / 'x.backbone.safetensors'
    write_backbone(path, backbone_of(net))
    out = str(tmp_path / 'out')
    assert main(['convert', str(path), out, '--to', 'timm']) == 0
    assert 'wrote' in capsys.readouterr().out
    before = (tmp_path / 'out/config.json').read_bytes()
    assert main(['convert', str(path), out, '--to', 'timm']) == 2
    assert '--force' in capsys.readouterr().err
    assert (tmp_path / 'out/config.json').read_bytes() == before
    assert main(['convert', str(path), out, '--to', 'timm', '--force']) == 0
