"""What mmengine checkpoints of this project's own methods say and hold."""

import pytest
import torch

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.provenance import convention_of, heads_of
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError

CONFIGS = sorted(config_dir().glob('mini/*.py'))


def test_heads():
    def backbone(**fields):
        return dict(model=dict(backbone=fields))

    assert heads_of(backbone(arch=dict(num_heads=3))) == 3
    assert heads_of(backbone(arch='mocov3-small')) == 12
    assert heads_of(backbone(num_heads=6)) == 6
    assert heads_of(backbone(arch='base')) is None
    assert heads_of({}) is None


def test_convention():
    def config(style, std):
        return dict(
            model=dict(
                backbone=dict(style=style), data_preprocessor=dict(std=std)
            )
        )

    assert convention_of(config('caffe', [1.0, 1.0, 1.0])) == 'caffe'
    assert convention_of(config('pytorch', [58.395, 57.12, 57.375])) is None
    assert convention_of({}) is None
    with pytest.raises(UserError, match='style caffe and .* 57.12'):
        convention_of(config('caffe', [58.395, 57.12, 57.375]))


def checkpoint(config, model, path):
    """The file that mmengine's runner saves after epoch 3."""
    torch.save(
        dict(
            meta=dict(
                epoch=3,
                iter=30,
                cfg=config.pretty_text,
                seed=0,
                experiment_name='mini_20240101',
                mmengine_version='0.10',
            ),
            state_dict=model.state_dict(),
            optimizer={},
        ),
        path,
    )
    return path


def check(config, model, path):
    backbone, report = convert(checkpoint(config, model, path))
    meta = backbone.meta
    expected = model.backbone.state_dict()
    assert meta['source_format'] == 'mmengine' and report.complete
    assert meta['method'] == config.method.name
    assert meta['variant'] == config.method.get('variant', '')
    assert meta['sources']['method'] == 'meta.cfg.method.name'
    assert meta['pretrain_epochs'] == 3
    assert meta['sources']['pretrain_epochs'] == 'meta.epoch'
    shared = getattr(getattr(model, 'roi_head', None), 'shared_head', None)
    if shared is not None:
        expected.update(shared.state_dict())
    if meta['arch_args']['family'] == 'resnet':
        assert set(expected) == set(backbone.state)
        for name, tensor in expected.items():
            assert torch.equal(backbone.state[name], tensor)
    else:
        assert len(backbone.state) == report.loaded
        assert torch.equal(
            backbone.state['patch_embed.proj.weight'],
            expected['patch_embed.projection.weight'],
        )
        assert (
            meta['arch_args']['heads']
            == config.model.backbone.arch['num_heads']
        )
    for name, group in (
        ('neck.', backbone.neck),
        ('roi_head.bbox_head.shared_', backbone.roi_head),
    ):
        there = sum(n.startswith(name) for n in model.state_dict())
        is_fpn = hasattr(model.neck, 'lateral_convs')
        assert len(group) == (there if is_fpn else 0)
    return backbone


@pytest.mark.slow
def test_every_method_of_this_project(tmp_path, registered):
    """Each mini config's model, saved and converted; targets too."""
    from mmpretrain.registry import MODELS

    targets = 0
    assert CONFIGS
    for path in CONFIGS:
        config = load_config(path)
        if 'method' not in config:
            continue
        model = MODELS.build(config.model)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.rand_like(parameter))
        file = tmp_path / f'{path.stem}.pth'
        backbone = check(config, model, file)
        names = [
            name
            for name in model.state_dict()
            if name.endswith('backbone.conv1.weight')
        ]
        if len(names) > 1:
            target, _ = convert(file, branch='target')
            assert target.arch == backbone.arch
            other = next(n for n in names if n != 'backbone.conv1.weight')
            assert torch.equal(
                target.state['conv1.weight'], model.state_dict()[other]
            )
            targets += 1
        file.unlink()
    assert targets > 0
