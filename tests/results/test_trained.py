"""Rows of which another part of the backbone was trained stand apart."""

import csv
import io
import json
import re

import pytest

from ssl_bench.cli.transfer import summary
from ssl_bench.errors import UserError
from ssl_bench.results.board import aims, build
from ssl_bench.results.frame import lines
from ssl_bench.results.grid import grids
from ssl_bench.results.page_data import page_data
from ssl_bench.results.published import PublishedIndex
from ssl_bench.results.ranking import rank_tables
from ssl_bench.results.record import Stored, validate
from ssl_bench.results.table import cells
from ssl_bench.results.text_formats import to_csv, to_json
from tests.results.factory import make_record
from tests.results.test_departures import board_of

TASKS = ('mini_seg_fcn', 'mini_voc_det_c4')
TOP = {'mini_seg_fcn': 'mIoU', 'mini_voc_det_c4': 'bbox_AP'}


def record(kind, method='MoCo v2', task='mini_seg_fcn', seed=0, value=40.0):
    """Of a kind; the hash of the settings is the full kind's, on purpose."""
    more = {} if kind == 'full' else dict(trained=kind, run_id=None)
    made = make_record(method, '', task, seed, {TOP[task]: value}, **more)
    if made['run_id'] is None:
        made['run_id'] = f'{kind}_{method}_{task}_{seed}'.replace(' ', '-')
        made['run_id'] = made['run_id'].replace(':', '-')
    return made


def all_kinds(*kinds):
    """Two methods, two tasks, three seeds; the first is better by 10."""
    return [
        record(
            kind,
            method,
            task,
            seed,
            40.0 + gain + 20 * shift + (seed - 1) * spread,
        )
        for shift, kind in enumerate(kinds)
        for method, gain, spread in (('MoCo v2', 10, 1.0), ('PixPro', 0, 0.8))
        for task in TASKS
        for seed in range(3)
    ]


def test_a_record_may_say_what_was_trained():
    for kind in ('full', 'last:2', 'lora:8', 'frozen'):
        validate(make_record(trained=kind))
    validate(make_record(trained_parameters=5, parameters=9))
    with pytest.raises(UserError, match='trained_parameters must be a whole'):
        validate(make_record(trained_parameters=-1))
    with pytest.raises(UserError, match='trained must be a text'):
        validate(make_record(trained=3))


def test_kinds_share_no_mean_no_test_and_no_place():
    board = board_of(*all_kinds('full', 'frozen', 'lora:8'))
    rows = [row for row in board.rows if row.task == 'mini_seg_fcn']
    assert len(rows) == 6 and all(len(row.values) == 3 for row in rows)
    for kind, mean in (('full', 50.0), ('frozen', 70.0), ('lora:8', 90.0)):
        best, other = [row for row in rows if row.trained == kind]
        assert (best.mean, other.mean) == pytest.approx((mean, mean - 10))
        assert other.leader is best and best.place == 1 and other.place == 2
    base = board_of(*all_kinds('full', 'frozen'), baseline='PixPro')
    for row in base.rows:
        if row.difference is not None:
            assert row.difference.difference == pytest.approx(10.0)
    assert sum(row.difference is not None for row in base.rows) == 4


def test_kinds_are_ranked_apart():
    tables = rank_tables(board_of(*all_kinds('full', 'frozen')))
    assert {table.network for table in tables} == {
        'ResNet-18',
        'ResNet-18, train frozen',
    }
    assert [len(table.rankings) for table in tables] == [2, 2]
    # a task of each: nothing to rank over two tasks
    halves = [
        made
        for made in all_kinds('full', 'frozen')
        if (made['task'] == TASKS[0]) == ('trained' in made)
    ]
    assert rank_tables(board_of(*halves)) == []


def test_only_the_protocols_own_training_meets_printed_numbers():
    made = make_record(task='voc0712_det_c4')
    assert aims(made)
    for kind in ('frozen', 'lora:8', 'last:1'):
        other = dict(made, trained=kind)
        assert aims(other) == {}
        assert not any(
            PublishedIndex().matches(row) for row in cells([Stored(other, '')])
        )
    assert aims(dict(made, trained='full')) == aims(made)
    board = build([Stored(dict(made, trained='frozen'), 'a/result.json')])
    (found,) = [p for p in board.problems if p.kind == 'other protocol']
    assert 'is not compared with published numbers: train frozen' in str(found)


def test_old_records_and_full_ones_are_one_row():
    made = [
        make_record(task='mini_knn', seed=0),
        make_record(task='mini_knn', seed=1, trained='full', parameters=3),
    ]
    (row,) = board_of(*made).rows
    assert len(row.values) == 2 and row.trained == 'full'
    assert row.trained_text == ''


def test_every_output_shows_the_kind():
    board = board_of(*all_kinds('full', 'lora:8'), published='none')
    table = list(csv.DictReader(io.StringIO(to_csv(board))))
    assert {line['trained'] for line in table} == {'full', 'lora:8'}
    content = json.loads(to_json(board))
    assert {row['trained'] for row in content['rows']} == {'full', 'lora:8'}
    names = [
        [part.text for part in line[0]]
        for grid in grids(board)
        for line in grid.body
    ]
    assert ['MoCo v2', 'train lora:8'] in names and ['MoCo v2'] in names
    titles = {grid.title for grid in grids(board)}
    assert 'Average rank over tasks, ResNet-18, train lora:8' in titles
    data = page_data(board)
    labels = {row['label'] for row in data['rows']}
    assert {'MoCo v2', 'MoCo v2, train lora:8'} <= labels
    by_kind = {row['trained']: set() for row in data['rows']}
    for row in data['rows']:
        by_kind[row['trained']].add(row['id'])
    assert not by_kind['full'] & by_kind['lora:8']
    ranked = {method['id'] for t in data['ranks'] for method in t['methods']}
    assert ranked == by_kind['full'] | by_kind['lora:8']
    first = lines(Stored(record('lora:8'), 'a'))[0]
    assert first['trained'] == 'lora:8' and first['parameters'] is None


def test_warnings_name_the_kind():
    made = all_kinds('full', 'frozen')
    alone = [m for m in made if not (m.get('trained') and m['seed'])]
    found = [
        problem.message
        for problem in board_of(*alone).problems
        if problem.kind == 'incomplete seeds'
    ]
    assert len(found) == 4
    assert all(re.search(', train frozen on .* lacks', text) for text in found)
    kinds = {problem.kind for problem in board_of(*made).problems}
    assert 'mixed checkpoints' not in kinds and 'mixed configs' not in kinds


def test_the_line_of_a_run_shows_the_kind():
    from types import SimpleNamespace

    def text(kind):
        return summary(
            SimpleNamespace(
                record=record(kind), folder='f', fresh=True, retested=None
            )
        )

    assert 'MoCo v2  train lora:8  seed 0:' in text('lora:8')
    assert 'MoCo v2  seed 0:' in text('full')
