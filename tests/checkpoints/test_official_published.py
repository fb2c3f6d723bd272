"""Official files, imported with the README's words, meet their numbers."""

import argparse

import pytest
import torch

from ssl_bench.cli import transfer
from ssl_bench.results.published import PublishedIndex
from ssl_bench.results.store import Stored
from ssl_bench.results.table import cells
from tests.checkpoints import official
from tests.results.factory import make_record

IN1K = 'pretrain_data=IN1K'
VOC = 'voc0712_det_c4', 'bbox_AP', ''
R50, VIT = 'resnet50', 'vit_base'
CASES = {
    'pixpro': (R50, official.pixpro, [IN1K], VOC, 58.8),
    'mocov2': (R50, official.mocov2, [IN1K], VOC, 57.0),
    'barlow_twins': (
        R50,
        official.barlow_twins,
        [IN1K],
        ('in1k_linear', 'top1', 'barlowtwins'),
        73.2,
    ),
    'barlow_twins_resnet50': (
        R50,
        lambda s: official.tensors('barlow_twins_resnet50', s, ''),
        ['method=Barlow Twins', IN1K, 'pretrain_epochs=1000'],
        ('in1k_linear', 'top1', 'barlowtwins'),
        73.2,
    ),
    'lewel': (
        R50,
        official.lewel,
        [IN1K, 'variant=B (EMAN)'],
        ('coco_mrcnn_fpn_1x', 'bbox_AP', ''),
        41.3,
    ),
    'insloc_fpn': (
        R50,
        official.insloc_fpn,
        [IN1K],
        ('coco_mrcnn_fpn_1x', 'bbox_AP', 'insloc'),
        42.0,
    ),
    'siamese_im': (
        VIT,
        lambda s: {**official.siamese_im(s), 'epoch': 1599},
        [IN1K],
        ('in1k_finetune', 'top1', ''),
        84.1,
    ),
    'mae': (
        VIT,
        lambda s: dict(model=s),
        [IN1K, 'pretrain_epochs=1600'],
        ('in1k_linear', 'top1', 'mae'),
        68.0,
    ),
}


def opened(path, *words):
    """The source, and what is said before a run, of a transfer command."""
    parser = argparse.ArgumentParser()
    transfer.add_arguments(parser)
    words = [*words, '--work-dir', str(path.parent / 'work')]
    args = parser.parse_args([str(path), '--tasks', 'mini_knn', *words])
    sources = transfer.open_sources(args)
    return sources[0], transfer.unknown_fields(args.checkpoints, sources)


def compared(source, task, metric, recipe):
    """Published numbers that a record of these weights is compared with."""
    record = make_record(
        source.method, source.variant, task, metrics={metric: 50.0}
    )
    record.update(
        backbone=source.arch,
        pretrain=source.pretrain(),
        extra=dict(recipe=recipe),
    )
    index = PublishedIndex()
    found = {
        row.metric: index.matches(row) for row in cells([Stored(record, '')])
    }
    return {name: rows[0].value for name, rows in found.items() if rows}


@pytest.mark.slow
@pytest.mark.parametrize('name', CASES)
def test_an_official_file_meets_its_number(name, tmp_path, request):
    fixture, build, meta, (task, metric, recipe), value = CASES[name]
    fixture = 'resnet50' if fixture == R50 else 'vit_base'
    state = dict(request.getfixturevalue(fixture).state_dict())
    path = tmp_path / f'{name}.pth'
    torch.save(build(state), path)
    source, notes = opened(path)
    assert len(notes) == 1 and 'pretrain_data' in notes[0]
    assert compared(source, task, metric, recipe) == {}
    source, notes = opened(path, '--meta', *meta)
    assert notes == []
    assert compared(source, task, metric, recipe) == {metric: value}
    assert source.pretrain()['given'] == sorted(
        word.partition('=')[0] for word in meta
    )
    assert compared(source, task, metric, 'other') == {}


@pytest.mark.slow
def test_a_container_that_methods_share_names_none(tmp_path, resnet18):
    """iBOT saves its weights as DINO does."""
    state = dict(resnet18.state_dict())
    path = tmp_path / 'checkpoint.pth'
    torch.save(
        dict(
            epoch=400,
            student=official.prefixed('module.backbone.', state),
            teacher=official.prefixed('backbone.', state),
        ),
        path,
    )
    source, (note,) = opened(path)
    assert source.method == 'unknown'
    assert '--meta method="MoCo v2" pretrain_data=IN1K with' in note
    assert 'does not say method and pretrain_data' in note
    source, notes = opened(path, '--meta', 'method=iBOT', IN1K)
    assert (source.method, notes) == ('iBOT', [])


def test_meta_is_of_one_checkpoint_and_of_known_fields(tmp_path, capsys):
    from ssl_bench.cli import main

    words = ['--tasks', 'mini_knn', '--dry-run', '--meta']
    assert main(['transfer', 'random', *words, 'epochs=100']) == 2
    assert "unknown header field 'epochs'" in capsys.readouterr().err
    assert main(['transfer', 'a.pth', 'random', *words, IN1K]) == 2
    assert '--meta is of one checkpoint' in capsys.readouterr().err
