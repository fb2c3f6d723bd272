"""Names and shapes against the classes that own them."""

import pytest
import timm
import torch

from ssl_bench.checkpoints.arch_names import canonical_arch, same_arch
from ssl_bench.checkpoints.architectures import (
    RESNETS,
    architecture_of,
    optional,
    recognise,
)
from ssl_bench.checkpoints.convert import convert
from ssl_bench.errors import UserError


def listed(model, *heads):
    with torch.device('meta'):
        state = model().state_dict()
    return {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(heads)
    }


def check(state, name):
    arch = recognise(state)
    assert arch.name == name
    assert arch.shapes() == {
        key: tuple(tensor.shape)
        for key, tensor in state.items()
        if not optional(key)
    }
    return arch


@pytest.mark.parametrize(
    'name',
    [
        *(f'resnet{depth}' for depth in RESNETS),
        'wide_resnet50_2',
        'resnext50_32x4d',
        'resnext101_32x8d',
    ],
)
def test_torchvision(name):
    import torchvision

    check(listed(getattr(torchvision.models, name), 'fc.'), name)


@pytest.mark.parametrize(
    'name,expected',
    [
        ('vit_tiny_patch16_224', 'vit_tiny_patch16'),
        ('vit_small_patch32_384', 'vit_small_patch32_384'),
        ('vit_base_patch16_224', 'vit_base_patch16'),
        ('vit_large_patch14_224', 'vit_large_patch14'),
        ('vit_huge_patch14_224', 'vit_huge_patch14'),
        ('beit_base_patch16_224', 'beit_base_patch16'),
        ('beit_large_patch16_224', 'beit_large_patch16'),
    ],
)
def test_timm(name, expected):
    timm = pytest.importorskip('timm')
    arch = check(
        listed(lambda: timm.create_model(name), 'head.', 'fc_norm.'), expected
    )
    assert (
        arch.heads == timm.create_model(name, depth=1).blocks[0].attn.num_heads
    )
    assert arch.key == expected.rsplit('_384')[0]


@pytest.mark.parametrize(
    'options,name',
    [
        (dict(depth=18, base_channels=16), 'resnet18-w16'),
        (dict(depth=50, base_channels=8), 'resnet50-w8'),
        (
            dict(depth=18, base_channels=32, stem_channels=64),
            'resnet18-w32-stem64',
        ),
    ],
)
def test_thin_mmdet(options, name, registered):
    from mmdet.registry import MODELS

    check(
        listed(lambda: MODELS.build(dict(type='mmdet.ResNet', **options))),
        name,
    )


def test_custom_vit(registered):
    import timm

    state = listed(
        lambda: timm.create_model(
            'vit_tiny_patch16_224',
            embed_dim=96,
            depth=4,
            patch_size=8,
            num_heads=3,
            img_size=64,
            num_classes=0,
            mlp_ratio=2,
        )
    )
    arch = check(state, 'vit_d96_l4_patch8_64')
    assert (arch.heads, arch.grid, arch.hidden) == (None, 8, 192)


def test_neither():
    assert recognise({}) is None
    assert recognise({'features.0.weight': torch.ones(2)}) is None
    assert (
        recognise(
            {
                'patch_embed.proj.weight': torch.ones(2),
                'blocks.0.a': torch.ones(2),
            }
        )
        is None
    )


@pytest.mark.parametrize(
    'short,full',
    [
        ('r50', 'resnet50'),
        ('R101', 'resnet101'),
        ('resnet18', 'resnet18'),
        ('vitb16', 'vit_base_patch16'),
        ('vitl14', 'vit_large_patch14'),
        ('beitb16', 'beit_base_patch16'),
        ('resnet18-w16', 'resnet18-w16'),
        ('vit_base_patch16_384', 'vit_base_patch16'),
        ('vit_d96_l4_patch8', 'vit_d96_l4_patch8'),
        ('wide_resnet50_2', 'wide_resnet50_2'),
    ],
)
def test_shortened_names(short, full):
    assert canonical_arch(short) == full


def test_misspelt_name():
    with pytest.raises(UserError, match='Did you mean'):
        canonical_arch('resnet-50')


@pytest.mark.parametrize(
    'model', ['deit3_small_patch16_224', 'eva02_tiny_patch14_224']
)
def test_an_image_size_in_a_name_of_timm(model, tmp_path):
    """The names that messages ask for with --arch are taken."""
    net = timm.create_model(model, num_classes=0)
    torch.save(net.state_dict(), tmp_path / 'c.pth')
    backbone, _ = convert(tmp_path / 'c.pth', arch=model)
    assert backbone.arch == model
    assert not same_arch('deit3_base_patch16_224', architecture_of(backbone))
