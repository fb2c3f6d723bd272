"""The papers' tables: their columns, their row order, both numbers."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.errors import unknown_name
from ssl_bench.results.grid import (
    LEGEND,
    Cell,
    Grid,
    Part,
    baseline_notes,
    comparison,
    difference_parts,
    epochs_text,
    published_text,
    spread,
)
from ssl_bench.results.headings import BOX, MASK, heading, metric_title
from ssl_bench.results.names import label
from ssl_bench.results.published import Published, PublishedIndex
from ssl_bench.results.table import Board, Row
from ssl_bench.results.wording import interval

Columns = tuple[tuple[str, str], ...]  # (task, metric)
# method, variant, pretraining data, pretraining epochs
Line = tuple[str, str, str, float | None]


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper.

    Args:
        title (str): What it compares.
        columns (tuple): Task and metric of each number.
    """

    title: str
    columns: Columns


@dataclass(frozen=True)
class Paper:
    """The tables of one paper.

    Args:
        reported_in (str): Its name in published.csv.
        order (tuple[str, ...]): Row order: method, then ``/variant`` and
            ``@epochs`` where the paper has several rows of a method.
        tables (tuple[PaperTable, ...]): In the paper's order.
    """

    reported_in: str
    order: tuple[str, ...]
    tables: tuple[PaperTable, ...]


def _columns(*pairs: tuple[str, tuple[str, ...]]) -> Columns:
    return tuple((task, metric) for task, ms in pairs for metric in ms)


AP = ('bbox_AP', 'segm_AP')
RARE = ('bbox_AP', 'bbox_APr', 'segm_AP', 'segm_APr')
TOP1 = ('top1',)

PAPERS: dict[str, Paper] = {
    'insloc': Paper(
        'InsLoc',
        ('MoCo v2@200', 'MoCo v2@800', 'InsLoc@200', 'InsLoc@400'),
        (
            PaperTable(
                'PASCAL VOC, R50-C4', _columns(('voc0712_det_c4', BOX))
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-C4, 1x',
                _columns(('coco_mrcnn_c4_1x', BOX + MASK)),
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-C4, 2x',
                _columns(('coco_mrcnn_c4_2x', AP)),
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-FPN, 1x',
                _columns(('coco_mrcnn_fpn_1x', BOX + MASK)),
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-FPN, 2x',
                _columns(('coco_mrcnn_fpn_2x', AP)),
            ),
        ),
    ),
    'pixpro': Paper(
        'PixPro',
        (
            'Random init',
            'Supervised',
            'MoCo v1',
            'SimCLR',
            'MoCo v2',
            'InfoMin@200',
            'InfoMin@800',
            'PixPro@100',
            'PixPro/with instance branch@100',
            'PixPro@400',
            'PixPro/with instance branch@400',
            'PixPro@',
        ),
        (
            PaperTable(
                'PASCAL VOC, R50-C4', _columns(('voc0712_det_c4', BOX))
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-FPN, 1x',
                _columns(('coco_mrcnn_fpn_1x', BOX + MASK[:1])),
            ),
            PaperTable(
                'COCO, Mask R-CNN R50-C4, 1x',
                _columns(('coco_mrcnn_c4_1x', BOX + MASK[:1])),
            ),
            PaperTable('Cityscapes', _columns(('cityscapes_fcn', ('mIoU',)))),
        ),
    ),
    'lewel': Paper(
        'LEWEL',
        ('LEWEL/B (EMAN)@100', 'LEWEL/B (EMAN)@200', 'LEWEL/B (SyncBN)@400'),
        (
            PaperTable(
                'ImageNet, linear evaluation', _columns(('in1k_linear', TOP1))
            ),
            PaperTable(
                'COCO, Mask R-CNN',
                _columns(
                    ('coco_mrcnn_fpn_1x', AP),
                    ('coco_mrcnn_fpn_2x', AP),
                    ('coco_mrcnn_c4_1x', AP),
                ),
            ),
            PaperTable(
                'PASCAL VOC, R50-C4', _columns(('voc0712_det_c4', BOX))
            ),
            PaperTable(
                'PASCAL VOC, segmentation',
                _columns(
                    ('voc12aug_fcn', ('mIoU',)),
                    ('voc12_seg_unspecified', ('mIoU',)),
                ),
            ),
        ),
    ),
    'siamese_im': Paper(
        'SiameseIM',
        ('MoCo v3', 'MAE', 'SiameseIM', 'SiameseIM/released checkpoint'),
        (
            PaperTable(
                'ImageNet',
                _columns(
                    ('in1k_finetune', ('top1', 'top5')),
                    ('in1k_linear', TOP1),
                    ('in1k_fewshot1', TOP1),
                ),
            ),
            PaperTable(
                'COCO and ADE20K',
                _columns(
                    ('coco_vitdet_b', AP), ('ade20k_upernet_vitb', ('mIoU',))
                ),
            ),
            PaperTable('LVIS', _columns(('lvis_vitdet_b', RARE))),
            PaperTable(
                'Robustness',
                _columns(
                    ('in_a', TOP1),
                    ('in_r', TOP1),
                    ('in_sketch', TOP1),
                    ('in_c', ('1-mCE',)),
                ),
            ),
        ),
    ),
    'barlow_twins': Paper(
        'Barlow Twins',
        (
            'Supervised',
            'MoCo v1',
            'PIRL',
            'SimCLR',
            'MoCo v2',
            'SimSiam',
            'SwAV/w/o multi-crop',
            'BYOL',
            'SwAV',
            'SwAV/multi-crop',
            'Barlow Twins',
            'Barlow Twins/ablation baseline',
        ),
        (
            PaperTable(
                'Table 1: ImageNet, linear evaluation',
                _columns(('in1k_linear', ('top1', 'top5'))),
            ),
            PaperTable(
                'Table 2: ImageNet with 1% and 10% of the labels',
                _columns(
                    ('in1k_semi1', TOP1),
                    ('in1k_semi10', TOP1),
                    ('in1k_semi1', ('top5',)),
                    ('in1k_semi10', ('top5',)),
                ),
            ),
            PaperTable(
                'Table 3: transfer classification',
                _columns(
                    ('places205_linear', TOP1),
                    ('voc07_svm', ('mAP',)),
                    ('inat18_linear', TOP1),
                ),
            ),
            PaperTable(
                'Table 4: detection and instance segmentation',
                _columns(
                    ('voc0712_det_c4', BOX), ('coco_mrcnn_c4_1x', BOX + MASK)
                ),
            ),
        ),
    ),
}
# The baselines are in other orders in these tables.
ORDERS = {
    'Table 2: ImageNet with 1% and 10% of the labels': (
        'Supervised',
        'PIRL',
        'SimCLR',
        'BYOL',
        'SwAV',
        'Barlow Twins',
    ),
    'Table 3: transfer classification': (
        'Supervised',
        'SimCLR',
        'MoCo v2',
        'SwAV/w/o multi-crop',
        'SwAV',
        'BYOL',
        'Barlow Twins',
    ),
    'Table 4: detection and instance segmentation': (
        'Supervised',
        'MoCo v2',
        'SwAV',
        'SimSiam',
        'Barlow Twins',
    ),
}


