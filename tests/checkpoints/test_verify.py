"""What a report says when weights did not arrive, or look untrained."""

import pytest
import torch
import torchvision

from ssl_bench.checkpoints.convert import convert
from ssl_bench.errors import UserError


@pytest.fixture
def state(resnet18):
    return dict(resnet18.state_dict())


def save(tmp_path, state):
    torch.save(state, tmp_path / 'c.pth')
    return tmp_path / 'c.pth'


def test_lists_with_the_nearest_names(tmp_path, state):
    state['layer2.1.conv_2.weight'] = state.pop('layer2.1.conv2.weight')
    state['layer3.0.conv1.weight'] = torch.ones(7, 128, 3, 3)
    with pytest.raises(UserError) as caught:
        convert(save(tmp_path, state))
    text = str(caught.value)
    assert 'a whole resnet18 (read as torchvision' in text
    assert (
        'missing (1): layer2.1.conv2.weight (nearest in the file: '
        'layer2.1.conv_2.weight)'
    ) in text
    assert 'unexpected (1): layer2.1.conv_2.weight' in text
    assert (
        'layer3.0.conv1.weight (file [7, 128, 3, 3], expected '
        '[256, 128, 3, 3])'
    ) in text


def test_a_missing_block(tmp_path, state):
    whole = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith('layer4.1.')
    }
    with pytest.raises(UserError, match=r'missing \(10\): layer4.1.conv1'):
        convert(save(tmp_path, whole))


def test_missing_running_statistics(tmp_path, state):
    del state['bn1.running_var']
    with pytest.raises(UserError, match=r'missing \(1\): bn1.running_var'):
        convert(save(tmp_path, state))


def test_unknown_parts_can_be_dropped_by_name(tmp_path, state):
    state['adapter.weight'] = torch.ones(3)
    path = save(tmp_path, state)
    with pytest.raises(UserError, match=r'unexpected \(1\): adapter.weight'):
        convert(path)
    backbone, report = convert(path, drop=['adapter.'])
    assert report.dropped == {'adapter': 1}
    assert 'adapter.weight' not in backbone.state


def test_resnet101_given_as_r50(tmp_path):
    model = torchvision.models.resnet101(width_per_group=8)
    path = save(tmp_path, model.state_dict())
    with pytest.raises(UserError, match='resnet101.*, not resnet50'):
        convert(path, arch='r50')


def test_deep_stem_is_not_taken_for_a_resnet(tmp_path, state):
    state['stem.0.weight'] = state.pop('conv1.weight')
    with pytest.raises(UserError, match='holds a ResNet with a deep stem'):
        convert(save(tmp_path, state))


def test_what_was_tried(tmp_path, state):
    path = save(tmp_path, {f'net.{k}': v for k, v in state.items()})
    with pytest.raises(UserError) as caught:
        convert(path, from_format='moco')
    text = str(caught.value)
    assert "looked as moco, after 'encoder_q.'" in text
    assert "There is an encoder after 'net.': give --prefix" in text
    assert 'of its 120 tensors: net.' in text
    assert convert(path, prefix='net.')[1].complete


def test_untrained_weights_are_reported(tmp_path):
    path = save(tmp_path, torchvision.models.resnet18().state_dict())
    warnings = convert(path)[1].warnings
    assert any('20 batch norms hold their initial' in w for w in warnings)
    assert any('20 norm layers hold their initial' in w for w in warnings)


def test_untrained_vit_is_reported(tmp_path):
    timm = pytest.importorskip('timm')
    model = timm.create_model('vit_tiny_patch16_224', depth=2, num_classes=0)
    torch.nn.init.zeros_(model.patch_embed.proj.bias)
    warnings = convert(save(tmp_path, model.state_dict()))[1].warnings
    assert any('5 norm layers hold their initial' in w for w in warnings)


def test_trained_weights_are_not_reported(tmp_path, state):
    assert convert(save(tmp_path, state))[1].warnings == []


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize(
    'name', ['layer1.0.bn1.weight', 'layer2.0.bn1.running_var']
)
def test_broken_values_are_refused(tmp_path, state, value, name):
    state = dict(state, **{name: state[name].clone()})
    state[name][3:5] = value
    path = save(tmp_path, state)
    found = (
        f'2 NaN or infinite values in 1 of 120 tensors, the first is {name}'
    )
    with pytest.raises(UserError, match=f'{found}.*--allow-nan'):
        convert(path)
    assert convert(path, allow_nan=True)[1].warnings == [found]


def test_large_halves_are_not_broken(tmp_path, state):
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    half['bn1.running_var'] = torch.full((64,), 6e4).half()
    assert convert(save(tmp_path, half))[1].warnings == []


def test_constant_weights_are_reported(tmp_path, state):
    state['layer1.0.conv1.weight'] = torch.zeros(64, 64, 3, 3)
    warnings = convert(save(tmp_path, state))[1].warnings
    assert 'one constant in (1): layer1.0.conv1.weight' in warnings[0]
