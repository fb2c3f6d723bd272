import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS as DETECTION
from mmpretrain.registry import MODELS as CLASSIFICATION
from mmseg.registry import MODELS as SEGMENTATION

from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.errors import UserError
from ssl_bench.toolbox.timm_backbone import HEAD, TimmBackbone
from ssl_bench.toolbox.timm_layout import layout_of
from tests.timm_tiny import PLAIN, TINY, values_of


def backbone(name: str, **more) -> TimmBackbone:
    net = TINY[name] if isinstance(name, str) else name
    built = TimmBackbone(to_header(net), **more)
    built.net.load_state_dict(values_of(net))
    return built.eval()


def timms_own(name: str, **more) -> torch.nn.Module:
    """timm's network with the same values."""
    built = TINY[name].build(**more)
    built.load_state_dict(values_of(TINY[name]))
    return built.eval()


def size_of(name: str) -> int:
    """The side that the network was made for, pixels."""
    return TINY[name].kwargs.get('img_size', 224)


def test_every_toolkit_finds_it():
    settings = dict(type='TimmBackbone', net=to_header(TINY['dinov2_reg']))
    for registry in (DETECTION, SEGMENTATION, CLASSIFICATION):
        assert type(registry.build(settings)) is TimmBackbone


@pytest.mark.parametrize('name', TINY)
@torch.no_grad()
def test_maps_are_timms(name):
    side = size_of(name) if size_of(name) != 224 else 96
    if name == 'swin':
        side = 224  # timm's own network takes no other size
    images = torch.randn(2, 3, side, side)
    ours = backbone(name, out_indices=layout_of(TINY[name]).shares())
    more = {'dynamic_img_size': True} if name == 'dinov3' else {}
    theirs = timms_own(name, **more).forward_intermediates(
        images, norm=True, intermediates_only=True
    )
    indices = [ours.layout.indices[index] for index in ours.out_indices]
    found = ours(images)
    assert len(found) == 4
    for index, channels, stride, map_ in zip(
        indices, ours.channels, ours.strides, found
    ):
        torch.testing.assert_close(map_, theirs[index], atol=1e-5, rtol=0)
        assert map_.shape == (
            2,
            channels,
            -(-side // stride),
            -(-side // stride),
        )


@pytest.mark.parametrize('name', TINY)
@torch.no_grad()
def test_sizes_of_maps_are_known(name):
    """Of images that no patch divides, on every map."""
    ours = backbone(
        name, out_indices=range(layout_of(TINY[name]).depth), positions='timm'
    )
    images = torch.randn(1, 3, 75, 109)
    height, width = (side + -side % ours.divisor for side in images.shape[2:])
    for map_, channels, stride in zip(
        ours(images), ours.channels, ours.strides, strict=True
    ):
        assert map_.shape[1:] == (
            channels,
            -(-height // stride),
            -(-width // stride),
        )


@pytest.mark.parametrize('name', ['dinov2_reg', 'eva02', 'convnextv2'])
@torch.no_grad()
def test_padding_is_of_zeros_at_the_end(name):
    images = torch.randn(1, 3, 75, 109)
    ours = backbone(name)
    bottom, right = (-side % ours.divisor for side in images.shape[2:])
    assert bottom and right
    padded = F.pad(images, (0, right, 0, bottom))
    torch.testing.assert_close(ours(images), ours(padded), atol=0, rtol=0)
    strict = backbone(name, pad=False)
    assert strict(padded)[0].shape == ours(images)[0].shape
    with pytest.raises(UserError, match='75x109 .* multiples of '):
        strict(images)


@pytest.mark.parametrize(
    ('name', 'grid'), [('dinov2_reg', (6, 9)), ('dino', (6, 9))]
)
@torch.no_grad()
def test_positions_follow_the_rule(name, grid):
    """The network built for that size, with the table of the rule."""
    net = TINY[name]
    stride = layout_of(net).stride
    values = values_of(net)
    prefix = 0 if name == 'dinov2_reg' else 1
    table = values['pos_embed'][:, prefix:]
    image = table.reshape(1, 4, 4, 32).permute(0, 3, 1, 2)
    if net.positions == 'dino':  # written out again
        image = F.interpolate(
            image,
            scale_factor=((grid[0] + 0.1) / 4, (grid[1] + 0.1) / 4),
            mode='bicubic',
        )
    else:
        image = F.interpolate(image, size=grid, mode='bicubic', antialias=True)
    rows = image.permute(0, 2, 3, 1).flatten(1, 2)
    values['pos_embed'] = torch.cat(
        (values['pos_embed'][:, :prefix], rows), dim=1
    )
    sides = tuple(cells * stride for cells in grid)
    theirs = net.build(img_size=sides)
    theirs.load_state_dict(values)
    images = torch.randn(1, 3, *sides)
    (expected,) = theirs.eval().forward_intermediates(
        images, indices=[1], norm=True, intermediates_only=True
    )
    ours = backbone(name)
    (found,) = ours(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    # another rule is another function
    if net.positions == 'dino':
        (other,) = backbone(name, positions='timm')(images)
        assert (other - expected).abs().max() > 1e-3
    # the table keeps its size
    assert ours.net.pos_embed.shape == TINY[name].build().pos_embed.shape


def test_positions_of_no_defined_size():
    ours = backbone('ijepa')
    assert ours(torch.randn(1, 3, 56, 56))[0].shape == (1, 32, 4, 4)
    with pytest.raises(UserError, match='4x4 patches only.* have 5x6'):
        ours(torch.randn(1, 3, 70, 84))
    other = backbone('ijepa', positions='timm')
    assert other(torch.randn(1, 3, 70, 84))[0].shape == (1, 32, 5, 6)


@pytest.mark.parametrize('size', [(80, 112), (48, 64)])
def test_relative_positions_are_resized_as_timm_loads_them(size):
    """BEiT's tables in every step, by the rule that timm has for files."""
    from timm.models.beit import checkpoint_filter_fn

    net = TINY['beit']
    theirs = net.build(img_size=size)
    theirs.load_state_dict(
        checkpoint_filter_fn(copy.deepcopy(values_of(net)), theirs)
    )
    images = torch.randn(1, 3, *size)
    (expected,) = theirs.eval().forward_intermediates(
        images, indices=[1], norm=True, intermediates_only=True
    )
    ours = backbone('beit')
    (found,) = ours(images)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    found.square().sum().backward()
    table = ours.net.blocks[0].attn.relative_position_bias_table
    assert table.shape[0] == 7 * 7 + 3 and table.grad.abs().max() > 0


def test_what_is_kept_of_a_size_serves_training():
    """After a run without values, and after one without gradients."""
    with torch.device('meta'):
        without = TimmBackbone(to_header(TINY['beit'])).to('meta')
        shape = without(torch.zeros(1, 3, 96, 112))[0].shape
    assert shape == (1, 32, 6, 7)
    with torch.inference_mode():
        backbone('beit')(torch.zeros(1, 3, 112, 96))
    for size in ((96, 112), (112, 96)):
        ours = backbone('beit')
        ours(torch.zeros(1, 3, *size))[0].sum().backward()
        table = ours.net.blocks[0].attn.relative_position_bias_table
        assert table.grad.isfinite().all()


@pytest.mark.parametrize('name', ['dino', 'dinov2_reg', 'beit'])
def test_recomputed_blocks_give_the_same_gradient(name):
    """And the table's gradient passes through the resizing."""
    images = torch.randn(2, 3, 84, 112)
    gradients = []
    for more in ({}, {'with_cp': True}):
        ours = backbone(name, **more).train()
        ours(images)[0].square().mean().backward()
        gradients.append({name: p.grad for name, p in ours.named_parameters()})
    torch.testing.assert_close(*gradients)
    if name != 'beit':
        assert gradients[0]['net.pos_embed'].abs().min() > 0


@pytest.mark.parametrize('name', TINY)
@pytest.mark.parametrize('output', ['maps', 'feature', 'early'])
def test_every_trained_tensor_has_a_gradient(name, output):
    """Processes that train together wait for all of them."""
    net = TINY[name]
    more = dict(output=net.pool) if output == 'feature' else {}
    if output == 'early':
        more['out_indices'] = [0]
    ours = backbone(name, positions='timm', **more).train()
    ours(torch.randn(2, 3, 64, 64))[0].square().mean().backward()
    without = [
        name
        for name, parameter in ours.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert not without
    assert any(p.requires_grad for p in ours.parameters())


@pytest.mark.parametrize('name', TINY)
@torch.no_grad()
def test_features_are_the_authors(name):
    net = TINY[name]
    side = size_of(name) if size_of(name) != 224 else 96
    if name in ('swin', 'dinov3'):
        side = 224
    images = torch.randn(2, 3, side, side)
    ours = backbone(name, output=net.pool)
    more = {'dynamic_img_size': True} if name == 'dinov3' else {}
    theirs = timms_own(name, **more)
    if net.pool == 'patch_mean':
        expected = theirs.forward_features(images).mean(1)  # no class token
    else:
        expected = theirs(images)
    (found,) = ours(images)
    assert ours.channels == (found.shape[1],)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_tokens_of_no_patch_are_in_no_mean():
    ours = backbone('dinov2_reg', output='patch_mean')
    images = torch.randn(2, 3, 56, 56)
    tokens = timms_own('dinov2_reg').forward_features(images)
    torch.testing.assert_close(
        ours(images)[0], tokens[:, 5:].mean(1), atol=1e-5, rtol=0
    )


@torch.no_grad()
def test_a_norm_that_nobody_trained_is_not_applied():
    images = torch.randn(2, 3, 56, 56)
    net = replace(TINY['dinov2_reg'], final_norm=False)
    ours = TimmBackbone(to_header(net)).eval()
    values = values_of(TINY['dinov2_reg'])
    ours.net.load_state_dict(values, strict=False)
    (expected,) = timms_own('dinov2_reg').forward_intermediates(
        images, indices=[1], norm=False, intermediates_only=True
    )
    torch.testing.assert_close(ours(images)[0], expected, atol=1e-5, rtol=0)
    fresh = TimmBackbone(to_header(net), output='patch_mean', fresh_norm=True)
    fresh.net.load_state_dict(values, strict=False)
    torch.testing.assert_close(
        fresh.eval()(images)[0],
        F.layer_norm(expected.mean((2, 3)), (32,), eps=1e-6),
        atol=1e-5,
        rtol=0,
    )


@torch.no_grad()
def test_the_last_map_of_dinov3s_convnext_is_normed():
    net = replace(TINY['convnextv2'], map_norm=True)
    images = torch.randn(2, 3, 64, 64)
    plain = backbone('convnextv2', out_indices=[3, 1])(images)
    last, second = backbone(net, out_indices=[3, 1])(images)
    torch.testing.assert_close(second, plain[1], atol=0, rtol=0)
    values = values_of(net)
    expected = F.layer_norm(
        plain[0].permute(0, 2, 3, 1),
        (32,),
        values['head.norm.weight'],
        values['head.norm.bias'],
        1e-6,
    ).permute(0, 3, 1, 2)
    torch.testing.assert_close(last, expected, atol=1e-5, rtol=0)
    held = {
        name
        for name, parameter in backbone(net).named_parameters()
        if not parameter.requires_grad
    }
    assert not held


def test_the_class_token_without_its_norm():
    images = torch.randn(2, 3, 96, 96)
    raw = backbone('xcit', output='class_token', norm=False)(images)[0]
    whole = backbone('xcit', output='class_token')
    torch.testing.assert_close(whole.net.norm(raw), whole(images)[0])


def test_what_is_not_there():
    with pytest.raises(UserError, match='no class token; take patch_mean'):
        backbone('ijepa', output='class_token')
    with pytest.raises(UserError, match='maps, 0 to 3; there is no map 4'):
        backbone('convnextv2', out_indices=[4])
    with pytest.raises(UserError, match="not 'tokens'"):
        backbone('dino', output='tokens')


@pytest.mark.parametrize('name', ['dinov2_reg', 'xcit', 'regnet'])
def test_frozen_is_frozen(name):
    ours = backbone(name, frozen=True, drop_path_rate=0.5, with_cp=True)
    before = copy.deepcopy(ours.state_dict())
    ours.train()
    assert not any(module.training for module in ours.modules())
    images = torch.randn(2, 3, 64, 64)
    found = ours(images)[0]
    assert not found.requires_grad
    torch.testing.assert_close(found, ours(images)[0], atol=0, rtol=0)
    torch.testing.assert_close(ours.state_dict(), before, atol=0, rtol=0)


def test_drop_path_is_the_last_blocks():
    ours = TimmBackbone(to_header(TINY['dino']), drop_path_rate=0.4)
    assert ours.net.blocks[1].drop_path1.drop_prob == pytest.approx(0.4)
    torch.manual_seed(0)
    images = torch.randn(8, 3, 64, 64)
    assert not torch.equal(ours(images)[0], ours(images)[0])


def test_initial_values_are_timms():
    torch.manual_seed(0)
    expected = TINY['dino'].build().state_dict()
    torch.manual_seed(0)
    ours = TimmBackbone(to_header(TINY['dino']))
    ours.init_weights()
    torch.testing.assert_close(
        dict(ours.net.state_dict()), dict(expected), atol=0, rtol=0
    )


@pytest.mark.parametrize(
    ('name', 'last', 'places'),
    [
        (
            'dinov2_reg',
            3,
            {'cls_token': 0, 'reg_token': 0, 'pos_embed': 0, 'norm.weight': 2},
        ),
        ('dinov3', 3, {'reg_token': 0, 'blocks.1.gamma_1': 2}),
        ('xcit', 5, {'cls_token': 0, 'cls_attn_blocks.1.norm1.bias': 4}),
        (
            'convnextv2',
            5,
            {
                'stem.0.weight': 0,
                'stages.3.blocks.0.conv_dw.weight': 4,
                'head.norm.weight': 5,
            },
        ),
        ('swin', 6, {'patch_embed.proj.weight': 0, 'norm.weight': 5}),
    ],
)
def test_layers_are_timms_own(name, last, places):
    """As timm's own parameter groups, which end with a classifier."""
    from timm.optim import param_groups_layer_decay

    ours = backbone(name)
    found = ours.layers()
    assert found[HEAD] == last
    for parameter, layer in places.items():
        assert found[parameter] == layer
        assert ours.get_layer_depth(
            f'backbone.net.{parameter}', 'backbone.'
        ) == (layer, last + 1)
    assert ours.get_layer_depth('head.fc.weight', 'backbone.') == (
        last,
        last + 1,
    )
    import timm

    options = TINY[name].kwargs
    theirs = timm.create_model(TINY[name].model, num_classes=7, **options)
    scales = {
        id(parameter): group['lr_scale']
        for group in param_groups_layer_decay(theirs, layer_decay=0.5)
        for parameter in group['params']
    }
    for parameter, value in theirs.named_parameters():
        layer = found.get(parameter, last)  # the classifier's are a head's
        assert scales[id(value)] == 0.5 ** (last - layer)


def test_layouts():
    plain = layout_of(TINY['dino'])
    assert plain.plain and plain.class_token and plain.table == (4, 4)
    deep = layout_of(TimmNet('vit_base_patch16_224'))
    assert deep.shares() == (3, 5, 7, 11)  # MAE's, of 12 blocks
    staged = layout_of(TINY['regnet'])
    assert staged.strides == (4, 8, 16, 32)  # no stem
    assert staged.channels == (24, 56, 152, 368)
    assert {name: layout_of(TINY[name]).divisor for name in TINY} == {
        'dino': 16,
        'dinov2_reg': 14,
        'dinov3': 16,
        'ijepa': 14,
        'eva02': 14,
        'beit': 16,
        'xcit': 1,
        'convnextv2': 32,
        'swin': 4,
        'regnet': 1,
    }
    assert {name for name in TINY if layout_of(TINY[name]).plain} == set(PLAIN)


@pytest.mark.parametrize('model', ['mixer_s16_224', 'crossvit_9_240'])
def test_networks_of_one_size(model):
    with pytest.raises(UserError, match=f'no maps of {model}.*nearest'):
        layout_of(TimmNet(model))


def test_networks_of_a_family_that_was_not_measured():
    layout = layout_of(TimmNet('efficientnet_b0'))
    assert layout.channels == (24, 40, 112, 320)
    ours = TimmBackbone(
        to_header(TimmNet('efficientnet_b0')), out_indices=[0, 3]
    )
    shapes = [tuple(map_.shape) for map_ in ours(torch.zeros(2, 3, 70, 64))]
    assert shapes == [(2, 24, 24, 16), (2, 320, 3, 2)]
    ours(torch.randn(2, 3, 64, 64))[1].sum().backward()
    assert all(
        (parameter.grad is not None) == parameter.requires_grad
        for parameter in ours.parameters()
    )
