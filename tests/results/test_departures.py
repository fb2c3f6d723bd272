"""What the user changed is not compared with what a paper measured."""

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results.board import build
from ssl_bench.results.grid import grids
from ssl_bench.results.papers import paper_grids
from ssl_bench.results.ranking import rank_tables
from ssl_bench.results.record import Stored, validate, write_record
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
    # compared with the others of the task, never with a printed number
    assert {row.variant for row in board.rows} == {'', 'model.momentum=0.9'}
    assert len({row.protocol for row in board.rows}) == 1
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


def seeds(method, values, task='mini_knn', metric='top1', **changes):
    mark = 'changed' if changes else 'kept'
    return [
        make_record(
            method,
            '',
            task,
            seed,
            {metric: value},
            run_id=f'{method}-{task}-{seed}-{mark}',
            **changes,
        )
        for seed, value in enumerate(values)
    ]


def test_other_protocols_share_no_place():
    """A better number of an easier protocol takes nobody's first place."""
    board = board_of(
        *seeds('A', [50.0, 50.3, 50.4]),
        *seeds('B', [40.0, 40.6, 40.3]),
        *seeds('B', [90.0, 90.5, 90.3], **CHANGED),
        baseline='A',
    )
    found = {
        (row.method, bool(row.departures)): (row.place, row.standing)
        for row in board.measured
    }
    assert found == {
        ('A', False): (1, 'unbeaten'),
        ('B', False): (2, 'beaten'),
        ('B', True): (None, ''),
    }
    assert [row.departures for row in board.rows if row.difference] == [[]]


@pytest.mark.parametrize('changes', [{}, CHANGED])
def test_ranks_are_of_one_protocol(changes):
    """Also of one that all methods changed, as in a quick run."""
    board = board_of(
        *seeds('A', [50.0, 50.3], **changes),
        *seeds('B', [60.0, 60.5], **changes),
        *seeds('A', [30.0, 30.3], 'mini_seg_fcn', 'mIoU', **changes),
        *seeds('B', [40.0, 40.5], 'mini_seg_fcn', 'mIoU', **changes),
        *(
            seeds('C', [90.0, 90.5], **CHANGED)
            + seeds('C', [90.0, 90.5], 'mini_seg_fcn', 'mIoU', **CHANGED)
            if not changes
            else []
        ),
    )
    [table] = rank_tables(board)
    assert {r.name: r.average for r in table.rankings} == {'A': 2, 'B': 1}
    assert len(table.left_out) == (not changes)


def test_the_rank_table_says_what_was_changed():
    """Two changed pretrainings of one method have one name."""
    records = []
    for task in ('mini_knn', 'mini_linear'):
        for seed in (0, 1):
            for change in ('lr=1', 'lr=2'):
                record = make_record(
                    task=task, seed=seed, run_id=f'{task}{seed}{change}'
                )
                record['pretrain']['departures'] = [change]
                record['metrics'] = {'top1': 40.0 + seed}
                records.append(record)
    found = grids(board_of(*records))[-1]
    assert found.title.startswith('Average rank')
    assert [[part.text for part in row[0]] for row in found.body] == [
        ['MoCo v2, changed', 'lr=1'],
        ['MoCo v2, changed', 'lr=2'],
    ]


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
