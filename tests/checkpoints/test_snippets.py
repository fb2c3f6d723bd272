"""What `convert --to` prints loads the file as it stands, with our features."""

import json
import pickle

import pytest
import timm
import torch
import torchvision
from mmengine.config import Config
from mmengine.runner import load_checkpoint

from ssl_bench.checkpoints import Backbone
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.export import NAMES, export
from ssl_bench.checkpoints.timm_nets import IMAGENET_MEAN, TimmNet, from_header
from ssl_bench.cli import main
from ssl_bench.errors import UserError

from .conftest import randomised
from .test_export_timm import backbone_of

pytestmark = pytest.mark.slow
ODD = 'it\'s a \\ "folder"'  # a path that has to be escaped


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def imported(model, folder):
    """A backbone file's content, from the weights of a library's network."""
    torch.save(model.state_dict(), folder / 'in.pth')
    return convert(folder / 'in.pth')[0]


def resnet(name):
    model = getattr(torchvision.models, name)()
    model.fc = torch.nn.Identity()
    return randomised(model)


def vit(name, **more):
    return randomised(timm.create_model(name, num_classes=0, **more))


def run(lines):
    """Execute a snippet as it is printed; the names that it defines."""
    found = {}
    exec(lines, found)
    return found


@torch.no_grad()
def close(found, wanted):
    assert found.shape == wanted.shape
    assert wanted.abs().max() > 0.1
    assert (found - wanted).abs().max() <= 1e-5 * max(1, wanted.abs().max())


def image(side=64):
    numbers = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, side, side, generator=numbers)


MM = ['mmdet', 'mmseg', 'mmpretrain']
RESNETS = ['resnet18', 'resnet50', 'resnext50_32x4d']


@pytest.mark.parametrize(
    ('name', 'suffix'),
    [*zip(RESNETS, ('.safetensors', '.pth', '.pth'))]
    + [('wide_resnet50_2', '.safetensors')],
)
@torch.no_grad()
def test_resnets_in_torchvision_and_timm(home, name, suffix):
    model = resnet(name)
    backbone = imported(model, home)
    for target in ('torchvision', 'timm'):
        lines = export(home / f'{target}{suffix}', backbone, target)
        close(run(lines)['model'](image()), model(image()))


VITS = [
    ('vit_tiny_patch16_224', dict(depth=2, num_heads=6, embed_dim=96)),
    ('vit_small_patch16_224', {}),
    ('vit_tiny_patch16_224', dict(img_size=96, patch_size=8)),
]


@pytest.mark.parametrize(('name', 'more'), VITS)
@torch.no_grad()
def test_plain_vits(home, name, more, registered):
    model = vit(name, **more)
    backbone = imported(model, home)
    if 'depth' in more:  # a size that nobody names says no heads
        for target in ('torchvision', 'timm', 'hf', 'mmpretrain', 'mmseg'):
            with pytest.raises(UserError, match='number of attention heads'):
                export(home / 'out', backbone, target)
        backbone.meta['arch_args']['heads'] = 6
    pixels = image(more.get('img_size', 224))
    wanted = model.forward_features(pixels)
    for target in ('torchvision', 'timm'):
        lines = export(home / f'{target}.pth', backbone, target)
        close(run(lines)['model'](pixels), wanted[:, 0])
    found = run(export(home / 'hf', backbone, 'hf'))
    close(found['model'](pixels).last_hidden_state, wanted)
    lines = export(home / 'pre.pth', backbone, 'mmpretrain')
    close(build('mmpretrain', lines, home)(pixels)[0], wanted[:, 0])
    lines = export(home / 'seg.pth', backbone, 'mmseg')
    (found,) = build('mmseg', lines, home)(pixels)
    close(found.flatten(2).transpose(1, 2), wanted[:, 1:])
    for target in ('mmdet', 'detectron2'):
        with pytest.raises(UserError, match='no plain ViT class') as error:
            export(home / 'out.pkl', backbone, target)
        # only targets that have a class for this one
        named = str(error.value).partition(': choose ')[2].split(' or ')
        assert 'timm' in named
        for other in named:
            export(home / f'other_{other}.pth', backbone, other)


BASE = """
data_preprocessor = dict(mean=[0.0] * 3)
model = dict(
    type='Any',
    data_preprocessor=dict(type='Any', bgr_to_rgb=False),
    backbone=dict(type='ResNet', depth=101, frozen_stages=1, norm_eval=True),
)
"""


