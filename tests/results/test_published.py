"""The file of printed numbers, and what is matched with it."""

import csv

import pytest

from ssl_bench.errors import UserError
from ssl_bench.results import headings
from ssl_bench.results.names import is_chosen, variant_key
from ssl_bench.results.published import (
    COLUMNS,
    PublishedIndex,
    published,
    read_published,
)
from ssl_bench.tasks.table import tasks


def test_every_row_is_valid():
    rows = read_published()  # raises with the line otherwise
    assert len(rows) > 1600
    assert {row.task for row in rows} <= {*headings.known_tasks()}
    assert not {*tasks()} & {*headings.PUBLISHED_ONLY}
    assert all(row.source and row.reported_in for row in rows)
    assert all(row.url.startswith('https://') for row in rows if row.url)


def test_unverified_rows_say_so():
    marked = [row for row in published() if not row.verified]
    assert len(marked) == 74
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


def first(*question):
    found = PublishedIndex().matches(*question)
    return (found[0].value, found[0].reported_in) if found else None


VOC = 'voc0712_det_c4', 'bbox_AP'
FPN = 'coco_mrcnn_fpn_1x', 'bbox_AP'


@pytest.mark.parametrize(
    'question, expected',
    [
        (
            ('MoCo v2', '', 'ResNet-50', 'IN1K', 800, *VOC),
            (57.4, 'MoCo v2 (repository)'),
        ),  # its own paper, not PixPro's 57.6
        (
            ('mocov2', '', 'resnet50', 'imagenet', 800.0, *VOC),
            (57.4, 'MoCo v2 (repository)'),
        ),
        (('MoCo v2', '', 'ResNet-50', 'IN1K', 300, *VOC), None),
        (('MoCo v2', '', 'ResNet-18', 'IN1K', 800, *VOC), None),
        (('MoCo v2', '', 'ResNet-50', 'COCO', 800, *VOC), (54.7, 'DenseCL')),
        (('MoCo v2', '', 'ResNet-50', 'COCO', 200, *VOC), None),
        (('PixPro', '', 'ResNet-50', 'IN1K', 100, *FPN), (40.8, 'PixPro')),
        (
            ('PixPro', 'with instance branch', 'R50', 'IN1K', 100, *FPN),
            (41.3, 'PixPro'),
        ),
        # InsLoc pretrains one model for FPN and one for C4
        (
            ('InsLoc', 'R50-FPN', 'ResNet-50', 'IN1K', 400, *FPN),
            (42.0, 'InsLoc'),
        ),
        (('InsLoc', '', 'ResNet-50', 'IN1K', 400, *FPN), (42.0, 'InsLoc')),
        (('InsLoc', 'C4', 'ResNet-50', 'IN1K', 400, *FPN), None),
        (('LEWEL', 'B-EMAN', 'ResNet-50', 'IN1K', 200, *FPN), (41.3, 'LEWEL')),
        # controls: any epochs; on FPN the camp with 32.8 and 39.7
        (('random', '', 'ResNet-50', 'none', None, *FPN), (32.8, 'PixPro')),
        (
            ('Supervised', 'MSRA', 'ResNet-50', 'IN1K labels', 90, *FPN),
            (39.7, 'PixPro'),
        ),
        (('Supervised', 'torchvision', 'R50', 'IN1K labels', 90, *FPN), None),
        (('MoCo v1', '', 'ResNet-50', 'IN1K', 200, *FPN), (39.4, 'PixPro')),
        (
            ('MAE', '', 'vit_base_patch16', 'IN1K', 1600, 'in_c', '1-mCE'),
            (48.3, 'SiameseIM'),
        ),
        (('MoCo v2', '', 'resnet18', 'IN1K', 200, 'mini_knn', 'top1'), None),
    ],
)
def test_matches(question, expected):
    assert first(*question) == expected


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
