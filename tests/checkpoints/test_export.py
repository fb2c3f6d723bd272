"""Out and in again: other programs read the file, features and bytes agree."""

import pickle
import shutil

import pytest
import torch

from ssl_bench.checkpoints import read_backbone, write_backbone
from ssl_bench.checkpoints.backbone import Backbone, tensors_sha256
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.export import NAMES, export
from ssl_bench.errors import UserError
from tests.checkpoints import official
from tests.checkpoints.conftest import randomised

pytestmark = pytest.mark.slow


@pytest.fixture(scope='session')
def r50_backbone(tmp_path_factory, resnet50):
    """An imported ResNet-50 with a filled header."""
    path = tmp_path_factory.mktemp('r50') / 'c.pth.tar'
    torch.save(official.mocov2(dict(resnet50.state_dict())), path)
    return convert(path, meta=dict(pretrain_epochs=200))[0]


@pytest.fixture(scope='session')
def vit_backbone(tmp_path_factory, vit_base):
    """An imported ViT-B/16."""
    path = tmp_path_factory.mktemp('vit') / 'c.pth'
    torch.save(dict(model=dict(vit_base.state_dict())), path)
    return convert(path)[0]


def in_and_out(tmp_path, backbone, target, suffix='.pth'):
    """Export, check that converting back gives the same; the export.

    A backbone file is a function of its header and its tensors' bytes, which
    are compared here; whole files in `test_same_file_after_a_round_trip`.
    """
    out = tmp_path / f'{target}{suffix}'
    export(out, backbone, target)
    back, _ = convert(out)
    assert back.meta == backbone.meta
    assert tensors_sha256(back.tensors()) == tensors_sha256(backbone.tensors())
    return out


def close(a, b):
    assert a.shape == b.shape
    assert (a - b).abs().max() <= 1e-5 * max(1, b.abs().max())


def resnet_features(model, images):
    """layer4 of a torchvision-like ResNet, (B, 2048, 7, 7)."""
    x = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    return model.layer4(model.layer3(model.layer2(model.layer1(x))))


@pytest.fixture(scope='session')
@torch.no_grad()
def resnet_map(resnet50, images):
    """What torchvision's own ResNet-50 makes of the images."""
    return resnet_features(resnet50, images)


@pytest.fixture(scope='session')
@torch.no_grad()
def vit_tokens(vit_base, images):
    """What timm's own ViT-B/16 makes of the image, after its norm."""
    return vit_base.forward_features(images)


@torch.no_grad()
def test_torchvision_resnet(tmp_path, r50_backbone, resnet_map, images):
    import torchvision

    path = in_and_out(tmp_path, r50_backbone, 'torchvision')
    model = torchvision.models.resnet50()
    found = model.load_state_dict(
        torch.load(path, weights_only=True), strict=False
    )
    assert found.missing_keys == ['fc.weight', 'fc.bias']
    assert found.unexpected_keys == []
    close(resnet_features(model.eval(), images), resnet_map)


@torch.no_grad()
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_timm_resnet(tmp_path, r50_backbone, resnet_map, images, suffix):
    timm = pytest.importorskip('timm')
    path = in_and_out(tmp_path, r50_backbone, 'timm', suffix)
    model = timm.create_model(
        'resnet50', num_classes=0, checkpoint_path=str(path)
    ).eval()
    close(model.forward_features(images), resnet_map)


@torch.no_grad()
@pytest.mark.parametrize('target', ['mmpretrain', 'mmdet', 'mmseg'])
def test_mm_resnet(
    tmp_path, r50_backbone, resnet_map, images, target, registered
):
    import importlib

    registry = importlib.import_module(f'{target}.registry').MODELS
    path = in_and_out(tmp_path, r50_backbone, target)
    model = registry.build(
        dict(
            type=f'{target}.ResNet',
            depth=50,
            style='pytorch',
            out_indices=(3,),
            norm_eval=False,
            init_cfg=dict(
                type='Pretrained', checkpoint=str(path), prefix='backbone.'
            ),
        )
    )
    model.init_weights()
    model.eval()  # mm backbones return None from it
    close(model(images)[0], resnet_map)


def test_detectron2_names(tmp_path, r50_backbone, resnet50):
    path = in_and_out(tmp_path, r50_backbone, 'detectron2', '.pkl')
    content = pickle.loads(path.read_bytes())
    expected = official.detectron2(dict(resnet50.state_dict()))
    assert content['matching_heuristics'] is True
    assert set(content['model']) == set(expected['model'])
    assert all(
        (content['model'][name] == value).all()
        for name, value in expected['model'].items()
    )


