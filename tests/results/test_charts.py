"""What the page's charts show: groups, ties, axes, costs, fronts."""

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.chart_data import axis_title
from ssl_bench.results.costs import LONG, costs, front, measures
from ssl_bench.results.page_data import page_data
from ssl_bench.results.record import Stored
from tests.results.factory import make_record, sha


def row_of(method, values, task='mini_knn', metric='top1', **changes):
    """Records of one cell; a change that is a function is of the seed."""
    records = []
    for seed, value in enumerate(values):
        record = make_record(
            method, task=task, seed=seed, metrics={metric: value}
        )
        record['pretrain'].pop('cost', None)
        for name, change in changes.items():
            record[name] = change(seed) if callable(change) else change
        record['run_id'] = f'{method}-{task}-{seed}-{len(records)}'.replace(
            ' ', ''
        ) + str(changes.get('backbone', ''))
        records.append(record)
    return records


def board_of(*cells):
    records = [record for cell in cells for record in cell]
    return build(
        [Stored(r, f'{i}.json') for i, r in enumerate(records)],
        published='none',
    )


def cost(**known):
    empty = dict.fromkeys(
        ('train_seconds', 'images_per_second', 'peak_memory_mib', 'gpu_hours')
    )
    return dict(empty, **known)


@pytest.mark.parametrize(
    ('task', 'metric', 'title'),
    [
        ('mini_knn', 'top1', 'top1 in percent, higher is better'),
        ('mini_depth', 'RMSE', 'RMSE in metres, lower is better'),
        ('theirs', 'score', 'score, not known whether higher is better'),
    ],
)
def test_axes_say_unit_and_direction(task, metric, title):
    assert axis_title(task, metric) == title


def test_ties_are_what_the_tests_say():
    """Shaded: nobody is shown to be better; not where one is alone."""
    board = board_of(
        row_of('A', [57.0, 57.1, 57.2]),
        row_of('B', [56.9, 57.2, 57.0]),
        row_of('C', [40.0, 40.1, 40.3]),
        row_of('D', [60.0]),
        row_of('E', [50.0, 50.2], backbone='vit_tiny_patch16'),
    )
    data = page_data(board)
    [chart] = data['charts']
    name = [row['name'] for row in data['rows']].__getitem__
    first, second = chart['groups']
    assert [name(i) for i in first['rows']] == ['D', 'A', 'B', 'C']
    assert [name(i) for i in first['tied']] == ['A', 'B']
    assert first['note'] == 'A; B: no other method is shown to be better'
    assert first['title'] != second['title']
    assert (second['tied'], second['note']) == ([], '')
    assert not chart['reversed']


def test_where_nothing_is_decided_all_are_tied():
    board = board_of(
        row_of('A', [57.0, 58.0]), row_of('B', [56.0, 59.0]), row_of('C', [5])
    )
    data = page_data(board)
    [group] = data['charts'][0]['groups']
    assert len(group['rows']) == 3 and len(group['tied']) == 2
    assert group['note'] == 'no method is shown to be better than another'
    one = page_data(board_of(row_of('A', [57.0]), row_of('B', [56.0])))
    [group] = one['charts'][0]['groups']
    assert group['tied'] == []
    assert group['note'] == 'undecided: one seed each'


def test_other_settings_are_another_group_with_another_heading():
    """Rows that are not compared never share a group."""
    board = board_of(
        row_of('A', [57.0, 57.1]),
        row_of('B', [50.0, 50.1]),
        row_of('C', [57.0, 57.1], config_sha256=sha('other')),
        row_of(
            'D', [57.0], config_sha256=sha('third'), departures=['batch 4']
        ),
    )
    groups = page_data(board)['charts'][0]['groups']
    assert [len(group['rows']) for group in groups] == [2, 1, 1]
    titles = [group['title'] for group in groups]
    assert len(set(titles)) == 3
    assert any('batch 4' in title for title in titles)


def test_lower_is_better_turns_the_axis():
    board = board_of(
        row_of('A', [1.5, 1.4], 'mini_depth', 'RMSE'),
        row_of('B', [1.2, 1.3], 'mini_depth', 'RMSE'),
    )
    data = page_data(board)
    [chart] = data['charts']
    assert chart['reversed']
    names = [data['rows'][i]['name'] for i in chart['groups'][0]['rows']]
    assert names == ['B', 'A']  # the best is first


