"""The containers that programs put ConvNeXt, Swin and RegNet into."""

import sys
import types

import pytest
import torch

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.errors import UserError

from .families import randomise
from .hierarchical import (
    SMALL,
    SWIN,
    official_convnext,
    official_swin,
    seer_names,
    sparse_names,
)


@pytest.fixture(scope='module')
def nets():
    return pytest.importorskip('transformers')


@pytest.fixture(scope='module')
def convnext(nets):
    """V2 in its authors' names, without the final norm."""
    made = nets.ConvNextV2Model(nets.ConvNextV2Config(**SMALL))
    state = official_convnext(randomise(made))
    return {n: t for n, t in state.items() if not n.startswith('norm.')}


@pytest.fixture(scope='module')
def swin(nets):
    state = official_swin(randomise(nets.SwinModel(nets.SwinConfig(**SWIN))))
    state['layers.0.blocks.1.attn_mask'] = torch.zeros(16, 16, 16)
    return state


def under(prefix, state):
    return {f'{prefix}{name}': tensor for name, tensor in state.items()}


def saved(path, content):
    torch.save(content, path / 'file.pth')
    return path / 'file.pth'


def loads(backbone):
    net = from_header(backbone.meta['arch_args']).build()
    net.load_state_dict(backbone.state, strict=True)
    return net


@pytest.mark.parametrize('sparse', [True, False])
def test_fcmae(convnext, tmp_path, sparse):
    state = under('encoder.', sparse_names(convnext) if sparse else convnext)
    heads = ('mask_token', 'proj.weight', 'decoder.0.x', 'pred.weight')
    state |= {name: torch.ones(1, 2) for name in heads}
    backbone, report = convert(saved(tmp_path, dict(model=state, epoch=7)))
    assert backbone.meta['method'] == 'FCMAE'
    assert backbone.meta['arch_args']['final_norm'] is False
    loads(backbone)
    assert set(report.dropped) >= {'mask_token', 'proj', 'decoder', 'pred'}


def test_sparks_full_file(convnext, tmp_path):
    state = under('sparse_encoder.sp_cnn.', convnext)
    state['dense_decoder.proj.weight'] = torch.ones(2, 2)
    state['mask_tokens.0'] = torch.ones(2, 2)
    content = dict(
        args=dict(model='x'),
        input_size=224,
        arch='convnext_small',
        epoch=1600,
        performance_desc='',
        module=state,
        optimizer=dict(state={}, param_groups=[]),
        is_pretrain=True,
    )
    backbone, report = convert(saved(tmp_path, content))
    loads(backbone)
    assert set(report.dropped) == {'dense_decoder', 'mask_tokens'}


def test_simmim_with_a_yacs_node_that_is_never_built(
    swin, tmp_path, monkeypatch
):
    """The container's config is a class of a package that is not needed."""
    module = types.ModuleType('yacs.config')
    node = type('CfgNode', (dict,), dict(__module__='yacs.config'))
    module.CfgNode = node
    monkeypatch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
    monkeypatch.setitem(sys.modules, 'yacs.config', module)
    config = node(DATA=node(IMG_SIZE=192))
    config.__dict__['__immutable__'] = True
    state = under('encoder.', swin)
    state['encoder.mask_token'] = torch.ones(1, 1, 8)
    state['decoder.0.weight'] = torch.ones(2, 2)
    path = saved(
        tmp_path,
        dict(
            model=state,
            optimizer=dict(state={}, param_groups=[]),
            lr_scheduler={},
            max_accuracy=0.0,
            epoch=799,
            config=config,
        ),
    )
    monkeypatch.delitem(sys.modules, 'yacs.config')
    monkeypatch.delitem(sys.modules, 'yacs')
    backbone, _ = convert(path)
    assert backbone.meta['method'] == 'SimMIM'
    assert 'norm_eps' not in backbone.meta['arch_args']['kwargs']
    loads(backbone)
    assert 'yacs' not in sys.modules


def test_esvits_teacher(swin, tmp_path):
    head = {
        'head.mlp.0.weight': torch.ones(2, 2),
        'head_dense.x': torch.ones(1),
    }
    student = under('module.', swin | head)
    teacher = under('module.', {n: t + 1 for n, t in swin.items()} | head)
    path = saved(tmp_path, dict(student=student, teacher=teacher, epoch=300))
    backbone, report = convert(path)
    assert backbone.meta['method'] == 'EsViT'
    assert backbone.meta['arch_args']['kwargs']['norm_eps'] == 1e-6
    assert torch.equal(backbone.state['norm.bias'], swin['norm.bias'] + 1)
    loads(backbone)
    backbone, _ = convert(path, branch='online')
    assert torch.equal(backbone.state['norm.bias'], swin['norm.bias'])


def test_seers_container(tmp_path):
    from torchvision.models import regnet_y_400mf

    trunk = seer_names(randomise(regnet_y_400mf()))
    heads = {'0.clf.0.weight': torch.ones(2, 2)}
    model = dict(trunk=trunk, heads=heads)
    content = dict(classy_state_dict=dict(base_model=dict(model=model)))
    backbone, _ = convert(saved(tmp_path, content))
    assert backbone.arch == 'regnety_004'
    assert backbone.meta['method'] == 'SEER'
    loads(backbone)


def test_dinov3s_training_file(nets, tmp_path):
    made = nets.ConvNextModel(nets.ConvNextConfig(**SMALL))
    state = official_convnext(randomise(made))
    state['norms.3.weight'] = state['norm.weight']
    state['norms.3.bias'] = state['norm.bias']
    teacher = under('backbone.', state)
    teacher['dino_head.mlp.0.weight'] = torch.ones(2, 2)
    backbone, _ = convert(saved(tmp_path, dict(teacher=teacher)))
    assert backbone.meta['method'] == 'DINOv3'
    loads(backbone)


def test_one_dropped_tensor_is_refused(convnext, swin, tmp_path):
    from torchvision.models import regnet_y_400mf

    whole = {
        'stages.1.0.grn.beta': convnext,
        'layers.1.blocks.0.mlp.fc1.bias': swin,
        '_feature_blocks.res3.block2-0.f.a.1.running_var': seer_names(
            regnet_y_400mf()
        ),
    }
    for lost, state in whole.items():
        rest = {n: t for n, t in state.items() if n != lost}
        assert len(rest) == len(state) - 1
        with pytest.raises(UserError) as caught:
            convert(saved(tmp_path, rest))
        assert '\n' not in str(caught.value)
