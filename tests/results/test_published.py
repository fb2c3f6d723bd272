"""The file of printed numbers, and what is matched with it."""

import csv

import pytest

from ssl_bench.errors import UserError
from ssl_bench.results import headings
from ssl_bench.results.names import backbone_key, is_chosen, variant_key
from ssl_bench.results.paper_recipes import RULES
from ssl_bench.results.published import (
    COLUMNS,
    PublishedIndex,
    epochs_meant,
    has_epochs,
    published,
    read_published,
)
from ssl_bench.results.record import Stored
from ssl_bench.results.table import cells
from ssl_bench.tasks.table import recipes_of, tasks
from tests.results.factory import make_record


def test_every_row_is_valid():
    rows = read_published()  # raises with the line otherwise
    assert len(rows) == 1966
    assert {row.task for row in rows} <= {*headings.known_tasks()}
    assert not {*tasks()} & {*headings.PUBLISHED_ONLY}
    assert all(row.source and row.reported_in for row in rows)
    assert all(row.url.startswith('https://') for row in rows if row.url)


def test_unverified_rows_say_so():
    marked = [row for row in published() if not row.verified]
    assert len(marked) == 139
    assert all(row.cited.endswith('[unverified]') for row in marked)
    assert not any(
        '[unverified]' in row.cited for row in published() if row.verified
    )


GOOD = dict(
    zip(
        COLUMNS,
        (
            'MoCo v2',
            '',
            'ResNet-50',
            'IN1K',
            '200',
            '256',
            'voc0712_det_c4',
            'bbox_AP',
            '57.0',
            'a table',
            'https://example.org',
            'MoCo',
            'true',
            '',
        ),
    )
)


def write(path, *rows, columns=COLUMNS):
    with open(path, 'w', newline='') as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(task='voc08'), ":2: unknown task 'voc08'"),
        (dict(metric='AP'), "unknown metric 'AP'"),
        (dict(value=''), 'value must be in 0..100'),
        (dict(value='101'), "got '101'"),
        (dict(value='nan'), "got 'nan'"),
        (dict(value='high'), 'value must be a number'),
        (dict(pretrain_epochs='many'), 'pretrain_epochs must be a number'),
        (dict(source=' '), ':2: source is empty'),
        (dict(verified='yes'), "must be true or false, got 'yes'"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, change, message):
    path = write(tmp_path / 'p.csv', {**GOOD, **change})
    with pytest.raises(UserError, match=message):
        read_published(path)


def test_a_row_twice_and_wrong_columns(tmp_path):
    with pytest.raises(UserError, match=':3: the same row as .*:2'):
        read_published(write(tmp_path / 'p.csv', GOOD, GOOD))
    with pytest.raises(UserError, match='columns must be'):
        read_published(write(tmp_path / 'q.csv', columns=COLUMNS[1:]))
    path = write(tmp_path / 'r.csv', GOOD)
    path.write_text(path.read_text() + 'a,b\n')
    with pytest.raises(UserError, match=':3: needs 14 columns'):
        read_published(path)


def rows_of(*question, recipe='', pretrain=(), **changes):
    """The leaderboard's row of a record with these fields."""
    method, variant, backbone, data, epochs, task, metric = question
    record = make_record(
        method, variant, task, metrics={metric: 50.0}, epochs=epochs
    )
    record['pretrain'].update(data=data, departures=list(pretrain))
    record.update(backbone=backbone, extra=dict(recipe=recipe), **changes)
    return cells([Stored(record, '')])


def first(*question, **changes):
    (row,) = rows_of(*question, **changes)
    found = PublishedIndex().matches(row)
    return (found[0].value, found[0].reported_in) if found else None


VOC = 'voc0712_det_c4', 'bbox_AP'
FPN = 'coco_mrcnn_fpn_1x', 'bbox_AP'
LINEAR = 'in1k_linear', 'top1'
R50 = 'ResNet-50', 'IN1K'
VIT = 'ViT-B/16', 'IN1K'
LABELS = 'ResNet-50', 'IN1K labels'


