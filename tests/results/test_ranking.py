"""Average ranks: who is ranked, how surely, and who is apart."""

import itertools
import math
import random

import numpy as np
import pytest
import scipy.stats

from ssl_bench.results.board import build
from ssl_bench.results.grid import grids
from ssl_bench.results.page_data import page_data
from ssl_bench.results.ranking import (
    critical_difference,
    letter_groups,
    rank,
    rank_tables,
)
from ssl_bench.results.record import Stored
from tests.results.factory import METHODS, make_record, suite

TASKS = ['mini_voc_det_c4', 'mini_coco_mrcnn_fpn', 'mini_seg_fcn', 'mini_knn']


def board_of(records):
    return build(
        [Stored(record, f'{i}.json') for i, record in enumerate(records)],
        published='none',
    )


def of_backbone(name, records):
    for record in records:
        yield {
            **record,
            'backbone': name,
            'run_id': f'{record["run_id"]}.{name}',
        }


def test_ranks_are_of_means_on_each_task():
    [table] = rank_tables(board_of(suite(METHODS, TASKS)))
    assert table.tasks == TASKS
    board = board_of(suite(METHODS, TASKS))
    for found in table.rankings:
        for task, own in found.ranks.items():
            means = {
                row.name: row.mean
                for row in board.rows
                if row.task == task
                and row.metric in ('bbox_AP', 'mIoU', 'top1')
            }
            better = sum(value > means[found.name] for value in means.values())
            assert own == 1 + better
        assert found.average == sum(found.ranks.values()) / 4
        low, high = found.interval
        assert 1 <= low <= found.average <= high <= 5


def test_backbones_are_never_mixed():
    """Two of them once gave a rank of 6.33 among five methods."""
    board = board_of(
        [
            *suite(METHODS, TASKS),
            *of_backbone('ViT-B/16', suite(METHODS[:4], TASKS[2:])),
        ]
    )
    tables = {table.backbone: table for table in rank_tables(board)}
    assert {b: len(t.rankings) for b, t in tables.items()} == {
        'ResNet-18': 5,
        'ViT-B/16': 4,
    }
    for table in tables.values():
        for found in table.rankings:
            values = [*found.ranks.values(), found.average, *found.interval]
            assert 1 <= min(values) <= max(values) <= len(table.rankings)
    assert len(page_data(board)['ranks']) == 2
    titles = [grid.title for grid in grids(board)]
    assert titles[-2:] == [
        'Average rank over tasks, ResNet-18',
        'Average rank over tasks, ViT-B/16',
    ]


def test_only_a_common_set_of_tasks():
    records = [
        *suite(METHODS, TASKS[1:]),
        *suite([('BYOL', '', 50.0)], TASKS[:2]),
    ]
    [table] = rank_tables(board_of(records))
    assert table.tasks == TASKS[1:]
    assert {len(found.ranks) for found in table.rankings} == {3}
    assert table.left_out == [
        'BYOL [ResNet-18, IN1K, 200 epochs]: no two seeds of this protocol on '
        'mini_seg_fcn, mini_knn'
    ]


def test_single_runs_are_not_ranked():
    """The demo's page ranked random initialisation above MoCo v2."""
    assert rank_tables(board_of(suite(METHODS, TASKS, [0]))) == []
    mixed = [*suite(METHODS, TASKS), *suite([('BYOL', '', 90.0)], TASKS, [0])]
    [table] = rank_tables(board_of(mixed))
    assert 'BYOL' not in {found.name for found in table.rankings}
    assert len(table.left_out) == 1


def test_one_task_has_no_average():
    assert rank_tables(board_of(suite(METHODS, TASKS[:1]))) == []


def test_lower_is_better_is_ranked_so():
    records = [
        make_record(name, '', task, seed, {metric: value + seed / 10})
        for name, error, value in (('a', 50.0, 60.0), ('b', 60.0, 50.0))
        for task, metric, value in (
            ('in_c', 'mCE', error),
            ('mini_knn', 'top1', value),
        )
        for seed in range(2)
    ]
    for record in records:
        record['backbone'] = 'ResNet-50'
    [table] = rank_tables(board_of(records))
    assert [(r.name, r.average) for r in table.rankings] == [
        ('a', 1),
        ('b', 2),
    ]


def test_intervals_are_repeatable_and_wider_for_less():
    """Two close methods, two or ten seeds."""

    def width(seeds):
        dice = random.Random(0)
        records = [
            make_record(
                name, '', task, seed, {metric: 50 + gain + dice.gauss(0, 1)}
            )
            for name, gain in (('a', 0.0), ('b', 1.0), ('c', 5.0))
            for task, metric in (
                ('mini_knn', 'top1'),
                ('mini_seg_fcn', 'mIoU'),
            )
            for seed in range(seeds)
        ]
        first, second = (rank_tables(board_of(records)) for _ in range(2))
        assert first == second
        return sum(r.interval[1] - r.interval[0] for r in first[0].rankings)

    assert width(2) > width(10) > 0


