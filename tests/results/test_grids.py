"""Tables: cells, papers' tables, Markdown, LaTeX, terminal."""

import io

import pytest
from rich.console import Console

from ssl_bench.errors import UserError
from ssl_bench.results.board import build
from ssl_bench.results.grid import Grid, Part, grids, task_grid
from ssl_bench.results.latex import escape_latex, grid_to_latex, to_latex
from ssl_bench.results.markup import escape_markdown, to_markdown
from ssl_bench.results.papers import PAPERS, paper_grids
from ssl_bench.results.published import published
from ssl_bench.results.record import Problem
from ssl_bench.results.terminal import split, to_rich
from ssl_bench.results.wording import comparison
from tests.results.factory import METHODS, make_record, sha, suite
from tests.results.test_board import stored

EVIL = 'A|B*_<script>&%$#{}~^\\'


@pytest.fixture(scope='module')
def board():
    return build(
        stored(
            *suite(METHODS, ['voc0712_det_c4', 'mini_knn', 'mini_seg_fcn'])
        ),
        published='own',
        baseline='MoCo v2',
    )


def texts(cell):
    return [part.text for part in cell]


def test_cells_of_a_task(board):
    grid = task_grid(board, 'voc0712_det_c4')
    assert grid.heads == [
        'method',
        'epochs',
        'n',
        'box AP',
        'box AP50',
        'box AP75',
    ]
    rows = {row[0][0].text: row for row in grid.body}
    assert list(rows) == [
        'InsLoc (FPN)',
        'PixPro',
        'MoCo v2',
        'Supervised',
        'Random init',
    ]
    assert texts(rows['MoCo v2'][3]) == [
        '56.9 ± 0.1',
        '[56.5, 57.2], n=3',
        'publ. 57.0 (-0.1 =)',
    ]
    assert rows['InsLoc (FPN)'][3][0].kind == 'best'
    assert rows['Random init'][3][0].kind == 'measured'
    found = next(
        r for r in board.rows if r.method == 'PixPro' and r.metric == 'bbox_AP'
    ).difference
    assert texts(rows['PixPro'][3])[-1] == f'Δ {comparison(found, 1)}'
    assert texts(rows['Random init'][1]) == ['']


def test_secondary_metrics_stay_in_the_files():
    board = build(
        stored(
            make_record(metrics={'top1': 40.0, 'top1_k5': 39.0}),
            make_record(task='mini_new', metrics={'top1_k5': 1.0, 'mAP': 2.0}),
        )
    )
    assert task_grid(board, 'mini_knn').heads[3:] == ['top1']
    assert task_grid(board, 'mini_new').heads[3:] == ['mAP', 'top1 k5']
    assert len(board.rows) == 4


def test_printed_rows_name_their_paper():
    board = build(stored(make_record(task='voc0712_det_c4')))
    names = [texts(row[0]) for row in task_grid(board, 'voc0712_det_c4').body]
    assert ['MoCo v2'] in names
    assert ['PixPro', 'in PixPro'] in names and len(names) > 60


def test_rank_table_and_legends(board):
    found = grids(board)
    assert [grid.title for grid in found] == [
        'VOC07+12 detection, C4 (voc0712_det_c4)',
        'Mini FCN segmentation (mini_seg_fcn)',
        'Mini kNN (mini_knn)',
        'Average rank over tasks, ResNet-18',
    ]
    assert found[-1].heads == [
        'method',
        'epochs',
        'rank',
        'group',
        'Mini FCN segmentation',
        'Mini kNN',
    ]
    assert texts(found[-1].body[-1][2]) == ['5.00', '[5.00, 5.00]']
    assert any('MoCo v2' in note for note in found[-1].notes)


@pytest.mark.parametrize('name', sorted(PAPERS))
def test_every_printed_number_of_a_paper_is_in_its_tables_once(name):
    board = build(stored(make_record()))
    cells = [
        part.text
        for grid in paper_grids(name, board)
        for row in grid.body
        for cell in row[2:]
        for part in cell
    ]
    expected = [
        row
        for row in published()
        if row.reported_in == PAPERS[name].reported_in
    ]
    assert len(cells) == len(expected) > 10
    assert sorted(float(c.rstrip('?')) for c in cells) == sorted(
        row.value for row in expected
    )
    assert sum(c.endswith('?') for c in cells) == sum(
        not row.verified for row in expected
    )