@pytest.mark.parametrize(
    'question, recipe, expected',
    [
        (
            ('MoCo v2', '', *R50, 800, *VOC),
            '',
            (57.4, 'MoCo v2 (repository)'),
        ),  # its own paper, not PixPro's 57.6
        (
            ('mocov2', '', 'resnet50', 'imagenet', 800.0, *VOC),
            '',
            (57.4, 'MoCo v2 (repository)'),
        ),
        (
            ('MoCo v2', '', 'ResNet-50', 'COCO', 800, *VOC),
            '',
            (54.7, 'DenseCL'),
        ),
        (('PixPro', '', *R50, 100, *FPN), '', (40.8, 'PixPro')),
        (
            ('PixPro', 'with instance branch', 'R50', 'IN1K', 100, *FPN),
            '',
            (41.3, 'PixPro'),
        ),
        # InsLoc pretrains one model for FPN and one for C4; it transfers
        # more than the backbone
        (('InsLoc', 'R50-FPN', *R50, 400, *FPN), 'insloc', (42.0, 'InsLoc')),
        (('InsLoc', '', *R50, 400, *FPN), 'insloc', (42.0, 'InsLoc')),
        (('InsLoc', 'C4', *R50, 400, *FPN), 'insloc', None),
        (('InsLoc', '', *R50, 400, *FPN), '', None),
        (('LEWEL', 'B-EMAN', *R50, 200, *FPN), '', (41.3, 'LEWEL')),
        # controls: any epochs; the heads of 32.8 and 39.7, or the plain one
        (
            ('random', '', 'ResNet-50', 'none', None, *FPN),
            '',
            (32.8, 'PixPro'),
        ),
        (
            ('random', '', 'ResNet-50', 'none', None, *FPN),
            'two_fc',
            (31.0, 'DetCo'),
        ),
        (('MoCo v1', '', *R50, 200, *FPN), '', (39.4, 'PixPro')),
        # the papers' supervised weights, written in two ways
        (('Supervised', 'MSRA', *LABELS, 90, *FPN), '', (39.7, 'PixPro')),
        (
            ('Supervised (MSRA)', '', *LABELS, None, *VOC),
            '',
            (53.5, 'Barlow Twins'),
        ),
        (
            ('Supervised', 'torchvision', *LABELS, None, *VOC),
            '',
            (54.19, 'OpenSelfSup'),
        ),
        (('Supervised', 'torchvision', *LABELS, None, *FPN), '', None),
        # a paper that does not say which
        (('Supervised', '', *LABELS, None, *FPN), '', None),
        # recipes: whose numbers they are
        (
            ('Barlow Twins', '', *R50, 1000, *LINEAR),
            'barlowtwins',
            (73.2, 'Barlow Twins'),
        ),
        (('Barlow Twins', '', *R50, 1000, *LINEAR), '', None),
        (
            ('MoCo v2', '', *R50, 800, *LINEAR),
            '',
            (71.1, 'MoCo v2 (repository)'),
        ),
        (('MoCo v2', '', *R50, 800, *LINEAR), 'barlowtwins', None),
        (
            ('MAE', '', 'vit_base_patch16', 'IN1K', 1600, 'in_c', '1-mCE'),
            'mae',
            (48.3, 'SiameseIM'),
        ),
        (('MAE', '', *VIT, 1600, 'in1k_finetune', 'top1'), '', None),
        (('MAE', '', *VIT, 1600, *LINEAR), 'mae', (68.0, 'SiameseIM')),
        (
            ('SiameseIM', '', *VIT, 1600, *LINEAR),
            'siamese_im',
            (78.0, 'SiameseIM'),
        ),
        (('MoCo v1', '', *R50, 200, 'cityscapes_fcn', 'mIoU'), '', None),
        (
            ('MoCo v1', '', *R50, 200, 'cityscapes_fcn', 'mIoU'),
            'moco',
            (75.3, 'MoCo v1'),
        ),
        # printed without epochs: those of the row with the same value, of
        # the method's own paper, or of its released model
        (
            ('BYOL', '', *R50, 1000, 'places205_linear', 'top1'),
            '',
            (54.0, 'Barlow Twins'),
        ),
        (('BYOL', '', *R50, 300, 'places205_linear', 'top1'), '', None),
        (
            ('MoCo v3', '', *VIT, 300, 'ade20k_upernet_vitb', 'mIoU'),
            '',
            (47.3, 'SiameseIM'),
        ),
        (
            ('MAE', '', *VIT, 1600, 'ade20k_upernet_vitb', 'mIoU'),
            '',
            (48.1, 'MAE'),
        ),
        (
            ('MoCo v2', '', 'resnet18', 'IN1K', 200, 'mini_knn', 'top1'),
            '',
            None,
        ),
    ],
)
def test_matches(question, recipe, expected):
    assert first(*question, recipe=recipe) == expected


