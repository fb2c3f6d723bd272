"""Numbers have the same digits on the terminal, the page and in markup."""

import re
from types import SimpleNamespace

import pytest

from ssl_bench.cli.transfer import summary
from ssl_bench.results import rounding
from ssl_bench.results.board import build
from ssl_bench.results.charts import specifications
from ssl_bench.results.grid import task_grid
from ssl_bench.results.latex import grid_to_latex
from ssl_bench.results.markup import grid_to_markdown
from ssl_bench.results.page_data import page_data
from ssl_bench.results.report import PAGE, SCRIPTS
from ssl_bench.results.text_formats import to_csv
from tests.results.factory import make_record
from tests.results.test_board import stored


def test_digits():
    assert rounding.fixed(57.249999, 1) == '57.2'
    assert rounding.fixed(57.25, 1) == '57.3'  # as a reader rounds the CSV
    assert (
        rounding.fixed(17.25, 1)
        == rounding.fixed(17.249999999999996, 1)
        == '17.3'
    )
    assert rounding.fixed(17.35, 1) == '17.4'
    assert rounding.fixed(0.05, 1) == '0.1'
    assert rounding.fixed(-17.25, 1) == '-17.3'
    assert rounding.fixed(1e300, 1).startswith('1000')
    assert rounding.fixed(2.675, 2) == '2.68'  # 2.67499.. in binary
    assert rounding.probability(0.0312) == '0.031'
    assert rounding.probability(1e-9) == '< 0.001'
    assert rounding.signed(0.26, 1) == '+0.3'
    assert rounding.signed(-0.04, 1) == '-0.0'
    assert rounding.signed(-1.25, 1) == '-1.3'
    assert rounding.spread(57.3, None, 1) == '57.3'
    assert rounding.spread(57.3, 0.25, 1) == '57.3 ± 0.3'
    assert rounding.bounds((56.64, 57.96), 1) == '[56.6, 58.0]'
    assert rounding.signed_bounds((-1.44, -0.02), 1) == '[-1.4, -0.0]'
    assert rounding.rank_bounds((1, 2.255)) == '[1.00, 2.26]'
    assert rounding.as_rank(2.0) == '2' and rounding.as_rank(2.5) == '2.5'
    assert rounding.rank(1.75) == '1.75' and rounding.rank(2) == '2.00'
    assert rounding.as_printed(57.0, 1) == '57.0'
    assert rounding.as_printed(0.35, 3) == '0.350'
    assert rounding.as_printed(39.82, 1) == '39.82'
    assert rounding.short(12996.2) == '12996' and rounding.short(3) == '3'
    assert rounding.short(3.61249) == '3.612'
    assert rounding.short(2.0625) == '2.063'
    assert rounding.short(1000.5) == '1001'
    assert rounding.short(0.00012) == '0.00012'
    assert rounding.signed(-0.0, 1) == '+0.0'


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
                    metrics={'bbox_AP': 58.5 + seed / 4 + seed % 2 / 8},
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
        '57.3 ± 0.3',
        '[56.6, 57.9], n=3',
        'publ. 57.0 (+0.3 =)',
    ]
    assert r'57.3 ± 0.3<br>\[56.6, 57.9\], n=3<br>publ. 57.0 (+0.3 =)' in (
        grid_to_markdown(grid)
    )
    assert r'57.3 $\pm$ 0.3' in grid_to_latex(grid)
    assert (moco['text']['mean'], moco['text']['std']) == ('57.3', '0.3')
    assert (moco['text']['delta'], moco['text']['mark']) == ('+0.3', '=')
    assert moco['published'][0]['text'] == '57.0'
    assert moco['text']['interval'] == '[56.6, 57.9], n=3'
    assert [v['text'] for v in moco['values']] == ['57.0', '57.3', '57.5']
    found = 'better by 1.5 [1.4, 1.7], n=3'  # 1.5417 -/+ 0.1793
    assert insloc['text']['difference'] == found
    assert grid.body[0][3][-1].text == f'Δ {found}'
    record = board.rows[1].records[1].record
    said = 'bbox_AP 57.3 (published 57.0: +0.3, tolerance 0.5; undecided: one '
    assert said in summary(
        SimpleNamespace(record=record, folder='x', fresh=True, retested=None)
    )
    assert '57.25,0.25,3,57,0.25,' in to_csv(board)  # files: every digit


# where scripts round, or leave out a sign, to place or to tint something
PLACED = {
    'plots.js': {'Math.abs(plot.width - target.clientWidth)'},
    'sections/overview.js': {'Math.abs(its.difference)'},
    'sections/tasks.js': {'Math.round(width / 75)'},
}


def test_the_page_rounds_and_compares_nothing():
    scripts = {name: (PAGE / name).read_text() for name in SCRIPTS}
    for name, text in scripts.items():
        for word in ('toFixed', 'toPrecision'):
            assert word not in text, (name, word)
        # of pixels, ticks and tints only: a shown number comes as a text
        found = set(re.findall(r'Math\.(?:round|abs)\([^)]*\)', text))
        assert found == PLACED.get(name, set()), name
        # shown, never compared
        assert text.count('.tolerance') == (name == 'panel.js')
        assert 'p_holm' not in text and 'published_value' not in text
        # a format of d3 rounds, too
        assert 'toLocaleString' not in text and 'NumberFormat' not in text


def test_charts_round_no_number_of_a_method():
    """Formats are for axes and for the numbers of logs only."""
    for name, spec in specifications().items():
        for layer in spec['layer']:
            for shown in layer['encoding'].get('tooltip', []):
                if 'format' in shown:
                    assert (name, shown['field']) == ('curves', 'value')
