"""Columns of the matrix, and the choices of a baseline."""

from ssl_bench.results.baselines import baselines
from ssl_bench.results.board import build
from ssl_bench.results.columns import AREAS, Columns
from ssl_bench.results.page_data import page_data
from ssl_bench.results.record import Stored
from ssl_bench.results.table import main_metrics
from ssl_bench.tasks.table import tasks
from tests.results import pages
from tests.results.factory import METHODS, make_record, sha, suite


def board_of(records, **options):
    stored = [Stored(record, 'r.json') for record in records]
    return build(stored, **{'published': 'none', **options})


def titles(board):
    return [column.title for column in Columns(board).all]


def test_every_group_of_a_task_has_a_heading():
    assert {task.group for task in tasks().values()} == set(AREAS)


def test_dense_tasks_are_first_and_robustness_is_last():
    board = board_of(suite(METHODS, ['in_c', 'mini_knn', 'mini_seg_fcn']))
    areas = [column.area for column in Columns(board).all]
    assert areas == ['Dense', 'Image-level', 'Robustness']


def test_settings_of_a_task_have_columns_of_their_own():
    """So no cell has two numbers, and those of a column are compared."""
    records = []
    for i, (settings, more) in enumerate(
        [
            ('old', dict(finished='2025-05-01T11:30:00+02:00')),  # earlier
            ('new', dict(finished='2025-05-01T11:00:00+00:00')),
            ('departed', dict(departures=['train_cfg.max_iters=4'])),
            ('recipe', dict(extra=dict(recipe='two_fc'))),
        ]
    ):
        more.setdefault('finished', '2025-05-01T11:00:00+00:00')
        for name in ('A', 'B'):
            records.append(
                make_record(name, config_sha256=sha(settings), **more)
            )
            records[-1].update(
                run_id=f'{name}{i}', started='2025-05-01T01:00:00+00:00'
            )
    board = board_of(records)
    assert titles(board) == [
        'Mini kNN',
        'Mini kNN (recipe two_fc)',
        'Mini kNN (train_cfg.max_iters=4)',
        'Mini kNN (earlier settings or data)',
    ]
    columns = Columns(board)
    cells = [(row.method_id, columns.of(row)) for row in columns.rows]
    assert len(set(cells)) == len(cells) == 8
    keys = [column.key for column in columns.all]
    assert keys[0] == 'mini_knn' and len(set(keys)) == 4
    earlier = {
        row.records[0].record['run_id']
        for row in columns.rows
        if columns.of(row).earlier
    }
    assert earlier == {'A0', 'B0'}


def test_a_network_has_its_own_newest_settings():
    """What was trained changes the settings, not the column."""
    records = [
        make_record('A', config_sha256=sha(kind), run_id=kind, trained=kind)
        for kind in ('full', 'frozen')
    ]
    assert titles(board_of(records)) == ['Mini kNN']


def names(board):
    rows = Columns(board).rows
    return [choice.name for choice in baselines(board, rows)]


def test_the_first_baseline_is_the_default():
    plain = list(suite(METHODS, ['mini_knn', 'mini_seg_fcn']))
    assert names(board_of(plain))[:2] == ['Random init', 'Supervised']
    assert names(board_of(plain, baseline='PixPro'))[0] == 'PixPro'
    printed = names(pages.board('printed'))  # with metrics that are not main
    assert printed[0] == 'MoCo v2' and len(printed) == 6
    assert len(names(board_of(plain, baseline='PixPro'))) == 5
    most = [r for r in plain if r['method'] in ('MoCo v2', 'PixPro')]
    most = [
        r for r in most if (r['method'], r['task']) != ('MoCo v2', 'mini_knn')
    ]
    assert names(board_of(most)) == ['PixPro', 'MoCo v2']


def test_a_baseline_of_another_backbone_is_a_choice_of_its_own():
    board = build(
        [Stored(r, 'r.json') for r in pages.backbones()],
        published='none',
        baseline='Random init [vit_tiny_patch16]',
    )
    rows = Columns(board).rows
    first, second, *_ = baselines(board, rows)
    assert first.name == 'Random init [vit_tiny_patch16]'
    assert len({row.backbone for row in first.rows}) == 1
    assert second.name == 'Random init' and len(second.rows) == 5


def test_equal_names_are_told_apart():
    records = [make_record(epochs=epochs) for epochs in (100, 200)]
    assert names(board_of(records)) == [
        'MoCo v2, IN1K, 100 epochs',
        'MoCo v2, IN1K, 200 epochs',
    ]


def test_with_too_many_pairs_a_choice_has_all_of_its_own(monkeypatch):
    monkeypatch.setattr('ssl_bench.results.page_matrix.MAX_PAIRS', 5)
    records = list(suite(METHODS, ['mini_knn', 'mini_seg_fcn']))
    for options in ({}, {'baseline': 'PixPro'}):
        board = board_of(records, **options)
        data = page_data(board)
        offered = {choice['name'] for choice in data['baselines']}
        assert offered >= {'Random init', *options.values()}
        assert offered < set(names(board))
        pairs = {frozenset(pair[:2]) for pair in data['pairs']}
        mains = main_metrics(board)
        for choice in data['baselines']:
            for i in choice['rows']:
                others = {
                    j
                    for j, row in enumerate(data['rows'])
                    if row['task'] == data['rows'][i]['task']
                    and row['metric'] == mains[row['task']]
                }
                assert all(frozenset((i, j)) in pairs for j in others - {i}), (
                    choice['name']
                )
