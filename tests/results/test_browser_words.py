"""Words and signs of the page that a reader takes literally."""

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.record import Stored
from tests.results import pages
from tests.results.browsing import js, open_board, open_page
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


@pytest.mark.parametrize('name', ['printed', 'missing'])
def test_commands_of_missing_runs_are_in_sight(browser, tmp_path, name):
    """Hashes of 64 letters pushed them and their buttons out of a phone."""
    path = tmp_path / 'page.html'
    open_board(browser, path, pages.board(name))
    open_page(browser, path, 390)
    right = js(
        browser,
        'return [...document.querySelectorAll("#gaps code, #gaps small, '
        '#gaps button")].map(e => e.getBoundingClientRect().right)',
    )
    assert len(right) > 3 and max(right) <= 390


def test_keys_are_of_what_is_there(browser, tmp_path):
    for name in ('alone', 'plain', 'printed'):
        open_board(browser, tmp_path / 'page.html', pages.board(name))
        shown = js(
            browser,
            'return ["m-baseline", "matrix-legend", "printed-key"].map('
            'id => document.getElementById(id)).map('
            'e => e.checkVisibility() && e.innerText !== "")',
        )
        assert shown == [name != 'alone', name != 'alone', name == 'printed']


def test_words_of_headings_are_whole(browser, tmp_path):
    path = tmp_path / 'page.html'
    open_board(browser, path, pages.board('names'))
    for width in (1280, 390):
        open_page(browser, path, width)
        tall = js(
            browser,
            'return [...document.querySelectorAll("#matrix thead .title")]'
            '.find(e => e.title === "Mini FCN segmentation").clientHeight',
        )
        assert tall < 45  # two lines


def test_nothing_to_compare_is_said_on_one_line(browser, tmp_path):
    open_board(browser, tmp_path / 'page.html', pages.board('alone'))
    height = js(
        browser,
        'return document.querySelector("#verdict-list li").clientHeight',
    )
    assert 0 < height < 30
