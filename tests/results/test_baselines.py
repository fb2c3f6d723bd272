"""The row that the page compares with first."""

from ssl_bench.results.baselines import baselines
from ssl_bench.results.board import build
from ssl_bench.results.columns import Columns
from ssl_bench.results.record import Stored
from tests.results.factory import METHODS, make_record, suite

ALONE = ['mini_depth', 'mini_linseg', 'mini_linear', 'in_c', 'mini_spair']


def choices(records):
    stored = [
        Stored(record, f'{i}/result.json') for i, record in enumerate(records)
    ]
    board = build(stored, published='none')
    return [b.name for b in baselines(board, Columns(board).rows)]


def lonely(method):
    """More rows than others have, and none that is compared."""
    for task in ALONE:
        yield make_record(method, task=task, metrics={'score': 1.0})


def test_the_first_choice_is_one_that_others_are_compared_with():
    both = list(suite(METHODS[2:], ['mini_knn', 'mini_seg_fcn']))
    for method in ('BYOL', 'Random init'):
        found = choices([*both, *lonely(method)])
        assert found[-1] == method
        assert found[0] != method


def test_a_control_is_first_where_it_is_compared():
    records = suite(METHODS, ['mini_knn'])
    assert choices([*records, *lonely('BYOL')])[0] == 'Random init'


def test_a_method_alone_is_the_choice():
    assert choices([make_record(seed=seed) for seed in (0, 1)]) == ['MoCo v2']
