"""Numbers have the same digits on the terminal, the page and in markup."""

from types import SimpleNamespace

import pytest

from ssl_bench.cli.transfer import summary
from ssl_bench.results import rounding
from ssl_bench.results.board import build
from ssl_bench.results.grid import task_grid
from ssl_bench.results.markup import grid_to_latex, grid_to_markdown
from ssl_bench.results.report import PAGE, SCRIPTS, page_data
from ssl_bench.results.text_formats import to_csv
from tests.results.factory import make_record
from tests.results.test_board import stored


def test_digits():
    assert rounding.value(57.249999) == '57.2'
    assert rounding.value(57.25) == '57.2'  # JavaScript would say 57.3
    assert rounding.signed(0.26) == '+0.3'
    assert rounding.signed(-0.04) == '-0.0'
    assert rounding.signed(-1.25) == '-1.2'
    assert rounding.spread(57.3, None) == '57.3'
    assert rounding.spread(57.3, 0.25) == '57.3 ± 0.2'
    assert rounding.bounds((56.64, 57.96)) == '56.6 to 58.0'
    assert rounding.signed_bounds((-1.44, -0.02)) == '-1.4 to -0.0'
    assert rounding.rank(1.75) == '1.75' and rounding.rank(2) == '2.00'
    assert rounding.as_printed(57.0) == '57.0'
    assert rounding.as_printed(39.82) == '39.82'
    assert rounding.short(12996.2) == '12996' and rounding.short(3) == '3'
    assert rounding.short(3.61249) == '3.612'


@pytest.fixture
def board():
    """A mean of 57.25 and a deviation of 0.25 in binary, exactly."""
    return build(
        stored(
            *(
                make_record(
                    task='voc0712_det_c4',
                    seed=seed,
                    metrics={'bbox_AP': 57.0 + seed / 4},
                )
                for seed in range(3)
            ),
            *(
                make_record(
                    'InsLoc',
                    task='voc0712_det_c4',
                    seed=seed,
                    metrics={'bbox_AP': 58.5 + seed / 4},
                )
                for seed in range(3)
            ),
        ),
        published='own',
        baseline='MoCo v2',
    )


def test_every_place_shows_the_same_digits(board):
    grid = task_grid(board, 'voc0712_det_c4')
    data = page_data(board)
    insloc, moco = data['rows']
    assert [part.text for part in grid.body[1][3]] == [
        '57.2 ± 0.2',
        'publ. 57.0 (+0.2 =)',
    ]
    assert '57.2 ± 0.2<br>publ. 57.0 (+0.2 =)' in grid_to_markdown(grid)
    assert r'57.2 $\pm$ 0.2' in grid_to_latex(grid)
    assert (moco['text']['mean'], moco['text']['std']) == ('57.2', '0.2')
    assert (moco['text']['delta'], moco['text']['mark']) == ('+0.2', '=')
    assert moco['published'][0]['text'] == '57.0'
    assert moco['text']['interval'] == '56.6 to 57.9'
    assert [v['text'] for v in moco['values']] == ['57.0', '57.2', '57.5']
    assert insloc['text']['difference'] == '+1.5 ± 0.0'
    assert grid.body[0][3][-1].text == 'Δ +1.5 ± 0.0'
    assert [rank['text'] for rank in data['ranks']] == ['1.00', '2.00']
    record = board.rows[1].records[1].record
    assert 'bbox_AP 57.2 (published 57.0: reproduced)' in summary(
        SimpleNamespace(record=record, folder='x', fresh=True, retested=None)
    )
    assert '57.25,0.25,3,57,0.25,' in to_csv(board)  # files: every digit


def test_the_page_rounds_and_compares_nothing():
    scripts = {name: (PAGE / name).read_text() for name in SCRIPTS}
    for name, text in scripts.items():
        for word in ('toFixed', 'toPrecision', 'Math.round', 'Math.abs'):
            assert word not in text, (name, word)
        # shown, never compared
        assert text.count('.tolerance') == (name == 'panel.js')
        assert 'within_noise' not in text and 'published_value' not in text
