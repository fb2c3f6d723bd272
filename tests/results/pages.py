"""Boards that a page must be able to show, odd ones among them.

`RECORDS` has the records of each by its name; `board` builds it and `write`
puts its records into a folder. benchmarks/page_pictures.py takes pictures of
all of them.
"""

import random
from pathlib import Path

from ssl_bench.catalog import methods
from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.record import Stored
from ssl_bench.results.table import Board
from tests.results.factory import METHODS, METRICS, make_record, sha, suite

MINI = ['mini_knn', 'mini_seg_fcn', 'mini_voc_det_c4']
LONG = 'A very long name of a method that goes on and on, ' * 8  # 400
# of any script and length
NAMES = (
    'طريقة التعلم الذاتي',  # Arabic
    '自监督学习方法',  # Chinese
    '자기지도학습',  # Korean
    'विधि',  # Devanagari
    '🦊🧪👩‍🔬 method',  # emoji, one of them joined
    'Z̸̡͎̈́a̵̛͇l̷̨̛g̴̱̈́o̶͓͝',  # many combining marks
    'Me\u0301thode',  # e and an accent, not the one letter
    '\u202eright to left\u202c',  # would turn what follows
    LONG,
    'Ununterbrochenes' * 12,  # nowhere to break a line
    '<script>alert(1)</script>',
    '__proto__',
    '=1+1',
    '\\textbf{x} & 50% $y_1^2$ | a|b `code`',
)


def plain(seeds=(0, 1, 2)):
    """Three tasks, five methods, among them both controls."""
    return suite(METHODS, MINI, seeds)


def backbones():
    """Two backbones; the second has fewer methods and tasks."""
    yield from suite(METHODS, MINI)
    for record in suite(METHODS[:4], MINI[:2]):
        record['backbone'] = 'vit_tiny_patch16'
        record['run_id'] += '.vit'
        yield record


def missing():
    """Cells that are not there: failed runs leave no record.

    A method without one task, a task of one method, a cell of one seed
    among cells of three, and a record that departs from its protocol.
    """
    for record in plain():
        if (record['method'], record['task']) == ('PixPro', 'mini_knn'):
            continue
        if (record['method'], record['task']) == (
            'InsLoc',
            'mini_seg_fcn',
        ) and record['seed']:
            continue
        yield record
    yield make_record('PixPro', task='mini_depth', metrics={'RMSE': 1.25})
    yield make_record(
        'PixPro',
        task='mini_knn',
        metrics={'top1': 30.0},
        config_sha256=sha('other'),
        departures=['train_cfg.max_iters=100'],
    )


def names():
    """Methods, variants, backbones and tasks of any script and length."""
    for number, name in enumerate(NAMES):
        for seed in (0, 1):
            for task in ('mini_knn', 'mini_seg_fcn'):
                value = 40.0 + number + seed / 10
                metrics = dict.fromkeys(METRICS[task], value)
                yield make_record(
                    name,
                    name if number % 2 else '',
                    task,
                    seed,
                    metrics,
                    run_id=f'{task}.{number}.s{seed}',
                    notes=name,
                )
    for number, name in enumerate(NAMES):
        yield make_record(
            'MoCo v2',
            task=name,
            metrics={name: 1.0 + number},
            backbone=name,
            run_id=f'other.{number}',
        )


def all_methods():
    """Every method that there is, as `ssl-bench run mini_all` has."""
    gains = random.Random(7)
    chosen = [
        (name, '', gains.uniform(-3, 3))
        for name in methods()
        if name not in ('Random init', 'Supervised')
    ]
    return suite(
        [*METHODS[:2], *chosen], [*MINI, 'mini_coco_mrcnn_fpn'], (0, 1)
    )


def printed():
    """Tasks of papers: measured numbers next to printed ones."""
    tasks = ['voc0712_det_c4', 'coco_mrcnn_fpn_1x', 'in1k_linear']
    yield from suite(METHODS, tasks)
    yield make_record('DenseCL', task='voc0712_det_c4', backbone='ResNet-50')


def many(number=2000, seeds=5):
    """As many records, on ten tasks.

    Args:
        number: Of records, a multiple of ten times the seeds.
        seeds: Of each cell; with one there are the most rows.
    """
    tasks = [*METRICS, 'cityscapes_fcn'][:10]
    chosen = number // (len(tasks) * seeds)
    gains = random.Random(11)
    listed = [
        (name, f'v{i}' if i else '', gains.gauss(0, 2))
        for i in range(-(-chosen // 5))
        for name, _, _ in METHODS
    ][:chosen]
    for method, variant, gain in listed:
        for task in tasks:
            for seed in range(seeds):
                noise = random.Random(f'{method}{variant}{task}{seed}')
                shift = gain + noise.gauss(0, 0.4)
                yield make_record(
                    method,
                    variant,
                    task,
                    seed,
                    {
                        metric: round(min(max(value + shift, 0), 100), 4)
                        for metric, value in METRICS.get(
                            task, {'mIoU': 75.0}
                        ).items()
                    },
                    notes='' if seed else 'n' * 40,
                )


RECORDS = {
    'plain': plain,
    'one-seed': lambda: plain([0]),
    'two-backbones': backbones,
    'no-control': lambda: suite(METHODS[2:], MINI),
    'missing': missing,
    'names': names,
    'all': all_methods,
    'printed': printed,
    'alone': lambda: [make_record(seed=seed) for seed in (0, 1, 2)],
    'many': many,
    'many-rows': lambda: many(seeds=1),
}
PUBLISHED = {'printed': 'all'}  # else none
BASELINES = {'plain': 'MoCo v2', 'printed': 'MoCo v2'}


def board(name: str) -> Board:
    """A board of `RECORDS` by its name."""
    return build(
        [
            Stored(record, f'{record["run_id"]}/result.json')
            for record in RECORDS[name]()
        ],
        published=PUBLISHED.get(name, 'none'),
        baseline=BASELINES.get(name),
    )


def write(name: str, folder: Path) -> Path:
    """Its records as files, each in a folder of its own."""
    for i, record in enumerate(RECORDS[name]()):
        write_record(folder / f'{i:05d}', record)
    return folder
