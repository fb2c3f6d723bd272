"""Rows, warnings and the CSV."""

import csv
import io
import random
from types import SimpleNamespace

import pytest

from ssl_bench.cli.transfer import summary
from ssl_bench.config import config_dir
from ssl_bench.errors import UserError
from ssl_bench.results.board import build, verdicts
from ssl_bench.results.record import Stored
from ssl_bench.results.table import main_metrics, rankings
from ssl_bench.results.text_formats import COLUMNS, to_csv, to_json
from tests.results.factory import METHODS, make_record, sha, suite

HEADER = (
    'method,variant,backbone,pretrain_data,pretrain_epochs,task,metric,'
    'measured_mean,measured_std,seeds,published,delta,'
    'published_source,checkpoint_sha256,run_ids'
)


def stored(*records):
    return [
        Stored(record, f'runs/{i}/result.json')
        for i, record in enumerate(records)
    ]


def lines(board):
    return list(csv.DictReader(io.StringIO(to_csv(board))))


def kinds(board):
    return [problem.kind for problem in board.problems]


@pytest.fixture(scope='module')
def records():
    return stored(*suite(METHODS, ['voc0712_det_c4', 'mini_knn']))


def test_one_cell_by_hand():
    board = build(
        stored(
            *(
                make_record(
                    'MoCo v2',
                    task='voc0712_det_c4',
                    seed=seed,
                    metrics={'bbox_AP': value},
                )
                for seed, value in ((0, 57.0), (1, 57.4), (2, 57.5))
            )
        ),
        published='own',
    )
    [line] = lines(board)
    assert ','.join(line) == HEADER == ','.join(COLUMNS)
    ids = ';'.join(
        make_record('MoCo v2', task='voc0712_det_c4', seed=seed)['run_id']
        for seed in range(3)
    )
    assert list(line.values()) == [
        'MoCo v2',
        '',
        'ResNet-50',
        'IN1K',
        '200',
        'voc0712_det_c4',
        'bbox_AP',
        '57.3',
        '0.2645751311',
        '3',
        '57',
        '0.3',
        'MoCo v2 (repository): ' + board.rows[0].published.source,
        sha('MoCo v2200'),
        ids,
    ]


def test_one_seed_has_no_deviation_and_unknown_is_empty():
    [line] = lines(build(stored(make_record(epochs=None))))
    assert (line['measured_std'], line['seeds']) == ('', '1')
    assert (
        line['published']
        == line['delta']
        == line['pretrain_epochs']
        == line['published_source']
        == ''
    )


def test_same_records_same_bytes(records):
    shuffled = list(records)
    random.Random(0).shuffle(shuffled)
    assert to_csv(build(shuffled)) == to_csv(build(records))
    assert to_json(build(shuffled)) == to_json(build(records))


def test_sorted_by_task_metric_then_best(records):
    found = lines(build(records))
    assert [(row['task'], row['metric']) for row in found] == sorted(
        (row['task'], row['metric']) for row in found
    )
    values = [
        float(row['measured_mean'] or row['published'])
        for row in found
        if row['metric'] == 'bbox_AP'
    ]
    assert len(values) > 50 and values == sorted(values, reverse=True)


def test_lower_is_better_comes_first():
    board = build(
        stored(
            *(
                make_record(name, task='in_c', metrics={'mCE': value})
                for name, value in (('a', 50.0), ('b', 40.0))
            )
        ),
        published='none',
    )
    assert [row.method for row in board.rows] == ['b', 'a']
    assert [row.place for row in board.rows] == [1, 2]


def test_published_modes(records):
    own = build(records, published='own')
    everything = build(records, published='all')
    none = build(records, published='none')
    assert len(own.rows) == len(none.rows) == 20
    assert not any(row.published for row in none.rows)
    used = [row.published for row in own.rows if row.published]
    assert len(used) == 6  # MoCo v2 and random init, three metrics
    rest = [row for row in everything.rows if not row.values]
    assert {row.task for row in rest} == {'voc0712_det_c4'}
    assert not {id(row.published) for row in rest} & set(map(id, used))
    assert len(rest) == 67 + 70 + 63 - 6


def test_methods_and_tasks_are_chosen(records):
    board = build(records, wanted=['mini_knn'], methods=['insloc', 'pixpro'])
    assert [row.name for row in board.rows] == ['InsLoc (FPN)', 'PixPro']
    assert board.problems == []
    with pytest.raises(UserError, match='Did you mean InsLoc'):
        build(records, methods=['InsLok'])
    with pytest.raises(UserError, match='Did you mean mini_knn'):
        build(records, wanted=['mini_kmn'])
    asked = build(records, wanted=['coco_cascade_vitb'])  # only printed
    assert {row.task for row in asked.rows} == {'coco_cascade_vitb'}


def test_asked_task_without_numbers_is_named(records):
    board = build(records, wanted=['mini_seg_fcn'])
    assert board.rows == [] and [str(p) for p in board.problems] == [
        'empty: no number for task mini_seg_fcn'
    ]


def test_baseline(records):
    board = build(records, baseline='moco v2', wanted=['mini_knn'])
    by_name = {row.name: row for row in board.rows}
    assert by_name['MoCo v2'].difference is None
    better = by_name['InsLoc (FPN)'].difference
    assert better.pairs == 3 and better.mean == pytest.approx(
        by_name['InsLoc (FPN)'].mean - by_name['MoCo v2'].mean
    )
    line = {row['method']: row for row in lines(board)}['InsLoc']
    assert line['baseline'] == 'moco v2' and line['baseline_pairs'] == '3'
    assert float(line['baseline_diff_low']) == pytest.approx(
        better.interval[0]
    )
    with pytest.raises(UserError, match='unknown baseline'):
        build(records, baseline='BYOL')


