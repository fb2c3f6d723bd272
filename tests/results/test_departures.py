"""What the user changed is not compared with what a paper measured."""

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results.board import build
from ssl_bench.results.grid import grids
from ssl_bench.results.papers import paper_grids
from ssl_bench.results.record import Stored, validate, write_record
from ssl_bench.results.table import rankings
from tests.results.factory import make_record, sha

CHANGED = dict(
    departures=['train_cfg.max_iters=100'], config_sha256=sha('other')
)


def board_of(*records, **options):
    return build(
        [
            Stored(record, f'r/{i}/result.json')
            for i, record in enumerate(records)
        ],
        **options,
    )


def test_a_departed_record_has_no_published_value():
    kept = make_record(task='voc0712_det_c4')
    other = make_record(task='voc0712_det_c4', run_id='other', **CHANGED)
    board = board_of(kept, other, published='own')
    rows = {
        bool(row.departures): row
        for row in board.rows
        if row.metric == 'bbox_AP'
    }
    assert rows[False].published.value == 57.0
    assert rows[True].published is None and rows[True].verdict == ''
    assert [
        str(problem)
        for problem in board.problems
        if problem.kind == 'other protocol'
    ] == [
        'other protocol: MoCo v2 on voc0712_det_c4 is not compared with '
        'published numbers: train_cfg.max_iters=100 (r/1/result.json)'
    ]


def test_it_is_marked_where_tables_show_it():
    board = board_of(make_record(task='voc0712_det_c4', **CHANGED))
    names = [[part.text for part in row[0]] for row in grids(board)[0].body]
    mark = "other settings or data than the protocol's"
    assert ['MoCo v2', mark, 'train_cfg.max_iters=100'] in names


def test_own_pretraining_images_and_changes_are_in_the_row():
    """The method is named as it is; what it was made with is below."""
    changed = make_record(task='voc0712_det_c4', run_id='other')
    changed['pretrain'].update(
        data='custom: mine (4 images)', departures=['model.momentum=0.9']
    )
    kept = make_record(task='voc0712_det_c4')
    board = board_of(kept, changed, published='own')
    names = [[part.text for part in row[0]] for row in grids(board)[0].body]
    assert [
        'MoCo v2',
        'pretrained on custom: mine (4 images)',
        "other settings or data than the protocol's",
        'pretraining: model.momentum=0.9',
    ] in names
    assert ['MoCo v2'] in names
    # ranked with the others of the task, and never with a printed number
    assert {row.variant for row in board.rows} == {'', 'model.momentum=0.9'}
    assert all(row.place is not None for row in board.rows)
    assert all(
        row.published is None for row in board.rows if row.variant
    ) and any(row.published for row in board.rows)
    (found,) = [p for p in board.problems if p.kind == 'other protocol']
    assert 'pretraining: model.momentum=0.9' in found.message


def test_the_tables_of_a_paper_leave_it_out():
    text = [
        part.text
        for grid in paper_grids(
            'insloc',
            board_of(
                make_record('InsLoc', 'FPN', 'coco_mrcnn_fpn_1x', **CHANGED)
            ),
        )
        for row in grid.body
        for cell in row
        for part in cell
    ]
    assert not any('ours' in line for line in text)


def test_tasks_that_no_paper_prints_are_not_warned_of():
    board = board_of(make_record(task='mini_knn', **CHANGED))
    assert not [p for p in board.problems if p.kind == 'other protocol']


def test_other_protocols_share_no_place():
    """A better number of an easier protocol takes nobody's first place."""
    board = board_of(
        make_record('A', run_id='a', metrics=dict(top1=50.0)),
        make_record('B', run_id='b', metrics=dict(top1=40.0)),
        make_record('B', run_id='c', metrics=dict(top1=90.0), **CHANGED),
    )
    places = {
        (row.method, bool(row.departures)): (row.place, row.best)
        for row in board.measured
    }
    assert places == {
        ('A', False): (1, True),
        ('B', False): (2, False),
        ('B', True): (1, True),
    }
    assert {r.name: r.average for r in rankings(board)} == {'A': 1, 'B': 2}


def test_one_protocol_that_all_changed_is_ranked():
    """Methods are compared by a quick run, each with the same changes."""
    board = board_of(
        make_record('A', run_id='a', metrics=dict(top1=50.0), **CHANGED),
        make_record('B', run_id='b', metrics=dict(top1=60.0), **CHANGED),
    )
    assert {r.name: r.average for r in rankings(board)} == {'A': 2, 'B': 1}


def test_departures_are_texts():
    with pytest.raises(UserError, match='departures must be a list of texts'):
        validate(make_record(departures=[1]))


def test_a_leaderboard_does_not_replace_a_record(tmp_path, capsys):
    write_record(tmp_path / 'run', make_record())
    path = tmp_path / 'run/result.json'
    before = path.read_bytes()
    assert main(['leaderboard', str(tmp_path), '-o', str(path)]) == 2
    assert 'is the name of a record' in capsys.readouterr().err
    assert path.read_bytes() == before