@pytest.mark.parametrize(
    'name, table, order',
    [
        (
            'pixpro',
            0,
            [
                'Random init',
                'Supervised (MSRA)',
                'MoCo v1',
                'SimCLR',
                'MoCo v2',
                'InfoMin',
                'InfoMin',
                'PixPro',
                'PixPro',
            ],
        ),
        (
            'insloc',
            1,
            ['MoCo v2', 'MoCo v2', 'InsLoc (C4 model)', 'InsLoc (C4 model)'],
        ),
        ('siamese_im', 1, ['MoCo v3', 'MAE', 'SiameseIM']),
        (
            'lewel',
            0,
            ['LEWEL (B (EMAN))', 'LEWEL (B (EMAN))', 'LEWEL (B (SyncBN))'],
        ),
        (
            'barlow_twins',
            0,
            [
                'Supervised',
                'MoCo v1',
                'PIRL',
                'SimCLR',
                'MoCo v2',
                'SimSiam',
                'SwAV (w/o multi-crop)',
                'BYOL',
                'SwAV (multi-crop)',
                'Barlow Twins',
                'Barlow Twins (ablation baseline)',
            ],
        ),
        (
            'barlow_twins',
            3,
            [
                'Supervised (MSRA)',
                'MoCo v2',
                'SwAV',
                'SimSiam',
                'Barlow Twins',
            ],
        ),
    ],
)
def test_rows_are_in_the_papers_order(name, table, order):
    grid = paper_grids(name, build(stored(make_record())))[table]
    assert [texts(row[0])[0] for row in grid.body] == order


def test_reproduced_number_is_below_the_printed():
    board = build(
        stored(
            *(
                make_record(
                    'InsLoc',
                    'C4',
                    'coco_mrcnn_c4_1x',
                    seed,
                    {'bbox_AP': 39.4 + seed / 10},
                )
                for seed in (0, 1)
            )
        )
    )
    row = next(
        row
        for row in paper_grids('insloc', board)[1].body
        if texts(row[0]) == ['InsLoc (C4 model)'] and texts(row[1]) == ['200']
    )
    # 39.45 is 39.5 and -0.05 is -0.1: halves go away from zero
    assert texts(row[2]) == [
        '39.5',
        'ours 39.5 ± 0.1 (-0.1 =)',
        '[38.8, 40.1], n=2',
    ]
    assert texts(row[5]) == ['34.5']  # mask AP was not measured


def test_the_tables_of_a_paper_have_all_runs_and_the_baseline():
    """Two settings of one method are two lines: never the best one alone."""
    runs = [
        make_record(
            method,
            '',
            'coco_mrcnn_fpn_1x',
            seed,
            {'bbox_AP': base + seed / 10},
            epochs=epochs,
            config_sha256=sha(config),
            run_id=f'{method}{config}{seed}',
        )
        for method, config, base, epochs in (
            ('PixPro', 'a', 41.0, 100),
            ('PixPro', 'b', 38.0, 100),
            ('MoCo v1', 'a', 39.05, 200),
        )
        for seed in (0, 1)
    ]
    runs[4]['metrics']['bbox_AP'] -= 0.01
    grid = paper_grids('pixpro', build(stored(*runs), baseline='MoCo v1'))
    cell = next(
        row[2]
        for row in grid[1].body
        if texts(row[0]) == ['PixPro'] and texts(row[1]) == ['100']
    )
    assert texts(cell) == [
        '40.8',
        'ours 41.1 ± 0.1 (+0.3 =)',
        '[40.4, 41.7], n=2',
        'Δ better by 2.0 [1.9, 2.0], n=2',
        'ours 38.1 ± 0.1 (-2.8 ≠)',
        '[37.4, 38.7], n=2',
    ]
    assert cell[1].kind == 'best' and cell[4].kind == 'measured'
    assert any(
        note.startswith('Δ: against MoCo v1') for note in grid[-1].notes
    )


def test_unknown_paper():
    with pytest.raises(UserError, match='Did you mean pixpro'):
        paper_grids('pixpor', build(stored(make_record())))


def test_markdown(board):
    text = to_markdown(grids(board), [Problem('a|b', '<i>', ('x.json',))])
    table = text.split('\n\n')[1].splitlines()
    assert table[1] == '| :-- | --: | --: | --: | --: | --: |'
    assert {line.count('|') for line in table} == {7}
    assert table[2].startswith('| InsLoc (FPN) | 200 | 3 | **58.')
    assert '<br>publ. 57.0 (' in text
    assert '- a\\|b: &lt;i&gt; (x.json)' in text


def test_a_terminal_obeys_no_name():
    part = Part('a\x1b[31mb\x00 ± →', 'name')
    assert part.text == 'a\\x1b[31mb\\x00 ± →'


def test_names_stay_text_in_markup():
    assert escape_markdown(EVIL) == (
        'A\\|B\\*\\_&lt;script&gt;&amp;%\\$#{}\\~^\\\\'
    )
    assert escape_latex(EVIL) == (
        r'A\textbar{}B{*}\_\textless{}script\textgreater{}\&\%\$\#\{\}'
        r'\textasciitilde{}\textasciicircum{}\textbackslash{}'
    )
    assert escape_markdown('a\nb') == escape_latex('a\nb') == 'a b'
    assert escape_latex('[a]') == '{[}a]'  # no length of a line break
    assert escape_latex('*a') == '{*}a'  # nor its star, which would be lost


