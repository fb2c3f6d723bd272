"""Generated sentences, and the comparison of any two rows."""

import io

import pytest
from rich.console import Console

from ssl_bench.results import stats
from ssl_bench.results.board import build
from ssl_bench.results.page_data import page_data
from ssl_bench.results.pairs import Pairs
from ssl_bench.results.record import Stored
from ssl_bench.results.screen import show
from ssl_bench.results.verdicts import (
    TRIAL,
    headline,
    reproduction,
    trial_note,
    verdicts,
)
from tests.results.factory import make_record

TASK = 'mini_knn'


def stored(values, departures=(), task=TASK, metric='top1'):
    """Records of the values of each method's seeds 0, 1, ..."""
    return [
        Stored(
            make_record(
                method,
                task=task,
                seed=seed,
                metrics={metric: value},
                departures=list(departures),
            ),
            'r.json',
        )
        for method, own in values.items()
        for seed, value in enumerate(own)
    ]


def board_of(values, task=TASK, metric='top1', departures=(), **options):
    """A board of them."""
    records = stored(values, departures, task, metric)
    return build(records, **{'published': 'none', **options})


def texts(board):
    return [(found.kind, found.text) for found in verdicts(board)]


def test_a_leader_with_its_interval():
    board = board_of(
        {
            'InsLoc': [50.0, 51.0, 52.0],
            'MoCo v2': [49.0, 50.1, 50.9],
            'Random init': [30.0, 31.0, 32.1],
        }
    )
    # differences 1.0, 0.9, 1.1: mean 1.0, t(2) * 0.1 / sqrt(3) = 0.248
    # and 20.0, 20.0, 19.9: mean 19.967, half 4.303 * 0.0577 / 1.732 = 0.143
    assert texts(board) == [
        (
            'decided',
            'InsLoc leads MoCo v2 by 1.0 [0.8, 1.2], 3 paired seeds; '
            'pretraining helps: InsLoc leads Random init by 20.0 [19.8, 20.1], 3 paired seeds',
        )
    ]


def test_one_seed_each_is_undecided():
    board = board_of({'InsLoc': [50.0], 'MoCo v2': [49.0]})
    assert texts(board) == [('undecided', 'undecided: one seed each')]


def test_noise_is_undecided_with_its_interval():
    board = board_of({'InsLoc': [50.0, 52.0], 'MoCo v2': [49.0, 52.5]})
    # differences 1.0, -0.5: mean 0.25, t(1) * 1.0607 / sqrt(2) = 9.530
    assert texts(board) == [
        (
            'undecided',
            'undecided: InsLoc and MoCo v2 differ by +0.3 [-9.3, +9.8], '
            '2 paired seeds',
        )
    ]


def test_what_is_undecided_for_many_comparisons_says_so():
    """Its interval does not contain zero: the reader is told why."""
    values = {
        'A': [50.0, 51.0, 52.0],
        'B': [49.0, 50.2, 50.8],
        'C': [40.0, 44.0, 41.0],
        'D': [40.5, 43.0, 41.9],
    }
    [(kind, text)] = texts(board_of(values))
    # differences 1.0, 0.8, 1.2: mean 1, half 4.303 * 0.2 / sqrt(3) = 0.497
    # p = 0.013, times 6 comparisons above 0.05
    assert (kind, text) == (
        'undecided',
        'undecided: A and B differ by +1.0 [+0.5, +1.5], 3 paired seeds, '
        'one of 6 comparisons',
    )


def test_names_that_are_equal_are_told_apart():
    records = [
        Stored(
            make_record(
                epochs=epochs, seed=seed, metrics={'top1': epochs / 10 + seed}
            ),
            'r.json',
        )
        for epochs in (100, 200)
        for seed in (0, 1)
    ]
    [(_, text)] = texts(build(records, published='none'))
    assert 'MoCo v2@200 and MoCo v2@100, the seeds changed nothing' in text


def test_a_supervised_leader_is_not_what_pretraining_is_judged_by():
    values = {
        'Supervised': [50.0, 51.0, 52.0],
        'MoCo v2': [45.0, 46.1, 46.9],
        'Random init': [30.0, 31.0, 32.1],
    }
    [(_, text)] = texts(board_of(values))
    assert text.startswith('Supervised leads MoCo v2 by 5.0 ')
    assert '; pretraining helps: MoCo v2 leads Random init by 15.0 ' in text
    worse = {**values, 'MoCo v2': [25.0, 26.1, 26.9]}
    [(_, text)] = texts(board_of(worse))
    assert '; pretraining does not help: Random init leads MoCo v2' in text


def test_lower_is_better_leads_with_a_unit():
    board = board_of(
        {'MoCo v2': [1.30, 1.31, 1.32], 'Random init': [1.5, 1.51, 1.53]},
        'mini_depth',
        'RMSE',
    )
    [(kind, text)] = texts(board)
    assert kind == 'decided'
    start = 'pretraining helps: MoCo v2 leads Random init by 0.203 '
    assert text.startswith(f'{start}[0.189, 0.218]')
    assert text.endswith(' metres, 3 paired seeds')


def test_alone():
    board = board_of({'InsLoc': [50.0, 51.0]})
    assert texts(board) == [('alone', 'InsLoc alone: nothing to compare with')]