@pytest.mark.parametrize(
    'row, meant',
    [
        # 71.1 is the 800-epoch model's, of two in its own repository
        (('MoCo v2', 'in1k_linear', 71.1, 'Barlow Twins'), 800),
        (('BYOL', 'in1k_linear', 74.3, 'VICReg'), 1000),
        (('SimSiam', 'in1k_linear', 71.3, 'Barlow Twins'), 800),
        (('MoCo v3', 'in_a', 32.4, 'SiameseIM'), 300),
        (('MAE', 'coco_vitdet_b', 51.6, 'ViTDet (repository)'), 1600),
        # two models of 57.2 and of no stated epochs: nobody's
        (('SwAV', 'coco_mrcnn_c4_1x', 38.4, 'Barlow Twins'), None),
        (('iBOT', 'ade20k_upernet_vitb', 50.0, 'iBOT'), None),
    ],
)
def test_epochs_of_a_row_without_epochs(row, meant):
    (found,) = (
        item
        for item in published()
        if (item.method, item.task, item.value, item.reported_in) == row
        and item.metric == headings.heading(item.task).metrics[0]
    )
    assert found.pretrain_epochs is None
    assert epochs_meant(found) == meant


PIXPRO = 'PixPro', '', *R50, 100, *VOC
NEAR_MISSES = {
    'another recipe': (PIXPRO, dict(recipe='barlowtwins')),
    'an unknown recipe': (PIXPRO, dict(recipe='mine')),
    'a fraction of the images': (
        PIXPRO,
        dict(departures=['0.5 of the training images']),
    ),
    'an option of the task': (
        PIXPRO,
        dict(departures=['train_cfg.max_iters=10']),
    ),
    'another norm': (
        PIXPRO,
        dict(departures=['model.backbone.norm_cfg.type=BN']),
    ),
    'data of the task of another size': (
        PIXPRO,
        dict(departures=["trainval.txt has 4 entries, the protocol's 5011"]),
    ),
    'an option of the pretraining': (
        PIXPRO,
        dict(pretrain=['model.head.pos_ratio=0.5']),
    ),
    'own images in pretraining': (
        ('PixPro', '', 'ResNet-50', 'custom: mine (4 images)', 100, *VOC),
        {},
    ),
    'images not known': (('PixPro', '', 'ResNet-50', None, 100, *VOC), {}),
    'other images': (('PixPro', '', 'ResNet-50', 'COCO', 100, *VOC), {}),
    'other epochs': (('PixPro', '', *R50, 300, *VOC), {}),
    'epochs not known': (('PixPro', '', *R50, None, *VOC), {}),
    'a deeper backbone': (('PixPro', '', 'ResNet-101', 'IN1K', 100, *VOC), {}),
    'a wider backbone': (
        ('PixPro', '', 'resnet50-w128', 'IN1K', 100, *VOC),
        {},
    ),
    'another variant': (('PixPro', 'small views', *R50, 100, *VOC), {}),
    'a variant in the name': (('PixPro (mine)', '', *R50, 100, *VOC), {}),
    'a mark after the name': (('PixPro+', '', *R50, 100, *VOC), {}),
    'letters of another script': (('PixPro改', '', *R50, 100, *VOC), {}),
    'a variant that is a mark': (('PixPro', '+', *R50, 100, *VOC), {}),
    'a variant in another script': (('PixPro', '改良', *R50, 100, *VOC), {}),
    'more images': (('PixPro', '', 'ResNet-50', 'IN1K+', 100, *VOC), {}),
    'another method': (('PixContrast', '', *R50, 100, *VOC), {}),
    'no method': (('unknown', '', *R50, 100, *VOC), {}),
    'another schedule': (
        ('PixPro', '', *R50, 100, 'coco_mrcnn_c4_2x', 'bbox_AP'),
        {},
    ),
    'another metric': (
        ('PixPro', '', *R50, 100, 'voc0712_det_c4', 'bbox_APs'),
        {},
    ),
}


