"""Backbones that cannot serve: one line, before anything is trained."""

import re

import pytest
import torch
from timm_names import GROUPS

from ssl_bench.checkpoints import SUFFIX, write_backbone
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer import shapes
from ssl_bench.transfer.plan import make_plan
from tests import modern
from tests.backbones import thin_backbone
from tests.timm_tiny import TINY, source_of

pytestmark = pytest.mark.slow


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Run a transfer without data or a network; give its one line."""
    monkeypatch.chdir(tmp_path)
    for name in ('HF_HOME', 'TORCH_HOME', 'XDG_CACHE_HOME'):
        monkeypatch.setenv(name, str(tmp_path / 'cache'))

    def run(checkpoint, task, *more):
        words = ['transfer', str(checkpoint), '--tasks', task, *more]
        assert main([*words, '--dry-run']) == 2
        line = capsys.readouterr().err
        assert line.count('\n') == 1 and 'Traceback' not in line, line
        return line

    return run


@pytest.fixture
def file(tmp_path):
    """Write a backbone or foreign tensors; return the path."""

    def write(content):
        if isinstance(content, dict):
            path = tmp_path / 'weights.pth'
            torch.save(content, path)
        else:
            path = tmp_path / f'weights{SUFFIX}'
            write_backbone(path, content)
        return path

    return write


def tiny(name):
    return source_of(TINY[name], source_sha256='0' * 64).weights


@pytest.mark.parametrize(
    'backbone, task, text',
    [
        ('dinov3', 'mini_voc_det_c4', 'residual networks only.*mini_coco_m'),
        ('swin', 'voc0712_det_c4', 'residual networks only.*coco_mrcnn_fpn'),
        (None, 'mini_finetune', 'a vision transformer, got resnet18-w16'),
        (None, 'mini_seg_upernet', 'takes it is mini_seg_fcn'),
        (None, 'coco_vitdet_b', 'takes it is coco_mrcnn_c4_1x'),
    ],
)
def test_a_task_names_the_nearest_that_takes_a_backbone(
    backbone, task, text, file, refused
):
    weights = tiny(backbone) if backbone else thin_backbone()
    line = refused(file(weights), task)
    assert re.search(text, line), line
    (named,) = re.findall(r'(?:takes it is|Choose) (\w+)', line)
    make_plan(named, weights.meta['arch_args'])  # and it does


@pytest.mark.parametrize('padded', (True, False))
def test_an_image_that_patches_do_not_divide(padded, registered):
    """Padded, unless that is off: then the nearest sizes are named."""
    plan = make_plan('mini_knn', source_of(TINY['dinov2_reg']).arch_args)
    config = plan.config
    config.backbone.pad = padded
    if padded:
        shapes.check_shapes(config, _model(config), 'mini_knn')
        return
    with pytest.raises(UserError, match='patches of 14 pixels do not div'):
        shapes.check_shapes(config, _model(config), 'mini_knn')
    with pytest.raises(UserError, match='nearest sizes are 70 and 84'):
        shapes.check_shapes(config, _model(config), 'mini_knn')


def test_a_plain_vit_leaves_no_pixels_out(refused):
    """A convolution of patches would drop them without a word."""
    line = refused(
        'random',
        'mini_finetune',
        '--arch',
        'vit_d96_l4_h3_patch8',
        '--cfg-options',
        'test_dataloader.dataset.pipeline.CenterCrop.crop_size=60',
    )
    assert 'images of 60x60 pixels: patches of 8 pixels do not' in line
    assert 'The nearest sizes are 56 and 64.' in line


def test_recipes_of_another_size_are_named(refused):
    """An own size departs from the protocol, DINOv3's recipe does not."""
    line = refused(
        'random', 'spair_probe3d', '--arch', 'vit_small_patch14_dinov2'
    )
    assert '1022 and 1036, or take --recipe patch14.' in line


def _model(config):
    from ssl_bench.transfer.frozen import frozen_model

    return frozen_model(config)


@pytest.mark.parametrize(
    'name, text',
    [
        ('timm:vit_small_patch14_dinov9', 'vit_small_patch14_dinov2'),
        ('torchhub:facebookresearch/dinov2:dinov2_vits15', 'dinov2_vits14'),
        ('hf:facebook/dinov9-base', 'facebook/dinov9-base'),
    ],
)
def test_a_name_that_does_not_exist(name, text, refused, monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    line = refused(name, 'mini_knn')
    assert text in line and name.partition(':')[2][:12] in line


def test_a_file_of_another_architecture(file, refused):
    line = refused(file(tiny('dinov3')), 'mini_knn', '--arch', 'resnet50')
    assert 'vit_small_patch16_dinov3' in line and 'resnet50' in line
    state = {
        f'features.{i}.{kind}': torch.ones(8, *[3] * (kind == 'weight'))
        for i in range(3)
        for kind in ('weight', 'bias')
    }
    line = refused(file(state), 'mini_knn')
    assert 'features.0.' in line


@pytest.mark.parametrize(
    'model, lost',
    [
        ('dinov3_vits16', 'rope_embed.periods'),
        ('dinov2_vits14', 'pos_embed'),
        ('dinov2_vits14_reg4', 'pos_embed'),
    ],
)
def test_missing_positions(model, lost, file, refused):
    state = {
        name: tensor
        for name, tensor in modern.expanded(model).items()
        if not re.match(r'blocks\.([2-9]|1\d)\.', name)
    }
    del state[lost]
    line = refused(file(state), 'mini_knn')
    assert lost in line and re.search('position|missing', line), line


def test_the_sweep_looks_at_tasks_of_every_group():
    groups = {find_task(task).group for task in GROUPS.values()}
    assert groups == {
        'detection',
        'segmentation',
        'classification',
        'features',
    }