def balanced(text):
    text = text.replace(r'\\', '').replace(r'\{', '').replace(r'\}', '')
    return text.count('{') == text.count('}')


def test_latex(board):
    text = to_latex(grids(board), [Problem('kind', 'what\nelse')])
    assert text.count(r'\begin{table}') == text.count(r'\end{table}') == 4
    assert text.count(r'\begin{tabular}') == text.count(r'\end{tabular}')
    assert '% kind: what else' in text and balanced(text)
    assert r'58.5 $\pm$ 0.2' in text
    for line in text.splitlines():
        if line.endswith(r'\\') and not line.startswith(r'\midrule'):
            inner = line.replace(r'\&', '')
            assert inner.count('&') in (3, 4, 5)


def test_latex_lines_of_names_are_on_the_left_and_notes_are_sentences():
    cell = [Part('one'), Part('two')]
    grid = Grid('t', ['a', 'b'], [[cell, cell]], notes=['One.', 'Two.'])
    text = grid_to_latex(grid)
    left, right = text.split('one')[:2]
    assert left.endswith('{@{}l@{}}') and right.endswith('{@{}r@{}}')
    assert r'\caption{t}' in text
    assert r'{\footnotesize One. Two.}' in text
    assert 'footnotesize' not in grid_to_latex(Grid('t', ['a'], [[cell]]))


def test_wide_latex_is_scaled():
    cell = [Part('57.0 ± 0.2')]
    narrow = Grid('t', ['h'] * 6, [[cell] * 6])
    wide = Grid('t', ['h'] * 7, [[cell] * 7])
    wider = Grid('t', ['h'] * 20, [[cell] * 20])
    assert r'\resizebox' not in grid_to_latex(narrow)
    assert r'\resizebox' in grid_to_latex(wide)
    assert balanced(grid_to_latex(wide))
    # no more than is readable
    assert grid_to_latex(wider).count(r'\begin{table}') == 3
    assert r'\caption{t (3 of 3)}' in grid_to_latex(wider)


def shown(grid, width):
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    console.print(to_rich(grid, width))
    return file.getvalue()


@pytest.mark.parametrize('width', [60, 80, 200])
def test_terminal_never_cuts_a_number(width):
    board = build(stored(*suite(METHODS, ['mini_coco_mrcnn_fpn'])))
    grid = task_grid(board, 'mini_coco_mrcnn_fpn')
    text = shown(grid, width)
    for row in grid.body:
        for cell in row:
            for part in cell:
                assert part.text in text
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize('width', [60, 80])
def test_terminal_folds_long_names_and_no_number(width):
    # a depth table: a long heading, and remarks below a name
    name = [
        Part('MoCo v2'),
        *(Part(f'train_cfg.option_{i}=10' * 2) for i in 'ab'),
    ]
    value = [Part('1.330 ± 0.010'), Part('[1.305, 1.355], n=3')]
    heads = ['method', 'backbone', 'epochs', 'n', 'RMSE in metres (lower)']
    row = [name, [Part('resnet18-w16')], [Part('10')], [Part('3')], value]
    grid = Grid('t', heads, [row], names=2, keys=3)
    text = shown(grid, width)
    for part in ('resnet18-w16', *(part.text for part in value)):
        assert part in text
    assert all(len(line) <= width for line in text.splitlines())
    if width == 80:
        assert len(split(grid, width)) == 1
        assert 'RMSE in metres' in text


def test_terminal_splits_evenly():
    board = build(stored(*suite(METHODS, ['mini_coco_mrcnn_fpn'])))
    grid = task_grid(board, 'mini_coco_mrcnn_fpn')
    assert split(grid, 200) == [list(range(9))]
    parts = split(grid, 100)
    assert [part[:2] for part in parts] == [[0, 1]] * len(parts)  # epochs
    lengths = [len(part) for part in parts]
    assert len(parts) > 1 and max(lengths) - min(lengths) < 2
    assert sorted({i for part in parts for i in part}) == list(range(9))
    paper = paper_grids('insloc', board)[0]
    assert {tuple(part[:2]) for part in split(paper, 40)} == {(0, 1)}


def test_terminal_shows_markup_as_text():
    grid = Grid('[bold]t', ['[red]h'], [[[Part('[link=x]name', 'name')]]])
    assert '[link=x]name' in shown(grid, 80)
    assert '[red]h' in shown(grid, 80) and '[bold]t' in shown(grid, 80)