@pytest.mark.parametrize('target', ['torchvision', 'timm', 'hf'])
def test_strides_that_a_target_has_not(tmp_path, r50_backbone, target):
    """MSRA's network strides in the 1x1 convolution; theirs would be wrong."""
    backbone = Backbone(
        r50_backbone.state, meta=dict(r50_backbone.meta, convention='caffe')
    )
    with pytest.raises(UserError, match="1x1.*style='caffe'"):
        export(tmp_path / 'out', backbone, target)
    export(tmp_path / 'out.pth', backbone, 'mmdet')


@torch.no_grad()
def test_hf_resnet(tmp_path, r50_backbone, resnet_map, images):
    path = in_and_out(tmp_path, r50_backbone, 'hf', '')
    transformers = pytest.importorskip(
        'transformers', reason='the proof needs transformers'
    )
    model, info = transformers.ResNetModel.from_pretrained(
        path, output_loading_info=True
    )
    assert not info['missing_keys'] and not info['unexpected_keys']
    close(model.eval()(images).last_hidden_state, resnet_map)


@torch.no_grad()
def test_hf_vit(tmp_path, vit_backbone, vit_tokens, images):
    path = in_and_out(tmp_path, vit_backbone, 'hf', '')
    transformers = pytest.importorskip(
        'transformers', reason='the proof needs transformers'
    )
    model, info = transformers.ViTModel.from_pretrained(
        path, add_pooling_layer=False, output_loading_info=True
    )
    assert not info['missing_keys'] and not info['unexpected_keys']
    close(model.eval()(images).last_hidden_state, vit_tokens)


@torch.no_grad()
def test_timm_vit(tmp_path, vit_backbone, vit_tokens, images):
    import timm

    path = in_and_out(tmp_path, vit_backbone, 'timm')
    model = timm.create_model(
        'vit_base_patch16_224', num_classes=0, checkpoint_path=str(path)
    ).eval()
    close(model.forward_features(images), vit_tokens)


@torch.no_grad()
def test_torchvision_vit(tmp_path, vit_backbone, vit_tokens, images):
    import torchvision

    path = in_and_out(tmp_path, vit_backbone, 'torchvision')
    model = torchvision.models.vit_b_16()
    found = model.load_state_dict(torch.load(path), strict=False)
    assert found.missing_keys == ['heads.head.weight', 'heads.head.bias']
    assert found.unexpected_keys == []
    x = model._process_input(images)
    x = torch.cat([model.class_token.expand(len(x), -1, -1), x], dim=1)
    close(model.eval().encoder(x), vit_tokens)


@torch.no_grad()
def test_torchvision_own_file(tmp_path, images):
    """The other way: what torchvision saves, through timm's class."""
    import timm
    import torchvision

    theirs = torchvision.models.VisionTransformer(224, 16, 2, 3, 192, 768)
    theirs = randomised(theirs)
    torch.save(theirs.state_dict(), tmp_path / 'c.pth')
    backbone, report = convert(tmp_path / 'c.pth')
    assert backbone.arch == 'vit_d192_l2_patch16'
    assert report.dropped == {'heads': 2}
    ours = timm.create_model('vit_tiny_patch16_224', depth=2, num_classes=0)
    ours.load_state_dict(backbone.state)
    x = theirs._process_input(images)
    x = torch.cat([theirs.class_token.expand(len(x), -1, -1), x], dim=1)
    close(ours.eval().forward_features(images), theirs.encoder(x))


@torch.no_grad()
@pytest.mark.parametrize(
    'target,extra',
    [
        ('mmpretrain', dict(arch='base', out_type='raw')),
        (
            'mmseg',
            dict(
                norm_cfg=dict(type='LN', eps=1e-6),
                img_size=224,
                patch_bias=True,
                final_norm=True,
                out_indices=(11,),
            ),
        ),
    ],
)
def test_mm_vit(
    tmp_path, vit_backbone, vit_tokens, images, target, extra, registered
):
    import importlib

    registry = importlib.import_module(f'{target}.registry').MODELS
    path = in_and_out(tmp_path, vit_backbone, target)
    model = registry.build(dict(type=f'{target}.VisionTransformer', **extra))
    state = torch.load(path)['state_dict']
    model.load_state_dict(
        {name[len('backbone.') :]: tensor for name, tensor in state.items()}
    )
    model.eval()  # mm backbones return None from it
    features = model(images)[0]
    expected = vit_tokens
    if target == 'mmseg':  # gives a map (B, C, 14, 14)
        expected = expected[:, 1:].transpose(1, 2).unflatten(2, (14, 14))
    close(features, expected)


def test_neck_and_head_go_to_mmdet(tmp_path, resnet50):
    path = tmp_path / 'c.pth'
    torch.save(official.insloc_fpn(dict(resnet50.state_dict())), path)
    backbone, _ = convert(path)
    out = in_and_out(tmp_path, backbone, 'mmdet')
    state = torch.load(out)['state_dict']
    assert 'neck.fpn_convs.3.bn.running_var' in state
    assert 'roi_head.bbox_head.shared_fcs.0.weight' in state
    assert not any('_k.' in name for name in state)


