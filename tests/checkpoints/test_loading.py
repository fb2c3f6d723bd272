"""Into a module: all of it, or an error; position tables fit."""

import pathlib

import numpy as np
import pytest
import torch
from torch import nn

from ssl_bench.checkpoints import Backbone, load_into
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.position import is_sincos, resize, resize_backbone
from ssl_bench.errors import UserError
from ssl_bench.methods.siamese_im.sincos import sincos_table
from tests.checkpoints.conftest import randomised

GOLDEN = pathlib.Path(__file__).parents[1] / 'data/siamese_im.npz'


@pytest.fixture
def r18(resnet18):
    return Backbone(
        {
            name: tensor.clone()
            for name, tensor in resnet18.state_dict().items()
        },
        meta=dict(arch='resnet18'),
    )


def fresh_r18():
    import torchvision

    model = torchvision.models.resnet18()
    model.fc = nn.Identity()
    return model


def same(module, state, prefix=''):
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, state[prefix + name]), name


def test_fills_everything(r18):
    model = fresh_r18()
    report = load_into(model, r18)
    assert (report.loaded, report.norms) == (120, 20)
    same(model, r18.state)


def test_c4_parts(r18):
    """A backbone to layer3, and layer4 in the RoI head."""
    model = fresh_r18()
    last, model.layer4 = model.layer4, nn.Identity()
    with pytest.raises(UserError, match=r'unexpected \(25\): .*layer4.0'):
        load_into(model, r18)
    load_into(model, r18, without=['layer4.'])
    load_into(last, r18, prefix='layer4.')
    same(model, r18.state)
    same(last, r18.state, 'layer4.')


def test_nothing_is_loaded_when_something_is_missing(r18):
    del r18.state['layer2.0.bn1.running_mean']
    model = fresh_r18()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(UserError, match=r'missing \(1\): layer2.0.bn1.runn'):
        load_into(model, r18)
    same(model, before)
    report = load_into(model, r18, partial=True)
    assert report.missing == ['layer2.0.bn1.running_mean']
    assert torch.equal(model.conv1.weight, r18.state['conv1.weight'])


def test_another_architecture(r18):
    import torchvision

    with pytest.raises(
        UserError,
        match='resnet18 does not fit ResNet.*missing.*of another shape',
    ):
        load_into(torchvision.models.resnet50(), r18)


def test_fresh_parts_are_named(r18):
    model = fresh_r18()
    model.fc = nn.Linear(512, 2)
    with pytest.raises(UserError, match=r'missing \(2\): fc.weight'):
        load_into(model, r18)
    load_into(model, r18, fresh=['fc.'])


def test_half_weights_into_a_float_module(r18):
    r18.state = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in r18.state.items()
    }
    model = fresh_r18()
    load_into(model, r18)
    assert model.conv1.weight.dtype == torch.float32
    assert torch.equal(model.conv1.weight.half(), r18.state['conv1.weight'])


def test_neck_group(r18):
    r18.neck = {'conv.weight': torch.ones(2, 2, 1, 1)}
    neck = nn.ModuleDict(dict(conv=nn.Conv2d(2, 2, 1, bias=False)))
    assert load_into(neck, r18, group='neck').loaded == 1
    with pytest.raises(UserError, match='missing.*unexpected'):
        load_into(nn.Linear(2, 2), r18, group='neck')


@pytest.fixture(scope='module')
def vit(tmp_path_factory):
    """A small ViT of 4x4 patches, and its model."""
    import timm

    model = randomised(
        timm.create_model(
            'vit_tiny_patch16_224', depth=2, num_classes=0, img_size=64
        )
    )
    path = tmp_path_factory.mktemp('vit') / 'c.pth'
    torch.save(model.state_dict(), path)
    return convert(path)[0], model


ARCH = dict(
    embed_dims=192, num_layers=2, num_heads=3, feedforward_channels=768
)


