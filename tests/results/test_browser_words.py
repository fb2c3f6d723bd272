"""Words and signs of the page that a reader takes literally."""

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.record import Stored
from tests.results.browsing import js, open_board
from tests.results.factory import METHODS, suite

pytestmark = pytest.mark.slow

TASKS = ['mini_knn', 'mini_seg_fcn']


def board_of(records, **options):
    stored = [
        Stored(record, f'{i}/result.json') for i, record in enumerate(records)
    ]
    return build(stored, published='none', **options)


def test_a_backbone_counts_once_however_it_is_trained(browser, tmp_path):
    records = list(suite(METHODS, TASKS))
    for record in suite(METHODS, TASKS):
        record['trained'] = 'frozen'
        record['run_id'] += '.frozen'
        records.append(record)
    board = board_of(records)
    open_board(browser, tmp_path / 'page.html', board)
    text = js(browser, 'return document.getElementById("facts").textContent')
    assert text.startswith('1 backbone · ')