def test_cost_of_pretraining_and_transfer():
    records = row_of(
        'A',
        [57.0, 57.1],
        cost=lambda seed: cost(
            train_seconds=100.0 + seed, peak_memory_mib=500.0
        ),
    )
    for seed, record in enumerate(records):
        record['pretrain']['cost'] = cost(
            train_seconds=3600.0 * (seed + 1), gpu_hours=8.0
        )
    records += row_of('Random init', [40.0, 41.0])
    board = board_of(records)
    own = {row.method: costs(row) for row in board.rows}
    assert own['A'] == dict(
        transfer_wall=100.5,
        pretrain_wall=5400.0,
        pretrain_hours=8.0,
        both_wall=5500.5,
        transfer_memory=500.0,
        epochs=200.0,
    )
    random = own['Random init']  # no pretraining: it took no time
    assert random['pretrain_wall'] == random['pretrain_hours'] == 0
    assert random['both_wall'] == random['transfer_wall']
    del records[0]['pretrain']['cost'], records[1]['pretrain']['cost']
    [row] = [r for r in board_of(records).rows if r.method == 'A']
    assert set(costs(row)) == {'transfer_wall', 'transfer_memory', 'epochs'}


def test_times_are_in_hours_where_one_is_long():
    short, long = measures([dict(transfer_wall=30.0, both_wall=LONG + 1)])
    assert short.title == 'wall time of the transfer, seconds'
    assert short.text(short.value(dict(transfer_wall=30.0))) == '30 s'
    assert long.title == 'wall time of pretraining and transfer, hours'
    assert long.value(dict(both_wall=LONG)) == 2
    assert measures([dict(transfer_hours=0.0), {}]) == []


def test_the_front_has_what_nothing_cheaper_beats():
    board = board_of(
        row_of('A', [50.0, 52.0]),
        row_of('B', [60.0, 61.0]),
        row_of('C', [55.0, 56.0]),
        row_of('D', [99.0]),
        row_of('E', [60.0, 61.0]),
    )
    rows = sorted(board.rows, key=lambda row: row.method)
    # D is one seed; C costs more than B and is worse; E equals B, for more
    spent = [1.0, 2.0, 3.0, 0.5, 2.5]
    assert front(rows, spent) == [0, 1]
    assert front(rows, [1.0, 2.0, 3.0, 0.5, 2.0]) == [0, 1, 4]  # both of them
    assert front(rows, [None, 2.0, 3.0, 0.5, None]) == [1]
    assert front(rows, [1.0, None, None, 0.5, None]) == []  # one alone
    assert front([], []) == []


def test_the_front_follows_the_direction():
    board = board_of(
        row_of('A', [1.5, 1.4], 'mini_depth', 'RMSE'),
        row_of('B', [1.2, 1.3], 'mini_depth', 'RMSE'),
    )
    rows = sorted(board.rows, key=lambda row: row.method)
    assert front(rows, [1.0, 2.0]) == [0, 1]
    assert front(rows, [2.0, 1.0]) == [1]
    unknown = board_of(
        row_of('A', [1.5, 1.4], 'theirs', 'score'),
        row_of('B', [1.2, 1.3], 'theirs', 'score'),
    )
    assert front(unknown.rows, [1.0, 2.0]) == []


def test_fronts_of_the_page_are_of_one_group_each():
    board = board_of(
        row_of('A', [50.0, 52.0], cost=cost(train_seconds=10.0)),
        row_of('B', [60.0, 61.0], cost=cost(train_seconds=20.0)),
        row_of(
            'A', [70.0, 71.0], cost=cost(train_seconds=1.0), backbone='ViT'
        ),
        row_of(
            'B', [60.0, 61.0], cost=cost(train_seconds=9.0), backbone='ViT'
        ),
    )
    data = page_data(board)
    [chart] = data['charts']
    fronts = data['fronts']['mini_knn']['transfer_wall']
    found = {
        group['title']: [data['rows'][i]['name'] for i in own]
        for group, own in zip(chart['groups'], fronts)
    }
    assert sorted(found.values()) == [['A'], ['A', 'B']]
    assert found[next(t for t in found if 'ViT' in t)] == ['A']
    assert 'pretrain_wall' not in data['fronts']['mini_knn']
    cost_of = data['rows'][chart['groups'][0]['rows'][0]]['cost']
    assert set(cost_of) == {'transfer_wall', 'epochs'}