@pytest.mark.parametrize('target', [*NAMES, 'backbone'])
def test_same_file_after_a_round_trip(tmp_path, resnet18, vit_tiny, target):
    """In, out, in: the two backbone files and two exports are byte-equal."""
    for model in (resnet18, vit_tiny):
        if model is vit_tiny and target in ('mmdet', 'detectron2'):
            continue
        torch.save(model.state_dict(), tmp_path / 'in.pth')
        first, _ = convert(tmp_path / 'in.pth', meta=dict(method='Mine'))
        write_backbone(tmp_path / 'first', first)
        out = tmp_path / ('out.pkl' if target == 'detectron2' else 'out')
        export(out, first, target)
        second, _ = convert(out)
        write_backbone(tmp_path / 'second', second)
        assert (tmp_path / 'first').read_bytes() == (
            tmp_path / 'second'
        ).read_bytes()
        if target == 'hf':
            for name in ('config.json', 'preprocessor_config.json'):
                (out / name).unlink()
            (tmp_path / 'out/model.safetensors').rename(tmp_path / 'a')
            (tmp_path / 'out').rmdir()
        else:
            out.rename(tmp_path / 'a')
        again = tmp_path / f'b{out.suffix}'
        export(again, second, target)
        again = again / 'model.safetensors' if again.is_dir() else again
        assert again.read_bytes() == (tmp_path / 'a').read_bytes()
        if target == 'hf':
            shutil.rmtree(tmp_path / 'b')


def test_provenance_ends_where_the_weights_change(tmp_path, r50_backbone):
    export(tmp_path / 'c.pth', r50_backbone, 'mmpretrain')
    content = torch.load(tmp_path / 'c.pth')
    content['state_dict']['backbone.bn1.bias'] += 1
    torch.save(content, tmp_path / 'c.pth')
    backbone, report = convert(tmp_path / 'c.pth')
    assert backbone.meta['method'] == ''
    assert 'its weights have changed' in report.notes[0]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_kept(tmp_path, resnet18, dtype):
    state = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in resnet18.state_dict().items()
    }
    torch.save(state, tmp_path / 'c.pth')
    backbone, report = convert(tmp_path / 'c.pth')
    assert not report.warnings
    write_backbone(tmp_path / 'b', backbone)
    back = read_backbone(tmp_path / 'b').state
    assert all(
        torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype
        for name, tensor in state.items()
    )
    if dtype == torch.bfloat16:
        with pytest.raises(UserError, match='no bfloat16'):
            export(tmp_path / 'c.pkl', backbone, 'detectron2')
        assert not (tmp_path / 'c.pkl').exists()


def no_norm(tmp_path, vit_base):
    path = tmp_path / 'c.pth'
    torch.save(official.siamese_im(dict(vit_base.state_dict())), path)
    return convert(path)[0]


@torch.no_grad()
def test_siamese_im_has_no_final_norm(tmp_path, vit_base, vit_tokens, images):
    import timm

    backbone = no_norm(tmp_path, vit_base)
    for target, message in (
        ('hf', 'final norm'),
        ('detectron2', 'no plain'),
        ('torchvision', 'final norm'),
    ):
        with pytest.raises(UserError, match=message):
            export(tmp_path / 'out', backbone, target)
    assert not (tmp_path / 'out').exists()
    path = in_and_out(tmp_path, backbone, 'timm')
    model = timm.create_model(
        'vit_base_patch16_224', num_classes=0, final_norm=False
    )
    model.load_state_dict(torch.load(path))
    close(vit_base.norm(model.eval().forward_features(images)), vit_tokens)


def test_what_a_target_cannot_hold(tmp_path, vit_base, resnet18):
    import timm
    import torchvision

    scaled = timm.create_model(
        'vit_tiny_patch16_224', depth=1, init_values=0.1, num_classes=0
    )
    torch.save(scaled.state_dict(), tmp_path / 'c.pth')
    backbone, _ = convert(tmp_path / 'c.pth')
    with pytest.raises(UserError, match='no layer_scale'):
        export(tmp_path / 'out', backbone, 'torchvision')
    wide = torchvision.models.wide_resnet50_2()
    torch.save(wide.state_dict(), tmp_path / 'c.pth')
    backbone, _ = convert(tmp_path / 'c.pth')
    assert backbone.arch == 'wide_resnet50_2'
    with pytest.raises(UserError, match='neither wide nor grouped'):
        export(tmp_path / 'out', backbone, 'hf')
    with pytest.raises(UserError, match='Did you mean mmseg'):
        export(tmp_path / 'out', backbone, 'mmsegg')