def build(target, lines, home):
    """The backbone of a config that has the lines, with its weights."""
    import importlib

    registry = importlib.import_module(f'{target}.registry').MODELS
    (home / 'base.py').write_text(BASE)
    (home / 'mine.py').write_text(f"_base_ = './base.py'\n{lines}\n")
    config = Config.fromfile(home / 'mine.py')
    settings = config.model.backbone
    plain = settings.type in ('mmdet.ResNet', 'mmseg.ResNet')
    assert settings.get('frozen_stages', 1) == 1 and '_delete_' not in settings
    assert settings.get('norm_eval', plain) or not plain
    pixels = config.model.data_preprocessor
    if target == 'mmpretrain':
        pixels = config.data_preprocessor
    assert pixels.get('to_rgb', pixels.get('bgr_to_rgb')) is True
    assert pixels.mean == [123.675, 116.28, 103.53]
    whole = torch.nn.Module()
    whole.backbone = registry.build(settings)
    if config.get('load_from'):
        load_checkpoint(whole, config.load_from, 'cpu', strict=True)
    else:
        whole.backbone.init_weights()
    whole.backbone.eval()
    return whole.backbone


def last_map(model, pixels):
    x = model.maxpool(model.relu(model.bn1(model.conv1(pixels))))
    return model.layer4(model.layer3(model.layer2(model.layer1(x))))


@pytest.mark.parametrize(
    ('name', 'target'),
    [(name, target) for name in RESNETS[::2] for target in MM]
    + [('resnet50', 'mmdet')],
)
@torch.no_grad()
def test_resnets_in_openmmlab(home, name, target, registered):
    model = resnet(name)
    lines = export(home / 'out.pth', imported(model, home), target)
    assert 'ssl_bench' not in lines  # the toolkit's own class
    close(build(target, lines, home)(image())[-1], last_map(model, image()))


def thin():
    """ResNet-18 of a quarter of the width, as the demo pretrains it."""
    from mmpretrain.models import ResNet

    model = ResNet(18, base_channels=16, stem_channels=16)
    randomised(model, seed=3)  # mm backbones return None from eval()
    return model


@torch.no_grad()
def test_a_width_that_only_some_have(home, capsys, registered):
    model = thin()
    backbone = imported(model, home)
    assert backbone.arch == 'resnet18-w16'
    others = 'choose mmdet or mmseg or mmpretrain or hf'
    for target in ('torchvision', 'timm', 'detectron2'):
        with pytest.raises(UserError, match=f'resnet18-w16: {others}') as e:
            export(home / 'out.pkl', backbone, target)
        assert '\n' not in str(e.value)
    assert not (home / 'out.pkl').exists()
    model.eval()
    wanted = model(image())[-1]
    for target in MM:
        lines = export(home / f'{target}.pth', backbone, target)
        close(build(target, lines, home)(image())[-1], wanted)
    found = run(export(home / 'hf', backbone, 'hf'))
    close(found['model'](image()).last_hidden_state, wanted)
    words = ['convert', str(home / 'in.pth'), str(home / 'cli.pth')]
    assert main([*words, '--to', 'torchvision']) == 2
    assert others in capsys.readouterr().err
    assert main([*words, '--to', 'mmdet']) == 0
    said = capsys.readouterr().out
    assert 'load it with:\n\nmodel = dict(\n' in said
    lines = said.split('load it with:\n\n')[1]
    close(build('mmdet', lines, home)(image())[-1], wanted)


SMALL_VIT = dict(embed_dim=32, depth=2, num_heads=4)
TIMM = [
    TimmNet('vit_small_patch14_dinov2', SMALL_VIT | dict(img_size=56), 'dino'),
    TimmNet('vit_small_patch14_dinov2', dict(img_size=56), 'dino'),
    TimmNet('vit_small_plus_patch16_dinov3', SMALL_VIT, 'none'),
    TimmNet(
        'vit_small_patch14_dinov2',
        SMALL_VIT | dict(img_size=56, norm_eps=1e-5, mlp_layer='GluMlp'),
    ),
    TimmNet('convnextv2_atto', {}, 'none', pool='pooled_map'),
    TimmNet(
        'swin_tiny_patch4_window7_224',
        dict(embed_dim=24, depths=[1, 1, 1, 1], img_size=56),
        'none',
        pool='pooled_map',
    ),
]


@pytest.mark.parametrize('net', TIMM, ids=lambda net: net.name)
@torch.no_grad()
def test_networks_of_timm(home, net, registered):
    backbone = backbone_of(net)
    model = net.build().eval()
    model.load_state_dict(backbone.state)
    pixels = image(net.kwargs.get('img_size', 64))
    wanted = model(pixels)
    for name in ('out.pth', 'out.safetensors'):
        lines = export(home / name, backbone, 'timm')
        close(run(lines)['model'](pixels), wanted)
    if not {'norm_eps', 'mlp_layer'} & set(net.kwargs):
        lines = export(home / 'folder', backbone, 'timm')
        close(run(lines)['model'](pixels), wanted)
    for target in MM:
        lines = export(home / f'{target}.pth', backbone, target)
        found = build(target, lines, home)
        if 'TimmBackbone' not in lines:
            assert target == 'mmpretrain'  # its ViT with layer scale
            close(found(pixels)[0], wanted)
            continue
        # ours, so the config has to import it
        assert "imports=['ssl_bench.toolbox.timm_backbone']" in lines
        if target == 'mmpretrain' and net.pool == 'class_token':
            close(found(pixels)[0], model.forward_features(pixels)[:, 0])
        elif target == 'mmpretrain':
            close(found(pixels)[0], wanted)
        else:
            close(found(pixels)[-1], last_of(model, pixels))