def fits(item: Published, pattern: str) -> int:
    """How exactly a row is named by ``method/variant@epochs``; 0 is not."""
    name, at, epochs = pattern.partition('@')
    method, slash, variant = name.partition('/')
    if (
        item.method != method
        or (slash and item.variant != variant)
        or (at and epochs_text(item.pretrain_epochs) != epochs)
    ):
        return 0
    return 1 + 2 * bool(slash) + bool(at)


def _position(item: Published, order: tuple[str, ...]) -> tuple[Any, ...]:
    exact = [fits(item, pattern) for pattern in order]
    best = max(exact, default=0)
    return (
        exact.index(best) if best else len(order),
        item.variant,
        item.pretrain_epochs or 0,
        item.pretrain_data,
    )


def _cell(item: Published | None, rows: Sequence[Row]) -> Cell:
    """The printed number, and every row that measured it."""
    parts = []
    if item is not None:
        parts.append(Part(published_text(item)))
    for row in rows:
        text = f'ours {spread(row)} {comparison(row)}'
        parts.append(Part(text, 'best' if row.best else 'measured'))
        parts.append(Part(interval(row), 'interval'))
        parts += difference_parts(row)
    return parts


def _reproductions(
    paper: Paper, board: Board
) -> Iterator[tuple[Published, Row]]:
    """Printed numbers of the paper with the measured row of each."""
    index = PublishedIndex(
        row
        for row in PublishedIndex().rows
        if row.reported_in == paper.reported_in
    )
    for row in board.measured:
        for item in index.matches(row):
            yield item, dataclasses.replace(row, published=item)


def paper_grids(name: str, board: Board) -> list[Grid]:
    """The tables of a paper with the reproduced number in each cell.

    Args:
        name (str): Key of ``PAPERS``.
        board (Board): Supplies the measured rows.

    Raises:
        UserError: Unknown paper.
    """
    if name not in PAPERS:
        raise unknown_name('paper', name, PAPERS)
    paper = PAPERS[name]
    ours: dict[Published, list[Row]] = {}
    for item, row in _reproductions(paper, board):
        ours.setdefault(item, []).append(row)
    grids = [_table_grid(paper, table, ours) for table in paper.tables]
    grids[-1].notes.append(
        f'Printed numbers: {paper.reported_in}; ours: '
        'measured here, where there is a run. ' + LEGEND
    )
    grids[-1].notes += baseline_notes(board)
    return grids


def _table_grid(
    paper: Paper, table: PaperTable, ours: dict[Published, list[Row]]
) -> Grid:
    lines: dict[Line, dict[tuple[str, str], Published]] = {}
    first: dict[Line, Published] = {}
    for item in PublishedIndex().rows:
        column = item.task, item.metric
        if item.reported_in == paper.reported_in and column in table.columns:
            key = (
                item.method,
                item.variant,
                item.pretrain_data,
                item.pretrain_epochs,
            )
            lines.setdefault(key, {})[column] = item
            first.setdefault(key, item)
    order = ORDERS.get(table.title, paper.order)
    body = []
    for key in sorted(lines, key=lambda k: _position(first[k], order)):
        printed = [lines[key].get(column) for column in table.columns]
        cells = [
            _cell(item, [] if item is None else ours.get(item, []))
            for item in printed
        ]
        body.append(
            [
                [Part(label(*key[:2]), 'name')],
                [Part(epochs_text(key[3]))],
                *cells,
            ]
        )
    several = len({task for task, _ in table.columns}) > 1
    heads = [
        (f'{heading(task).title}\n' if several else '')
        + metric_title(task, metric)
        for task, metric in table.columns
    ]
    return Grid(
        f'{paper.reported_in}: {table.title}',
        ['method', 'epochs', *heads],
        body,
        keys=2,
    )