@pytest.mark.parametrize('name', NEAR_MISSES)
def test_near_misses_meet_no_printed_number(name):
    question, changes = NEAR_MISSES[name]
    assert first(*PIXPRO) == (58.8, 'PixPro')
    assert first(*question, **changes) is None


LVD = 'LVD-142M', None
ADE2, ADE3 = ('ade20k_linseg_dinov2', 'mIoU'), ('ade20k_linseg_dinov3', 'mIoU')
ADE_FRANCA = 'ade20k_linseg_franca', 'mIoU'
KNN = 'ade20k_knnseg_capi', 'mIoU'
DINOV2 = 'DINOv2', '', 'vit_large_patch14_dinov2', *LVD


@pytest.mark.parametrize(
    'question, expected',
    [
        # one model, two protocols, and no number of the other one
        ((*DINOV2, *ADE2), (47.7, 'DINOv2')),
        ((*DINOV2, *ADE_FRANCA), (41.8, 'Franca v1')),
        ((*DINOV2, *ADE3), None),  # DINOv3 prints the giant one only
        (('DINOv2', '', 'ViT-g/14', *LVD, *ADE2), (49.0, 'DINOv2')),
        # printed at another size: below
        (('dinov2', '', 'vit_giant_patch14_dinov2', *LVD, *ADE3), None),
        # printed as a method's name, in timm's name of the network
        (('DINOv2+reg', '', 'ViT-g/14', *LVD, *KNN), (34.0, 'CAPI v1')),
        (('DINOv2', '', 'vit_giant_patch14_reg4_dinov2', *LVD, *KNN), 34.0),
        (('DINOv2', '', 'vit_giant_patch14_dinov2', *LVD, *KNN), None),
        (('DINOv2', '', 'vit_giant_patch14_reg4_dinov2', *LVD, *ADE2), None),
        # sizes with a mark, of timm's names
        (
            ('DINOv3', '', 'vit_small_plus_patch16_dinov3', 'LVD-1689M', None)
            + ADE3,
            48.8,
        ),
        (
            ('DINOv3', '', 'vit_small_patch16_dinov3', 'LVD-1689M', None)
            + ADE3,
            47.0,
        ),
        (
            ('DINOv3', '', 'vit_7b_patch16_dinov3', 'LVD-1689M', None) + ADE3,
            (55.9, 'DINOv3'),
        ),
        (('DINOv3', '', 'convnext_tiny', 'LVD-1689M', None, *ADE3), 42.7),
        (('DINOv3', '', 'convnextv2_tiny', 'LVD-1689M', None, *ADE3), None),
        # metres, and a name with a point
        ((*DINOV2, 'nyu_depth_lin1_dinov2', 'RMSE'), (0.384, 'DINOv2')),
        ((*DINOV2, 'nyu_depth_lin4_dinov2', 'RMSE'), 0.333),
        ((*DINOV2, 'nyu_depth_lin_dinov3', 'RMSE'), None),
        (
            ('DINOv3', '', 'vit_large_patch16_dinov3', 'LVD-1689M', None)
            + ('spair_probe3d', 'recall@0.1'),
            (61.3, 'DINOv3 model card'),
        ),
        # CAPI's task standardises features: its README, then its paper
        (('CAPI', '', 'ViT-L/14', *LVD, *KNN), (32.1, 'CAPI README')),
        (('CAPI', '', 'ViT-L/14', 'IN21K', None, *KNN), 29.7),
        (('CAPI', 'raw features', 'ViT-L/14', *LVD, *KNN), 32.5),
        (
            ('CAPI', '', 'ViT-L/14', 'IN1K', None)
            + ('in1k_attentive_capi', 'top1'),
            82.9,
        ),
        # other data, data not known, epochs that no paper states
        (('DINOv2', '', 'ViT-L/14', 'IN1K', None, *ADE2), None),
        (('DINOv2', '', 'ViT-L/14', None, None, *ADE2), None),
        (('DINOv2', '', 'ViT-L/14', 'LVD-142M', 100, *ADE2), None),
        # the source states no data: nobody's, of a record without them too
        (('MAE', '', 'ViT-H/14', 'IN1K', 1600, *ADE2), None),
        (('MAE', '', 'ViT-H/14', None, None, *ADE2), None),
        (('OpenCLIP', '', 'ViT-G/14', 'none', None, *ADE2), None),
        (('OpenCLIP', '', 'ViT-G/14', '', None, *ADE2), None),
    ],
)
def test_matches_of_frozen_dense_tasks(question, expected):
    found = first(*question)
    if isinstance(expected, float):
        found = found and found[0]
    assert found == expected


