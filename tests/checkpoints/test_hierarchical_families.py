"""ConvNeXt, Swin and RegNet files, against other programs' networks."""

import re

import pytest
import torch

from ssl_bench.errors import UserError
from tests import modern

from .families import family_of, mapped_of, randomise, shapes_agree
from .hierarchical import (
    SMALL,
    SWIN,
    official_convnext,
    official_swin,
    seer_names,
    sparse_names,
)

# list, family, timm's name, whether the file has the final norm
LISTS = [
    ('convnextv2_atto_finetuned', 'convnext', 'convnextv2_atto', True),
    ('convnextv2_tiny_finetuned', 'convnext', 'convnextv2_tiny', True),
    ('dinov3_convnext_tiny', 'dinov3_convnext', 'convnext_tiny', True),
    (
        'spark_convnext_small_official_style',
        'convnext',
        'convnext_small',
        False,
    ),
    (
        'esvit_swin_tiny_w7_backbone',
        'swin_headless',
        'swin_tiny_patch4_window7_224(norm_eps=1e-06)',
        True,
    ),
    ('seer_regnety32gf_trunk', 'seer', 'regnety_320', True),
]


@pytest.mark.parametrize('case', LISTS, ids=lambda case: case[0])
def test_official_lists_are_timms_own_names(case):
    name, family, arch, norm = case
    state = modern.expanded(name)
    assert family_of(state).name == family
    net = shapes_agree(state)
    assert (net.name, net.final_norm) == (arch, norm)
    assert (net.positions, net.pool) == ('none', 'pooled_map')


def test_simmim_has_the_window_and_the_image_size_of_its_pretraining():
    whole = modern.expanded('simmim_swin_base_192_window6')
    state = {
        name.removeprefix('encoder.'): tensor
        for name, tensor in whole.items()
        if name.startswith('encoder.')
    }
    assert family_of(state).method == 'SimMIM'
    net = shapes_agree(state)
    assert net.model == 'swin_base_patch4_window7_224'
    assert net.kwargs == dict(window_size=6, img_size=192)


@pytest.fixture(scope='module')
def nets():
    return pytest.importorskip('transformers')


@torch.no_grad()
def maps_differ(net, hf, images):
    found = net.forward_features(images)
    wanted = hf(images, output_hidden_states=True).hidden_states[-1]
    assert wanted.abs().max() > 1
    return (found - wanted).abs().max().item()


@pytest.mark.parametrize('version', ['', 'V2'])
@pytest.mark.parametrize('norm', [True, False])
def test_features_of_convnext(nets, version, norm):
    config = getattr(nets, f'ConvNext{version}Config')(**SMALL)
    hf = randomise(getattr(nets, f'ConvNext{version}Model')(config))
    state = official_convnext(hf)
    if norm:
        state['head.weight'] = torch.zeros(3, 64)
    else:
        del state['norm.weight'], state['norm.bias']
    family, answer, net = mapped_of(state)
    assert answer.net.final_norm is norm
    assert family.name == ('fcmae' if version and not norm else 'convnext')
    assert maps_differ(net, hf, torch.rand(2, 3, 64, 96)) < 1e-5


def test_sparse_names_are_the_dense_network(nets):
    """A kernel of the sparse convolution counts the columns first."""
    config = nets.ConvNextV2Config(**SMALL)
    hf = randomise(nets.ConvNextV2Model(config))
    dense = official_convnext(hf)
    del dense['norm.weight'], dense['norm.bias']
    state = sparse_names(dense)
    assert any(name.endswith('.kernel') for name in state)
    state['mask_token'] = torch.zeros(1, 16, 1, 1)
    state['decoder.0.weight'] = torch.zeros(2)
    family, answer, net = mapped_of(state)
    assert (family.name, family.method) == ('fcmae_sparse', 'FCMAE')
    assert not answer.net.final_norm
    assert maps_differ(net, hf, torch.rand(2, 3, 64, 96)) < 1e-5
    # with the axes in the other order it computes something else
    for name, tensor in state.items():
        if name.endswith('dwconv.kernel'):
            turned = tensor.reshape(7, 7, -1).transpose(0, 1)
            state[name] = turned.reshape(tensor.shape)
    _, _, other = mapped_of(state)
    assert maps_differ(other, hf, torch.rand(2, 3, 64, 96)) > 1e-2


def test_the_norm_twice_in_dinov3_is_left_aside_once(nets):
    hf = randomise(nets.ConvNextModel(nets.ConvNextConfig(**SMALL)))
    state = official_convnext(hf)
    state['norms.3.weight'] = state['norm.weight']
    state['norms.3.bias'] = state['norm.bias']
    family, answer, net = mapped_of(state)
    assert (family.method, answer.net.final_norm) == ('DINOv3', True)
    assert maps_differ(net, hf, torch.rand(1, 3, 64, 64)) < 1e-5
    del state['norm.weight'], state['norm.bias']
    with pytest.raises(AssertionError, match='head.norm'):
        mapped_of(state)


@pytest.mark.parametrize(
    'lost', ['stages.1.0.dwconv.weight', 'stages.0.0.pwconv1.bias']
)
def test_a_convnext_without_a_tensor_is_not_read(nets, lost):
    state = official_convnext(nets.ConvNextModel(nets.ConvNextConfig(**SMALL)))
    del state[lost]
    with pytest.raises((UserError, AssertionError)):
        mapped_of(state)


def test_a_linear_layer_that_convnext_lacks_is_refused_by_its_name(nets):
    state = official_convnext(nets.ConvNextModel(nets.ConvNextConfig(**SMALL)))
    state['stages.0.0.gate.weight'] = torch.zeros(8, 8)
    with pytest.raises(UserError, match='stages.0.blocks.0.gate.weight'):
        mapped_of(state)