def test_baseline_stays_with_chosen_methods(records):
    board = build(
        records, methods=['PixPro'], baseline='MoCo v2', wanted=['mini_knn']
    )
    assert [row.name for row in board.rows] == ['PixPro', 'MoCo v2']


def test_ambiguous_baseline_names_the_way_out():
    both = stored(
        make_record(epochs=200), make_record(epochs=800), make_record('PixPro')
    )
    with pytest.raises(UserError, match='200 epochs.*800 epochs|@EPOCHS'):
        build(both, baseline='MoCo v2')
    board = build(both, baseline='MoCo v2@800')
    assert sum(row.difference is not None for row in board.rows) == 2


def test_conflicting_numbers_are_shown():
    late = make_record(
        metrics={'top1': 40.0}, finished='2025-05-02T00:00:00+00:00'
    )
    board = build(
        stored(late, make_record(metrics={'top1': 30.0})), methods=['MoCo v2']
    )
    assert [row.mean for row in board.rows] == [40.0]
    [problem] = board.problems
    assert problem.kind == 'conflict' and '30.0, 40.0' in problem.message
    assert set(problem.paths) == {'runs/0/result.json', 'runs/1/result.json'}


def test_copies_count_once():
    board = build(stored(make_record(), make_record()), methods=['MoCo v2'])
    assert kinds(board) == ['duplicate']
    assert [len(row.values) for row in board.rows] == [1]


def test_other_config_is_another_row():
    other = make_record(seed=1, config_sha256=sha('x'), run_id='other')
    board = build(stored(make_record(), other), methods=['MoCo v2'])
    assert [len(row.values) for row in board.rows] == [1, 1]
    assert kinds(board) == ['mixed configs']
    assert board.problems[0].paths == (
        'runs/0/result.json',
        'runs/1/result.json',
    )


def test_other_data_is_another_row_and_named():
    other = make_record(
        seed=1,
        run_id='other',
        data=dict(name='mini', fingerprint=sha('other'), images=10),
    )
    third = make_record('PixPro')
    board = build(
        stored(make_record(), other, third), methods=['MoCo v2', 'PixPro']
    )
    assert 'mixed data' in kinds(board)
    assert max(len(row.values) for row in board.rows) == 1


def test_same_seed_with_two_checkpoints():
    other = make_record(run_id='other')
    other['pretrain'] = {
        **other['pretrain'],
        'checkpoint_sha256': sha('second'),
    }
    board = build(stored(make_record(), other), methods=['MoCo v2'])
    assert kinds(board) == ['mixed checkpoints']
    [row] = board.rows
    assert len(row.values) == 2 and len(row.checkpoints) == 2
    assert row.by_seed == {}


def test_incomplete_seeds_and_missing_controls():
    board = build(
        stored(make_record(), make_record(seed=1), make_record('PixPro'))
    )
    assert kinds(board) == [
        'incomplete seeds',
        'missing control',
        'missing control',
    ]
    assert 'PixPro on mini_knn lacks seed 1' in board.problems[0].message
    assert 'supervised row on mini_knn' in board.problems[2].message


def test_complete_suite_has_no_warnings(records):
    assert build(records).problems == []


def test_rankings(records):
    board = build(records)
    assert main_metrics(board) == {
        'voc0712_det_c4': 'bbox_AP',
        'mini_knn': 'top1',
    }
    found = rankings(board)
    assert [r.of_tasks for r in found] == [1] * 10  # one task per backbone
    last = [r for r in found if r.name == 'Random init']
    assert [r.average for r in last] == [5, 5]


def test_ranking_puts_full_coverage_first():
    records = stored(
        make_record('a', task='mini_knn', metrics={'top1': 10.0}),
        make_record('a', task='mini_seg_fcn', metrics={'mIoU': 10.0}),
        make_record('b', task='mini_knn', metrics={'top1': 50.0}),
    )
    found = rankings(build(records))
    assert [(r.name, r.average, len(r.places)) for r in found] == [
        ('a', 1.5, 2),
        ('b', 1.0, 1),
    ]


@pytest.mark.parametrize(
    'value, verdict',
    [(39.3, 'reproduced'), (39.5, 'off'), (38.9, 'reproduced')],
)
def test_one_verdict(value, verdict):
    """The terminal says of a run what the leaderboard says of it."""
    record = make_record(
        'MoCo v2', task='coco_mrcnn_c4_1x', metrics={'bbox_AP': value}
    )
    [row] = build(stored(record), published='own').rows
    assert (row.published.value, row.verdict) == (38.9, verdict)
    assert verdicts(record) == {'bbox_AP': (38.9, verdict)}
    assert f'(published 38.9: {verdict})' in summary(
        SimpleNamespace(record=record, folder='x', fresh=True, retested=None)
    )


def test_no_config_repeats_a_published_number():
    for path in (config_dir() / 'transfer').rglob('*.py'):
        assert 'expected' not in path.read_text(), path


def test_a_spreadsheet_runs_no_name_as_a_formula():
    record = make_record(method='=HYPERLINK("x")')
    lines = to_csv(build([Stored(record, 'r')], published='none'))
    row = next(csv.DictReader(io.StringIO(lines)))
    assert row['method'] == '\'=HYPERLINK("x")'