def test_trial_runs_are_called_so_and_no_sentence_is_made_of_them():
    values = {'InsLoc': [50.0, 51.0], 'Random init': [30.0, 31.0]}
    assert trial_note(board_of(values)) == ''
    trial = board_of(values, departures=[TRIAL])
    assert trial_note(trial).startswith('These are trial runs (trial=True)')
    assert trial_note(trial).endswith('Their numbers mean nothing.')
    assert not verdicts(trial)
    assert page_data(trial)['trial'] == trial_note(trial)
    both = trial_note(
        build(
            stored(values) + stored(values, [TRIAL], 'mini_logreg'),
            published='none',
        )
    )
    assert both.startswith('2 of 4 measured rows are trial runs')


def test_reproduction_counts_verdicts():
    board = board_of(
        {'InsLoc': [57.0, 57.2]}, 'voc0712_det_c4', 'bbox_AP', published='own'
    )
    found = reproduction(board)
    assert found.total == sum(bool(row.verdict) for row in board.measured)
    assert str(found).startswith(f'{found.reproduced} of {found.total} ')


def test_pairs_turn_and_know_who_is_not_compared():
    board = board_of({'A': [3.0, 4.0], 'B': [1.0, 2.5], 'C': [1.0]})
    by_name = {row.name: row for row in board.rows}
    pairs = Pairs(board)
    found = pairs.between(by_name['A'], by_name['B'])
    back = pairs.between(by_name['B'], by_name['A'])
    assert found.difference == pytest.approx(1.75)
    assert back == found.turned()
    assert pairs.between(by_name['C'], by_name['A']).reason == stats.ONE_SEED
    assert pairs.between(by_name['A'], by_name['A']) is None
    other = board_of({'A': [1.0]}).rows[0]
    assert pairs.between(by_name['A'], other) is None


def test_page_has_every_pair_of_the_main_metric():
    board = board_of({'A': [3.0, 4.0], 'B': [1.0, 2.5], 'C': [1.0]})
    data = page_data(board)
    assert data['all_pairs'] and len(data['pairs']) == 3
    names = [row['name'] for row in data['rows']]
    i, j, difference, answer, text, turned, _, gap, back, _ = next(
        pair
        for pair in data['pairs']
        if {names[pair[0]], names[pair[1]]} == {'A', 'B'}
    )
    assert (names[i], names[j]) == ('A', 'B')
    assert difference == pytest.approx(1.75) and answer == 'undecided'
    assert text.startswith('undecided: +1.8 ') and '-1.8' in turned
    assert (gap, back) == ('+1.8', '-1.8')


def test_too_many_pairs_keep_the_controls_and_the_best(monkeypatch):
    monkeypatch.setattr('ssl_bench.results.page_matrix.MAX_PAIRS', 5)
    values = {name: [i + 1.0, i + 2.0] for i, name in enumerate('ABCD')}
    data = page_data(board_of({**values, 'Random init': [0.5, 0.7]}))
    names = [row['name'] for row in data['rows']]
    seen = {frozenset((names[i], names[j])) for i, j, *_ in data['pairs']}
    assert not data['all_pairs'] and len(data['pairs']) == len(seen) == 7
    assert all({'D', 'Random init'} & pair for pair in seen)


def test_pretraining_helps_where_any_method_shows_it():
    """The best mean has a wide interval; the next one decides."""
    values = {
        'InsLoc': [40.0, 60.0, 50.0],
        'MoCo v2': [49.0, 50.1, 50.7],
        'Random init': [30.0, 31.0, 32.1],
    }
    [(kind, text)] = texts(board_of(values))
    assert kind == 'decided'
    assert text.startswith('undecided: InsLoc and MoCo v2 differ by +0.1 ')
    assert '; pretraining helps: MoCo v2 leads Random init by 18.9 ' in text


def test_names_of_networks_that_are_compared_are_told_apart():
    """Two sizes of images: compared, and not one row."""
    records = [
        *stored({'MoCo v2': [40.0, 41.0]}),
        *stored({'MoCo v2': [50.0, 51.2]}),
    ]
    for item, size in zip(records, (224, 224, 384, 384)):
        item.record['backbone'] = f'vit_base_patch16_{size}'
        item.record['run_id'] += f'.{size}'
    [(_, text)] = texts(build(records, published='none'))
    names = 'MoCo v2 [ViT-B/16 (384)] leads MoCo v2 [ViT-B/16] by 10.1 '
    assert names in text


def test_the_headline_counts_as_the_terminal():
    """Two numbers of epochs are two methods."""
    records = stored({'MoCo v2': [40.0], 'InsLoc': [41.0]})
    assert headline(build(records, published='none')) == (
        'InsLoc and MoCo v2 on 1 task'
    )
    longer = stored({'MoCo v2': [42.0]})
    longer[0].record['pretrain']['epochs'] = 800
    longer[0].record['run_id'] += '.800'
    board = build([*records, *longer], published='none')
    assert headline(board) == '3 methods on 1 task'
    console = Console(file=io.StringIO())
    show(board, [], console)
    assert console.file.getvalue().startswith('3 methods, 1 backbone, ')