@torch.no_grad()
def swins_differ(net, hf, images):
    found = net.forward_features(images).flatten(1, 2)
    wanted = hf(images).last_hidden_state
    assert wanted.abs().max() > 1
    return (found - wanted).abs().max().item()


def test_features_of_swin_and_its_epsilons(nets):
    """EsViT's norms have another epsilon than those of Swin's authors."""
    config = nets.SwinConfig(**SWIN, layer_norm_eps=1e-6)
    hf = randomise(nets.SwinModel(config))
    for layer in hf.modules():  # transformers gives some of them 1e-5
        if isinstance(layer, torch.nn.LayerNorm):
            layer.eps = 1e-6
    state = official_swin(hf)
    # 64 px have 16 x 16 patches, in windows of 4
    state['layers.0.blocks.1.attn_mask'] = torch.zeros(16, 16, 16)
    state['layers.0.blocks.0.attn.relative_position_index'] = torch.zeros(
        16, 16, dtype=torch.int64
    )
    images = torch.rand(2, 3, 64, 64)
    with_head = state | {'head.mlp.0.weight': torch.zeros(4, 16)}
    family, answer, net = mapped_of(with_head)
    assert family.method == 'EsViT'
    assert answer.net.kwargs['norm_eps'] == 1e-6
    assert answer.net.kwargs['img_size'] == 64
    assert swins_differ(net, hf, images) < 1e-5
    family, answer, net = mapped_of(state)
    assert family.method == ''
    assert '--from swin' in answer.notes[0]
    assert swins_differ(net, hf, images) < 1e-5


def test_a_supervised_swin_has_its_authors_epsilon(nets):
    hf = randomise(nets.SwinModel(nets.SwinConfig(**SWIN)))
    state = official_swin(hf) | {'head.weight': torch.zeros(3, 16)}
    state['layers.0.blocks.1.attn_mask'] = torch.zeros(16, 16, 16)
    family, answer, net = mapped_of(state)
    assert family.name == 'swin'
    assert 'norm_eps' not in answer.net.kwargs
    assert swins_differ(net, hf, torch.rand(2, 3, 64, 64)) < 1e-5


def test_swin_in_timms_names_is_the_same_network(nets):
    hf = randomise(nets.SwinModel(nets.SwinConfig(**SWIN)))
    state = official_swin(hf) | {'head.weight': torch.zeros(3, 16)}
    state['layers.0.blocks.1.attn_mask'] = torch.zeros(16, 16, 16)
    _, wanted, _ = mapped_of(state)
    _, net = None, wanted.net.build()
    net.load_state_dict(wanted.state)
    state = net.state_dict() | {'head.fc.weight': torch.zeros(3, 16)}
    family, found, _ = mapped_of(state)
    assert family.name == 'timm_swin'
    kwargs = wanted.net.kwargs
    # without the mask the image size is that of four window merges
    assert found.net.kwargs == kwargs | dict(img_size=128)


def test_a_swin_without_a_table_is_refused(nets):
    state = official_swin(nets.SwinModel(nets.SwinConfig(**SWIN)))
    del state['layers.1.blocks.0.attn.relative_position_bias_table']
    with pytest.raises(UserError, match='table of relative positions'):
        mapped_of(state)


def test_features_of_seers_regnet():
    from torchvision.models import regnet_y_400mf

    model = randomise(regnet_y_400mf())
    state = seer_names(model)
    assert set(map(mask, state)) == set(
        map(mask, modern.shapes('seer_regnety32gf_trunk'))
    )
    images = torch.rand(2, 3, 64, 64)
    family, answer, net = mapped_of(state)
    assert (family.method, answer.net.model) == ('SEER', 'regnety_004')
    with torch.no_grad():
        wanted = model.trunk_output(model.stem(images))
        assert torch.allclose(
            net.forward_features(images), wanted, rtol=1e-5, atol=1e-4
        )
        # and torchvision's own names are the same network
        row, other, again = mapped_of(model.state_dict())
        assert row.name == 'torchvision_regnet'
        assert torch.equal(
            again.forward_features(images), net.forward_features(images)
        )
    bare = {n.removeprefix('_feature_blocks.'): t for n, t in state.items()}
    assert mapped_of(bare)[1].state.keys() == answer.state.keys()


def mask(name):
    return re.sub(r'\d+', 'N', name)


def test_two_of_timms_names_with_the_same_tensors_are_not_guessed():
    import timm

    with torch.device('meta'):
        state = timm.create_model('resnet34d').state_dict()
    assert family_of(state).name == 'timm_resnet'
    with pytest.raises(UserError, match='--arch') as caught:
        shapes_agree(state)
    assert 'resnetaa34d' in str(caught.value)
    assert shapes_agree(state, arch='resnetaa34d').model == 'resnetaa34d'
    config = dict(
        architecture='resnet34d',
        pretrained_cfg=dict(mean=[0.5] * 3, std=[0.25] * 3),
    )
    net = shapes_agree(state, config=config)
    assert (net.model, net.mean, net.std) == (
        'resnet34d',
        (0.5, 0.5, 0.5),
        (0.25, 0.25, 0.25),
    )
    net = shapes_agree(state, container=dict(arch='resnet34d'))
    assert net.model == 'resnet34d'


def test_timms_names_with_a_tensor_too_few_are_no_network():
    import timm

    with torch.device('meta'):
        state = timm.create_model('regnety_002').state_dict()
    assert shapes_agree(state).model == 'regnety_002'
    del state['s2.b1.se.fc1.bias']
    with pytest.raises(UserError, match='none of them: say which'):
        shapes_agree(state)