def test_dinov3_prints_patches_of_14_pixels_at_their_own_size():
    giant = 'DINOv2', '', 'ViT-g/14', *LVD
    assert first(*giant, *ADE3, recipe='patch14') == (49.5, 'DINOv3')
    keys = 'spair_probe3d', 'recall@0.1'
    assert first(*giant, *keys, recipe='patch14') == (56.1, 'DINOv3')
    assert first(*giant, *keys) is None
    depth = 'nyu_depth_lin_dinov3', 'RMSE'  # padded
    assert first(*giant, *depth) == (0.372, 'DINOv3')


def test_one_value_of_a_model_on_a_protocol():
    """41.8 and 47.7 are one model: each is found on its own task alone."""
    for task, value in ((ADE2, 47.7), (ADE_FRANCA, 41.8)):
        (row,) = rows_of(*DINOV2, *task)
        found = PublishedIndex().matches(row)
        assert [item.value for item in found] == [value]
        assert {item.task for item in found} == {task[0]}


def test_franca_prints_other_data_of_one_backbone():
    """No protocol here is that of its table; the rows keep apart."""
    rows = [
        row
        for row in published()
        if row.reported_in == 'Franca'
        and (row.task, row.metric) == ADE_FRANCA
        and (row.method, row.backbone) == ('DINOv2', 'ViT-L/14')
    ]
    assert [(row.value, row.pretrain_data) for row in rows] == [
        (45.4, 'IN21K'),
        (50.7, 'LVD-142M'),
    ]
    assert rows[0].words == {'not'} and rows[1].words == frozenset()
    assert {row.recipe for row in rows} == {None}
    for variant, data, value in (
        ('not distilled', 'IN22K', 45.4),
        ('', 'LVD-142M', 50.7),
    ):
        (mine,) = rows_of('DINOv2', variant, 'ViT-L/14', data, None, *ADE2)
        moved = [
            row.model_copy(
                update=dict(task='ade20k_linseg_dinov2', reported_in='any')
            )
            for row in rows
        ]
        found = PublishedIndex(moved).matches(mine)
        assert [item.value for item in found] == [value]


def test_the_papers_own_pages_are_its_own():
    own = {
        row.reported_in
        for row in published()
        if row.method in ('DINOv2', 'DINOv3', 'CAPI', 'Franca') and row.own
    }
    assert own == {
        'DINOv2',
        'DINOv3',
        'DINOv3 model card',
        'CAPI v1',
        'CAPI README',
        'Franca',
    }
    assert not any(
        row.own
        for row in published()
        if row.method == 'MoCo v2' and row.reported_in == 'MoCo v1'
    )


def test_every_output_asks_the_same_function(monkeypatch):
    """Table, CSV, page, the line after a run and a paper's tables."""
    from ssl_bench.results.board import aims, build
    from ssl_bench.results.papers import paper_grids
    from ssl_bench.results.render import render

    (row,) = rows_of(*PIXPRO)
    stored = row.records
    monkeypatch.setattr(PublishedIndex, 'matches', lambda *args: [])
    board = build(stored, published='own')
    assert all(row.published is None for row in board.rows)
    assert aims(stored[0].record) == {}
    assert '58.8' not in render(board, 'csv', None, [])
    assert '58.8' not in render(board, 'json', None, [])
    text = str(paper_grids('pixpro', build(stored)))
    assert 'ours' not in text.split('Printed numbers')[0]