def test_an_interval_by_the_chance_that_two_change_places():
    """a above b on both tasks: by how the t distributions overlap."""
    shift = 1.5
    records = [
        make_record(name, '', task, seed, {metric: 50 + gain + value})
        for name, gain in (('a', shift), ('b', 0.0))
        for task, metric in (('mini_knn', 'top1'), ('mini_seg_fcn', 'mIoU'))
        for seed, value in enumerate((-1.0, 0.0, 1.0))
    ]
    [table] = rank_tables(board_of(records))
    dice = np.random.default_rng(1)
    a, b = dice.standard_t(2, (2, 200_000)) / 3**0.5
    changed = np.mean(a + shift < b)  # on one task
    assert 0.05 < changed < 0.3
    best = table.rankings[0]
    assert (best.name, best.average) == ('a', 1)
    both = changed**2  # the average is then 2, else 1.5 or 1
    assert best.interval == (1.0, 2.0 if both > 0.025 else 1.5)


@pytest.mark.parametrize('seed', range(5))
def test_rank_equals_scipy(seed):
    dice = np.random.default_rng(seed)
    values = dice.integers(0, 5, (4, 7)).astype(float)
    assert rank(values).tolist() == [
        scipy.stats.rankdata(row).tolist() for row in values
    ]


def exact_critical(methods, tasks):
    """By every order of the ranks; the first task's order is free."""
    orders = [np.array(o) for o in itertools.permutations(range(methods))]
    spans = []
    for chosen in itertools.product(orders, repeat=tasks - 1):
        total = np.arange(methods) + sum(chosen)
        spans.append(total.max() - total.min())
    spans = np.array(spans)
    for span in np.unique(spans):
        if np.mean(spans >= span) <= 0.05:
            return span / tasks
    return None


@pytest.mark.parametrize(
    'methods, tasks',
    [(2, 4), (2, 6), (2, 9), (3, 2), (3, 3), (3, 5), (4, 3), (5, 2)],
)
def test_critical_difference_equals_all_orders(methods, tasks):
    assert critical_difference(methods, tasks) == exact_critical(
        methods, tasks
    )


def test_four_wins_of_four_are_not_enough():
    """The normal approximation says 0.98, though p is 1/8."""
    assert critical_difference(2, 4) is None
    assert critical_difference(2, 6) == 1  # p is 1/32


def test_random_orders_equal_all_orders(monkeypatch):
    """Where there are too many orders to go through."""
    exact = {(k, n): critical_difference(k, n) for k, n in ((3, 5), (4, 3))}
    monkeypatch.setattr(math, 'factorial', lambda n: 10**9)
    found = {(k, n): critical_difference(k, n) for k, n in exact}
    assert found == exact


@pytest.mark.parametrize('methods, tasks', [(4, 30), (7, 20)])
def test_with_many_tasks_it_is_demsars(methods, tasks):
    """Nemenyi's q(0.05) * sqrt(k (k + 1) / 6 N), q of Demsar's Table 5."""
    q = {4: 2.569, 7: 2.949}[methods]
    expected = q * (methods * (methods + 1) / 6 / tasks) ** 0.5
    found = critical_difference(methods, tasks)
    assert found == pytest.approx(expected, abs=1.5 / tasks)


def test_letters_by_hand():
    assert letter_groups([1.0, 2.0, 3.0], 2.0) == ['a', 'ab', 'b']
    assert letter_groups([1.0, 2.0, 3.0], None) == ['a', 'a', 'a']
    assert letter_groups([1.0, 2.0, 4.0, 4.5], 1.5) == ['a', 'a', 'b', 'b']
    assert letter_groups([1.0, 3.0, 5.0], 1.0) == ['a', 'b', 'c']
    assert len(set(letter_groups([float(i) for i in range(60)], 0.5))) == 60


def test_the_table_says_it_in_words():
    found = grids(board_of(suite(METHODS[:3], TASKS[2:])))[-1]
    assert 'no difference of average ranks is enough' in found.notes[0]
    assert {row[3][0].text for row in found.body} == {'a'}
    found = grids(board_of(suite(METHODS, TASKS)))[-1]
    critical = critical_difference(5, 4)
    assert f'differ by {critical:.2f} or more' in found.notes[0]
    assert found.body[0][3][0].text == 'a'
    assert 'a' not in found.body[-1][3][0].text
