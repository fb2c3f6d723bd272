"""One spelling of a backbone's name, and one row for one network."""

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.names import (
    backbone_key,
    backbone_name,
    backbone_spelling,
)
from ssl_bench.results.text_formats import to_csv
from tests.results.factory import make_record
from tests.results.test_board import stored

NAMES = {
    'resnet50': 'ResNet-50',
    'ResNet-50': 'ResNet-50',
    'R50': 'ResNet-50',
    'resnet18-w16': 'ResNet-18 (width 16)',
    'resnet18-w16-stem64-k3': 'ResNet-18 (width 16, stem 64, kernel 3)',
    'resnet50w2': 'resnet50w2',  # twice as wide, in the names of others
    'ResNet-50x2': 'ResNet-50x2',
    'vit_base_patch16': 'ViT-B/16',
    'vit_base_patch16_224': 'ViT-B/16',
    'vit_base_patch16_384': 'ViT-B/16 (384)',
    'vit_large_patch14_reg4_dinov2': 'ViT-L/14 (reg4 dinov2)',
    'vit_7b_patch16_dinov3': 'ViT-7B/16 (dinov3)',
    'vit_huge_plus_patch16_dinov3': 'ViT-H+/16 (dinov3)',
    'ViT-G/14': 'ViT-g/14',
    'vit_d96_l4_patch8': 'vit_d96_l4_patch8',
    'convnext_tiny': 'ConvNeXt-T',
    'convnextv2_base': 'convnextv2_base',
    '骨干-50': '骨干-50',
    '<script>': '<script>',
    '': '',
}


@pytest.mark.parametrize('recorded, name', NAMES.items())
def test_a_backbone_has_one_name(recorded, name):
    assert backbone_name(recorded) == name
    assert backbone_name(name) == name
    assert backbone_key(name) == backbone_key(recorded)
    assert backbone_spelling(name) == backbone_spelling(recorded)


def test_other_networks_keep_another_spelling():
    timm = pytest.importorskip('timm')
    for function in (backbone_name, backbone_spelling):
        assert len(set(map(function, timm.list_models()))) == len(
            timm.list_models()
        )
    assert backbone_spelling('!') != backbone_spelling('?')


def test_two_spellings_of_a_network_are_one_row():
    """They were two rows of one seed each, and one of them matched."""
    board = build(
        stored(
            *(
                make_record(
                    task='voc0712_det_c4', seed=seed, backbone=backbone
                )
                for seed, backbone in enumerate(
                    ('ResNet-50', 'resnet50', 'R50')
                )
            ),
            make_record(
                task='voc0712_det_c4', backbone='ResNet-101', run_id='other'
            ),
        ),
        published='own',
    )
    rows = {row.backbone: row for row in board.rows if row.metric == 'bbox_AP'}
    assert set(rows) == {'ResNet-50', 'ResNet-101'}
    assert [seed for seed, _ in rows['ResNet-50'].values] == [0, 1, 2]
    assert rows['ResNet-50'].published.value == 57.0
    assert rows['ResNet-101'].published is None
    assert 'resnet50' not in to_csv(board)
    # what a record says stays in it
    written = {s.record['backbone'] for s in rows['ResNet-50'].records}
    assert written == {'ResNet-50', 'resnet50', 'R50'}


def test_an_unknown_network_has_the_name_of_one_of_its_records():
    records = [
        make_record(seed=seed, backbone=backbone)
        for seed, backbone in enumerate(('my-net', 'MyNet', 'my_net'))
    ]
    for order in (records, records[::-1]):
        (row,) = build(stored(*order), published='none').rows
        assert row.backbone == 'MyNet' and len(row.values) == 3