def test_the_row_of_the_same_batch_comes_first():
    """SimSiam's repository prints two models of 100 epochs."""
    item = next(row for row in published() if row.method == 'SimSiam')
    two = [
        item.model_copy(
            update=dict(
                task='voc12aug_fcn',
                metric='mIoU',
                pretrain_epochs=100.0,
                pretrain_batch=batch,
                value=value,
                reported_in='mmselfsup',
            )
        )
        for batch, value in ((512.0, 68.1), (256.0, 68.3))
    ]
    question = 'SimSiam', item.variant, *R50, 100, 'voc12aug_fcn', 'mIoU'
    (row,) = rows_of(*question)
    assert row.pretrain_batch == 256
    found = PublishedIndex(two).matches(row)
    assert [item.value for item in found] == [68.3, 68.1]


def test_seeds_are_of_one_measurement():
    assert first(*PIXPRO, seed=7) == (58.8, 'PixPro')


def test_departures_make_rows_of_their_own():
    """Records never share a mean with those that depart from a protocol."""
    records = [make_record(run_id=f'r{i}', seed=i) for i in range(4)]
    records[1]['departures'] = ['probe.headline=5']
    records[2]['pretrain']['departures'] = ['model.temperature=0.3']
    records[3]['extra'] = dict(recipe='other')
    rows = cells([Stored(record, '') for record in records])
    assert [len(row.values) for row in rows] == [1, 1, 1, 1]
    assert rows[2].all_departures == ['pretraining: model.temperature=0.3']


def test_recipes_of_the_rules_exist():
    for task, rules in RULES.items():
        if task in tasks():
            named = {rule.recipe for rule in rules if rule.recipe}
            assert named <= {*recipes_of(task)}


def test_one_backbone_in_many_spellings():
    """A line is one backbone, and no two lines are the same one."""
    lines = [
        ('ViT-B/16', 'vit_base_patch16', 'vitb16', 'vit_base_patch16_224'),
        ('ViT-L/14', 'vit_large_patch14_dinov2', 'vit_large_patch14'),
        ('ViT-g/14', 'ViT-G/14', 'vit_giant_patch14_dinov2'),
        ('ViT-H/16', 'vit_huge_patch16_gap_448'),
        ('ViT-H+/16', 'vit_huge_plus_patch16_dinov3'),
        ('ViT-7B/16', 'vit_7b_patch16_dinov3'),
        ('ViT-L/14 reg4', 'vit_large_patch14_reg4_dinov2'),
        ('ConvNeXt-L', 'convnext_large'),
        ('ConvNeXt V2-L', 'convnextv2_l'),
        ('ResNet-50', 'r50'),
        ('resnet50-w128',),
    ]
    keys = [{backbone_key(name) for name in names} for names in lines]
    assert [len(found) for found in keys] == [1] * len(lines)
    assert len(set.union(*keys)) == len(lines)


@pytest.mark.parametrize(
    'method, needed',
    [
        ('DINOv2', False),
        ('DINOv2+reg', False),
        ('capi', False),
        ('MAE', True),
        ('mine', True),
    ],
)
def test_methods_that_count_iterations_need_no_epochs(method, needed):
    assert has_epochs(method) == needed


def test_variant_words():
    assert variant_key('C4 model', 'coco_mrcnn_c4_1x') == frozenset()
    assert variant_key('C4 model', 'coco_mrcnn_fpn_1x') == {'c4'}
    assert variant_key('B (EMAN) 200ep', 'in1k_linear') == {'b', 'eman'}


def test_chosen_by_name_variant_and_epochs():
    insloc = 'InsLoc', 'FPN', 200
    assert (
        is_chosen(*insloc, ['insloc'])
        and is_chosen(*insloc, ['x', 'InsLoc (FPN)'])
        and is_chosen(*insloc, ['insloc@200'])
    )
    assert not is_chosen(*insloc, ['InsLoc (C4)', 'insloc@400', 'MoCo v2'])