def test_a_file_for_our_class_is_read_again(home):
    net = TIMM[4]
    backbone = backbone_of(net)
    export(home / 'out.pth', backbone, 'mmdet')
    again, _ = convert(home / 'out.pth', arch=net.model)
    assert from_header(again.meta['arch_args']) == net
    assert again.state.keys() == backbone.state.keys()
    assert all(
        torch.equal(again.state[name], tensor)
        for name, tensor in backbone.state.items()
    )


def last_of(model, pixels):
    """timm's own last map, after the norm where there is one."""
    (found,) = model.forward_intermediates(
        pixels,
        indices=1,
        norm=True,
        output_fmt='NCHW',
        intermediates_only=True,
    )
    return found


HF = [TIMM[0], TIMM[2], TIMM[4]]


@pytest.mark.parametrize('net', HF, ids=lambda net: net.name)
@torch.no_grad()
def test_transformers_reads_networks_of_timm(home, net):
    backbone = backbone_of(net)
    found = run(export(home / 'hf', backbone, 'hf'))
    side = net.kwargs.get('img_size', 224)
    numbers = torch.Generator().manual_seed(0)
    photo = torch.randint(0, 256, (3, 300, 400), generator=numbers)
    pixels = found['processor'](
        photo.byte().permute(1, 2, 0).numpy(), return_tensors='pt'
    )['pixel_values']
    assert pixels.shape == (1, 3, side, side)
    model = net.build().eval()
    model.load_state_dict(backbone.state)
    close(
        found['model'](pixels).last_hidden_state,
        model.forward_features(pixels),
    )


def test_the_processor_prepares_images_as_in_pretraining(home):
    from PIL import Image

    backbone = imported(resnet('resnet18'), home)
    processor = run(export(home / 'hf', backbone, 'hf'))['processor']
    white = Image.new('RGB', (500, 300), (255, 255, 255))
    pixels = processor(white, return_tensors='pt')['pixel_values']
    assert pixels.shape == (1, 3, 224, 224)
    wanted = [
        (1 - m) / s for m, s in zip(IMAGENET_MEAN, (0.229, 0.224, 0.225))
    ]
    torch.testing.assert_close(
        pixels[0, :, 3, 5], torch.tensor(wanted), rtol=0, atol=1e-5
    )
    said = json.loads((home / 'hf/preprocessor_config.json').read_text())
    assert said['size'] == dict(shortest_edge=256)


def test_detectron2(home):
    backbone = imported(resnet('resnet50'), home)
    for name in ('out.pth', 'out'):
        with pytest.raises(UserError, match=r'end in \.pkl: name .*out\.pkl'):
            export(home / name, backbone, 'detectron2')
    lines = export(home / 'out.pkl', backbone, 'detectron2')
    compile(lines, 'snippet', 'exec')
    for setting in (
        f'MODEL.WEIGHTS = {str(home / "out.pkl")!r}',
        'MODEL.PIXEL_MEAN = [123.675, 116.28, 103.53]',
        "INPUT.FORMAT = 'RGB'",
        'MODEL.RESNETS.DEPTH = 50',
        'MODEL.RESNETS.RES2_OUT_CHANNELS = 256',
        'MODEL.RESNETS.WIDTH_PER_GROUP = 64',
        'MODEL.RESNETS.STRIDE_IN_1X1 = False',
    ):
        assert f'cfg.{setting}\n' in lines
    content = pickle.loads((home / 'out.pkl').read_bytes())['model']
    assert content['res2.0.conv1.norm.running_var'].shape == (64,)
    assert content['res5.2.conv3.weight'].shape == (2048, 512, 1, 1)
    meta = dict(backbone.meta, convention='caffe')
    lines = export(
        home / 'msra.pkl', Backbone(backbone.state, meta=meta), 'detectron2'
    )
    assert 'cfg.MODEL.RESNETS.STRIDE_IN_1X1 = True\n' in lines
    assert "cfg.INPUT.FORMAT = 'BGR'\n" in lines
    lines = export(
        home / 'msra.pth', Backbone(backbone.state, meta=meta), 'mmdet'
    )
    assert "style='caffe'" in lines and 'bgr_to_rgb=False' in lines


def test_every_target_has_a_snippet(home):
    backbone = imported(resnet('resnet18'), home)
    for target in NAMES:
        lines = export(home / f'{target}.pkl', backbone, target)
        compile(lines, target, 'exec')
        assert repr(str(home / f'{target}.pkl')) in lines