@torch.no_grad()
def test_mmpretrain_names(vit, registered):
    from mmpretrain.models import VisionTransformer

    backbone, timm_model = vit
    model = VisionTransformer(ARCH, img_size=64, out_type='raw')
    assert load_into(model, backbone).notes == []
    model.eval()
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        model(image)[0], timm_model.forward_features(image)
    )


def test_another_image_size(vit, registered):
    from mmpretrain.models import VisionTransformer

    backbone, _ = vit
    model = VisionTransformer(ARCH, img_size=96, out_type='avg_featmap')
    with pytest.raises(UserError, match=r'missing \(2\): ln2.weight'):
        load_into(model, backbone)
    report = load_into(model, backbone, fresh=['ln2.'])
    assert report.notes == [
        'position table resized bicubically from 4x4 to 6x6 patches'
    ]
    assert torch.equal(
        model.pos_embed, resize(backbone.state['pos_embed'], 6, True)
    )


def test_sam_style_table_without_class_token(vit, registered):
    from mmpretrain.models import ViTSAM

    backbone, _ = vit
    model = ViTSAM(
        dict(ARCH, global_attn_indexes=[1]),
        img_size=128,
        out_channels=0,
        window_size=4,
    )
    load_into(
        model, backbone, without=['cls_token', 'ln1.'], fresh=['*.rel_pos_?']
    )
    table = resize(backbone.state['pos_embed'], 8, True)
    assert torch.equal(model.pos_embed.flatten(1, 2), table[:, 1:])


def test_resize_agrees_with_siamese_im():
    """Its own fine-tuning code, 4x4 to 6x6 patches."""
    golden = np.load(GOLDEN)
    table = torch.from_numpy(golden['A/pos_embed']).float()
    expected = torch.from_numpy(golden['i/pos_embed_interp']).float()
    found = resize(table.reshape(1, 17, -1), 6, True)
    torch.testing.assert_close(
        found, expected.reshape(found.shape), atol=1e-6, rtol=0
    )


def test_fixed_tables_are_told_from_learned_ones():
    """SiameseIM's, MAE's (columns first), resized; noise, a shifted one."""
    golden = np.load(GOLDEN)
    table = torch.from_numpy(golden['A/pos_embed']).float().reshape(1, 17, -1)
    half = table.shape[-1] // 2
    for fixed in (
        table,
        table.roll(half, -1),
        table.half(),
        sincos_table(768, 14)[None],
        resize(sincos_table(768, 14)[None].float(), 24, True),
    ):
        assert is_sincos(fixed, True)
    assert is_sincos(table[:, 1:], False)
    assert not is_sincos(table, False)  # the class token's row is zero
    for learned in (
        0.02 * torch.randn(1, 17, 32),
        torch.randn(1, 17, 32),
        table + 0.5,
    ):
        assert not is_sincos(learned, True)


def test_resize_keeps_the_class_token_and_the_orientation():
    table = torch.arange(17.0).reshape(1, 17, 1).expand(1, 17, 2)
    assert resize(table, 4, True) is table
    found = resize(table, 8, True)
    assert torch.equal(found[:, 0], table[:, 0])
    image = found[0, 1:, 0].reshape(8, 8)  # rows grow slower than columns
    assert (image[:, 1:] > image[:, :-1]).all()
    assert (image[2] - image[0]).mean() > (image[:, 2] - image[:, 0]).mean()
    with pytest.raises(ValueError, match='no square'):
        resize(table[:, :12], 8, True)


def test_resized_backbone_file(vit, r18):
    backbone, _ = vit
    resized, done = resize_backbone(backbone, 128)
    assert resized.arch == 'vit_d192_l2_patch16_128'
    assert resized.meta['arch_args']['grid'] == 8 and '4x4 to 8x8' in done
    assert resized.meta['sources']['arch_args'] == done
    assert resized.state['pos_embed'].shape == (1, 65, 192)
    with pytest.raises(UserError, match='multiple of the patch size 16'):
        resize_backbone(backbone, 100)
    with pytest.raises(UserError, match='no position table'):
        resize_backbone(r18, 128)
