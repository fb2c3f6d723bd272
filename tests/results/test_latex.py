"""LaTeX tables by their structure: they compile, fit a page, have labels."""

import re

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.grid import SECTION, Grid, Part, grids
from ssl_bench.results.latex import (
    GAP,
    LINE,
    PAGE,
    SMALLEST,
    escape_latex,
    grid_to_latex,
    slug,
    to_latex,
)
from ssl_bench.results.matrix_grid import combined
from ssl_bench.results.papers import PAPERS, paper_grids
from ssl_bench.results.wrapping import cells
from tests.results import pages
from tests.results.factory import METHODS, METRICS, suite
from tests.results.test_board import stored

TABLE = re.compile(r'\\begin\{table\}.*?\\end\{table\}', re.DOTALL)
INNER = re.compile(
    r'\\begin\{tabular\}\[t\]\{@\{\}[lr]@\{\}\}(.*?)\\end\{tabular\}'
)
LINES_ON_A_PAGE = 55  # of 10 pt on letter paper


def plain(text):
    """About what is seen of a cell."""
    text = re.sub(r'\\(textbf|textit|footnotesize)\b', '', text)
    text = re.sub(r'\\text[a-z]+\{\}', 'x', text)
    text = re.sub(r'\$\\[a-z]+\$|\\dag\{\}', 'x', text)
    text = re.sub(r'\\([&%$#_{}])', r'\1', text)
    return re.sub(r'(?<!\\)[{}]', '', text).strip()


def check(text):
    """Every table is whole; the widths and heights of what is seen."""
    tables = TABLE.findall(text)
    assert len(tables) == text.count(r'\begin{table}') > 0
    labels = re.findall(r'\\label\{(tab:[^}]*)\}', text)
    assert len(labels) == len(set(labels)) == len(tables)
    for table in tables:
        assert table.count(r'\caption{') == table.count(r'\label{') == 1
        assert table.index(r'\caption{') < table.index(r'\label{')
        for kind in ('tabular', 'table'):
            begins = len(re.findall(rf'\\begin\{{{kind}\}}', table))
            assert begins == table.count(rf'\end{{{kind}}}')
        bare = re.sub(r'\\[\\{}]', '', table)
        assert bare.count('{') == bare.count('}')
        rules = [table.count(rf'\{x}rule') for x in ('top', 'bottom')]
        assert rules == [1, 1]
        check_body(table)
    return tables


def check_body(table):
    sides = re.search(r'\\begin\{tabular\}\{([lr]+)\}', table)[1]
    body = table.split(r'\toprule')[1].split(r'\bottomrule')[0]
    widths, height = [0] * len(sides), 0
    for line in body.strip().splitlines():
        if line == r'\midrule':
            continue
        assert line.endswith(r' \\')
        found = INNER.sub(lambda m: m[1].replace(r'\\', '\n'), line[:-3])
        if line.startswith(r'\multicolumn'):
            assert line.startswith(rf'\multicolumn{{{len(sides)}}}{{l}}')
            height += 1
            continue
        row = re.split(r'(?<!\\)&', found)
        assert len(row) == len(sides)  # as many cells as columns
        height += max(cell.count('\n') + 1 for cell in row)
        for i, cell in enumerate(row):
            small = 0.8 if 'footnotesize' in cell else 1
            for part in cell.split('\n'):
                width = cells(plain(part)) * small
                widths[i] = max(widths[i], width)
    width = sum(widths) + GAP * len(sides)
    scaled = r'\resizebox{\linewidth}{!}{%' in table
    assert scaled or width < LINE * 1.05
    assert width < LINE / SMALLEST * 1.1 or len(sides) <= 3
    notes = sum(map(len, re.findall(r'\\parbox.*', table))) / 90
    assert height + notes + 4 < LINES_ON_A_PAGE + 6


@pytest.mark.parametrize('name', [*pages.RECORDS])
def test_tables_are_whole_and_fit_a_page(name):
    board = pages.board(name)
    if name.startswith('many'):
        check(to_latex([combined(board)], board.problems))
    else:
        check(to_latex([combined(board), *grids(board)], board.problems))


@pytest.mark.parametrize('paper', sorted(PAPERS))
def test_tables_of_papers_fit_a_page(paper):
    board = pages.board('printed')
    check(to_latex(paper_grids(paper, board), []))


def test_a_long_table_has_its_head_and_its_section_on_each_page():
    rows = [[[Part(f'M{i}', 'name')], [Part(f'{i}.0')]] for i in range(80)]
    section = [[Part('ResNet-50', SECTION)], []]
    tables = check(grid_to_latex(Grid('t', ['a', 'b'], [section, *rows])))
    assert len(tables) == 3
    for i, table in enumerate(tables):
        assert rf'\caption{{t ({i + 1} of 3)}}' in table
        assert r'\multicolumn{2}{l}{\textit{ResNet-50}} \\' in table
        assert 'a & b' in table and table.count(' & ') <= PAGE + 1
    shown = re.findall(r'M(\d+) & \1\.0 ', '\n'.join(tables))
    assert shown == [str(i) for i in range(80)]


def test_a_piece_has_only_rows_with_numbers():
    """Two networks with other tasks gave pages of minus signs."""
    board = build(stored(*suite(METHODS, METRICS)), published='none')
    tables = check(grid_to_latex(combined(board)))
    assert len(tables) == 2
    for table, network in zip(tables, ('ResNet-50', 'ResNet-18')):
        assert rf'\textit{{{network}}}' in table
        assert table.count(r'\textit') == 1
        rows = [line for line in table.splitlines() if '$\\pm$' in line]
        assert len(rows) == len(METHODS) and ' & - ' not in table


def test_equal_titles_have_labels_of_their_own():
    grid = Grid('Größe <x>', ['a'], [[[Part('1')]]])
    text = to_latex([grid, grid], [])
    check(text)
    assert (
        r'\label{tab:gr-sse-x}' in text and r'\label{tab:gr-sse-x:2}' in text
    )
    assert slug('自监督') == 'table'


def test_names_that_pdflatex_does_not_know_are_told():
    cell = [[[Part('自监督', 'name')]]]
    assert 'XeLaTeX' in to_latex([Grid('t', ['a'], cell)], [])
    plain = [[[Part('MoCo v2 ± 1†', 'name')]]]
    assert 'XeLaTeX' not in to_latex([Grid('t', ['a'], plain)], [])
    assert escape_latex('1†') == r'1\dag{}'
