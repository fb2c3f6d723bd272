"""What is printed on a terminal: by meaning, by width, by height."""

import argparse
import functools
import io
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ssl_bench.cli import leaderboard
from ssl_bench.errors import UserError
from ssl_bench.results import rounding, write_record
from ssl_bench.results.board import build
from ssl_bench.results.matrix import matrices
from ssl_bench.results.matrix_grid import combined
from ssl_bench.results.problem_lines import problem_lines
from ssl_bench.results.record import Problem
from ssl_bench.results.row_names import row_names
from ssl_bench.results.screen import show, show_details, show_table
from ssl_bench.results.short_tables import short_table
from ssl_bench.results.table import main_metrics
from ssl_bench.results.terminal import largest
from ssl_bench.results.verdicts import verdicts
from ssl_bench.results.wrapping import cells, pieces, wrap
from tests.results import pages
from tests.results.factory import METHODS, METRICS, make_record, sha, suite
from tests.results.test_board import stored

ROOT = Path(__file__).resolve().parents[2]
LINES = 24
ODD = [name for name in pages.RECORDS if 'many' not in name]

page_board = functools.lru_cache(maxsize=None)(pages.board)


def printed(function, board, *more, width=80, lines=LINES):
    file = io.StringIO()
    console = Console(file=file, width=width, height=lines, highlight=False)
    function(board, *more, console)
    return file.getvalue().splitlines()


def blocks(lines):
    """Title to the lines of what is between two empty ones."""
    found, block = {}, []
    for line in [*lines, '']:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            found[block[0]] = block
            block = []
    return found


def large(methods=33):
    """296 records or more: three seeds, two networks."""
    more = [(f'Method {i:02d}', '', -3 + i / 20) for i in range(methods - 5)]
    return build(stored(*suite([*METHODS, *more], METRICS)), published='own')


@pytest.fixture(scope='module')
def board():
    return large()


def test_a_task_has_one_screen_with_the_numbers_in_the_first_lines(board):
    """296 records were 3,224 lines, and names stood far from numbers."""
    lines = printed(show, board, [])
    assert len(lines) < 300
    shown = blocks(lines)
    for task in board.tasks:
        title = f'({task})'
        [block] = [own for name, own in shown.items() if title in name]
        assert len(block) < LINES
        best = short_table(board, task).grid().body[0]
        name, n, value, interval = (cell[0].text for cell in best[:4])
        # title, heading, rule, first row: all of it in one line
        row = block[next(i for i, x in enumerate(block) if '───' in x) + 1]
        assert row.split('  ')[0] == name
        assert f' {n}  {value}  {interval}' in row
        assert f'more: --tasks {task}' in block[-1]


def test_named_tasks_are_shown_whole(board):
    lines = printed(show, board, ['mini_knn'])
    block = next(
        own
        for name, own in blocks(lines).items()
        if name.endswith('(mini_knn)')
    )
    assert len(block) == 3 + 33


def test_the_answer_is_first(board):
    lines = printed(show, board, [])
    assert lines[0].split(',')[:2] == ['33 methods', ' 2 backbones']
    assert 'printed numbers reproduced' in lines[1]
    first = verdicts(board)[0]
    text = ' '.join(' '.join(lines[:LINES]).split())
    assert first.text in text
    assert 'more: --details' in text
    every = ' '.join(' '.join(printed(show_details, board)).split())
    assert all(verdict.text in every for verdict in verdicts(board))


def test_controls_stay_where_a_table_is_cut(board):
    block = next(
        own
        for name, own in blocks(printed(show, board, [])).items()
        if name.endswith('(mini_knn)')
    )
    assert any(line.startswith('Random init') for line in block)
    assert any(line.startswith('Supervised') for line in block)
    assert block[3].startswith('InsLoc (FPN)')  # and the best one


@pytest.mark.parametrize('name', ODD)
@pytest.mark.parametrize('width', [40, 80, 160])
def test_no_line_is_wider_than_the_terminal(name, width):
    """Chinese letters take two columns, accents none."""
    odd = page_board(name)
    for lines in (
        printed(show, odd, [], width=width),
        printed(show_table, odd, width=width),
        printed(show_details, odd, width=width),
    ):
        assert lines and max(map(cell_len, lines)) <= width


def test_numbers_stay_below_each_other_for_names_of_any_script():
    odd = page_board('names')
    for task in ('mini_knn', 'mini_seg_fcn'):
        block = next(
            own
            for name, own in blocks(printed(show, odd, [task])).items()
            if name.endswith(f'({task})')
        )
        ends = {
            cell_len(line[: line.index(' ± ')])
            for line in block
            if ' ± ' in line
        }
        assert len(ends) == 1


@pytest.mark.parametrize('name', ODD)
def test_every_number_of_the_table_is_that_of_its_row(name):
    odd = page_board(name)
    seen = 0
    for matrix in matrices(odd):
        mains = main_metrics(odd)
        for line in matrix.lines:
            for task, row in line.rows.items():
                assert (row.task, row.metric) == (task, mains[task])
                seen += bool(row.values)
        assert len({line.name for line in matrix.lines}) == len(matrix.lines)
    measured = sum(
        row.metric == main_metrics(odd)[row.task] for row in odd.measured
    )
    assert seen + sum(m.left_out for m in matrices(odd)) == measured
    grid = combined(odd, marks=True)
    texts = [p.text for line in grid.body for cell in line for p in cell]
    assert sum(text != '-' for text in texts) > seen


def test_marks_of_the_table():
    found = build(
        stored(
            *suite(METHODS, ['mini_knn', 'mini_seg_fcn']),
            make_record('BYOL', metrics={'top1': 45.0}),
            *(
                make_record(
                    'SimSiam',
                    seed=seed,
                    metrics={'top1': 44.0 + seed / 10},
                    config_sha256=sha('other'),
                    departures=['train_cfg.max_iters=100'],
                )
                for seed in (0, 1)
            ),
        ),
        published='none',
    )
    lines = printed(show_table, found, width=100)
    text = '\n'.join(lines)
    rows = {line.split('  ')[0]: line for line in lines}
    assert rows['BYOL'].rstrip().endswith('45.0 (1)')
    assert '44.1 ± 0.1† (2)' in rows['SimSiam']
    best = next(
        row
        for row in found.rows
        if (row.method, row.task) == ('InsLoc', 'mini_knn')
    )
    assert best.best
    value = rounding.spread(best.mean, best.std, 1)
    assert f'{value}*' in rows['InsLoc (FPN)']
    assert '*' not in rows['Random init']
    note = ' '.join(text.split())
    assert 'Means of 3 seeds, else of as many as in brackets' in note
    assert (
        'one of which decides nothing' in note and '† other settings' in note
    )


def test_one_seed_is_never_marked_as_the_best():
    lines = printed(show, page_board('one-seed'), [])
    text = '\n'.join(lines)
    assert '*' not in text and 'place' not in text
    assert 'Means of 1 seed, which decides nothing.' in text
    assert 'undecided: one seed each' in text


def test_networks_are_apart():
    """In one table where they have the same tasks, else in two."""
    lines = printed(show, page_board('two-backbones'), [])
    assert sum(line.startswith('Methods and tasks') for line in lines) == 1
    text = '\n'.join(lines)
    assert 'ResNet-18:' in text and 'ViT-T/16:' in text
    lines = printed(show, large(5), [])
    titles = [line for line in lines if line.startswith('Methods and tasks')]
    assert titles == [
        'Methods and tasks, ResNet-50',
        'Methods and tasks, ResNet-18',
    ]
    text = '\n'.join(printed(show_table, large(5)))
    assert text.count('Methods and tasks') == 1


def test_a_baseline_has_the_differences_in_the_table():
    found = page_board('plain')
    row = next(
        row
        for row in found.rows
        if (row.method, row.task) == ('PixPro', 'mini_knn')
    )
    difference = row.difference
    text = (
        f'{rounding.signed(difference.difference, 1)} '
        f'{rounding.signed_bounds(difference.interval, 1)} '
        f'{difference.answer}'
    )
    lines = printed(show, found, [])
    assert any(line.startswith('PixPro') and text in line for line in lines)
    assert any('minus MoCo v2' in line for line in lines)


def test_names_are_as_long_as_they_must_be():
    found = build(
        stored(
            make_record('A', epochs=100),
            make_record('A', epochs=200),
            make_record('B'),
            make_record(
                'C', data=dict(name='x', fingerprint=sha('1'), images=1)
            ),
            make_record(
                'C',
                data=dict(name='x', fingerprint=sha('2'), images=1),
                run_id='another',
            ),
        ),
        published='none',
    )
    assert {*row_names(found.rows)} == {
        'A@100',
        'A@200',
        'B',
        f'C, data {sha("1")[:6]}',
        f'C, data {sha("2")[:6]}',
    }


def test_lines_by_width():
    assert cells('abc') == 3 and cells('自监督') == 6
    assert cells('Me\u0301thode') == 7
    assert wrap('自监督学习 abc', 6) == ['自监督', '学习', 'abc']
    assert wrap('', 6) == []
    assert pieces([3, 3, 3, 3], 6) == [range(2), range(2, 4)]
    assert pieces([9, 3], 6) == [range(1), range(1, 2)]
    for name in pages.NAMES:
        lines = wrap(name, 10)
        assert ''.join(lines).replace(' ', '') == ''.join(name.split())
        assert max(map(cells, lines)) <= 10


def command(*words):
    parser = argparse.ArgumentParser()
    leaderboard.add_arguments(parser)
    return leaderboard.run(parser.parse_args([str(w) for w in words]))


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    top = tmp_path_factory.mktemp('runs')
    for record in suite(METHODS, ['voc0712_det_c4', 'in1k_linear']):
        if (record['method'], record['seed']) != ('PixPro', 2):
            write_record(top / record['run_id'], record)
    return top


@pytest.mark.parametrize(
    'words, own',
    [
        ([], True),
        (['-o', 'x.md'], True),
        (['-o', 'x.tex'], True),
        (['--published', 'all'], False),
        (['-o', 'x.md', '--published', 'all'], False),
    ],
)
def test_printed_rows_are_there_when_asked_for(
    runs, tmp_path, capsys, monkeypatch, words, own
):
    monkeypatch.chdir(tmp_path)
    assert command(runs, *words) == 3
    shown = capsys.readouterr().out
    texts = [shown] + [path.read_text() for path in tmp_path.glob('x.*')]
    assert len(texts) == 1 + ('-o' in words)
    assert all('in PixPro' not in text for text in texts) == own
    assert '57.0' in texts[-1]  # next to the measured one


def test_files_with_every_number_have_printed_rows(runs, tmp_path, capsys):
    path = tmp_path / 'x.csv'
    assert command(runs, '-o', path) == 3
    assert path.read_text().count('\n') > 100
    assert 'in PixPro' not in capsys.readouterr().out
    lines = path.read_text().splitlines()
    assert command(runs, '-o', path, '--published', 'own') == 3
    assert len(path.read_text().splitlines()) < len(lines)


def test_the_table_of_own_choices(runs, tmp_path, capsys):
    words = ['--table', '--methods', 'PixPro', 'MoCo v2', '--tasks']
    path = tmp_path / 'x.tex'
    assert command(runs, *words, 'in1k_linear', '-o', path) == 3
    text = path.read_text()
    assert text.count(r'\begin{table}') == 1
    assert r'\label{tab:methods-and-tasks}' in text
    rows = [line.split(' & ')[0] for line in text.splitlines() if '&' in line]
    assert rows == ['method', 'PixPro', 'MoCo v2']  # the better one first
    shown = capsys.readouterr().out
    assert 'InsLoc' not in shown and 'Methods and tasks' in shown
    assert '(in1k_linear)' not in shown  # the table alone
    with pytest.raises(UserError, match='--table makes tables for people'):
        command(runs, '--table', '-o', tmp_path / 'x.csv')
    with pytest.raises(UserError, match='one of --table and --paper'):
        command(runs, '--table', '--paper', 'pixpro')


def test_warnings_are_counted_by_kind(runs, capsys):
    assert command(runs) == 3
    short = capsys.readouterr().err.splitlines()
    assert short[0].startswith('warning: incomplete seeds, 2 times: PixPro on')
    assert short[-1] == 'warning: 2 in all: --details lists them'
    assert command(runs, '--details') == 3
    every = capsys.readouterr().err.splitlines()
    assert len(every) == 2
    assert all(
        line.startswith('warning: incomplete seeds: ') for line in every
    )


def test_one_warning_of_a_kind_is_whole():
    one = Problem('link', 'a link', ('a', 'b', 'c'))
    two = [Problem('empty', f'no number for {x}', (x,) * 4) for x in 'pq']
    assert problem_lines([one]) == ['link: a link (a, b, c)']
    assert problem_lines([one, *two]) == [
        'link: a link (a, b, c)',
        'empty, 2 times: no number for p (p); and 1 more',
        '3 in all: --details lists them',
    ]
    assert problem_lines([one, *two], every=True) == [
        str(problem) for problem in [one, *two]
    ]


def test_the_last_line_says_what_to_open(runs, tmp_path, capsys):
    assert command(runs, '-o', f'{tmp_path}/report/') == 3
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == (
        f'written: {tmp_path}/report/index.html (open it in a browser)'
    )
    assert command(runs) == 3
    assert capsys.readouterr().out.splitlines()[-1] == (
        f'A page with all of it: ssl-bench leaderboard {runs} -o report/'
    )


@pytest.mark.parametrize(
    'folder, message',
    [
        ('empty', 'no usable result.json: empty: '),
        ('not there', 'no usable result.json: missing: '),
    ],
)
def test_a_folder_without_records_is_one_line(tmp_path, folder, message):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=message) as found:
        command(tmp_path / folder)
    assert '\n' not in str(found.value) and len(str(found.value)) < 400


def test_many_bad_files_are_one_short_line(tmp_path):
    for i in range(50):
        folder = tmp_path / f'run{i:02d}'
        folder.mkdir()
        (folder / 'result.json').write_text('{')
    with pytest.raises(UserError, match='; and 47 more. Runs write') as found:
        command(tmp_path)
    assert '\n' not in str(found.value) and 'run03' not in str(found.value)


@pytest.mark.parametrize('columns', ['40', '80'])
def test_without_a_terminal(runs, columns):
    """Through a pipe: no colours, no line that is too wide."""
    done = subprocess.run(
        [sys.executable, '-m', 'ssl_bench', 'leaderboard', str(runs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, 'COLUMNS': columns, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()[:-1]  # the last one has a path
    assert max(map(cell_len, lines)) <= int(columns)
    assert '\x1b' not in done.stdout and '± ' in done.stdout
    assert re.search(r'InsLoc \(FPN\) +3', done.stdout)


def test_an_encoding_without_the_signs_is_no_error(runs):
    """Pipes of Windows, and terminals of other alphabets."""
    done = subprocess.run(
        [sys.executable, '-m', 'ssl_bench', 'leaderboard', str(runs)],
        cwd=ROOT,
        capture_output=True,
        env={
            **os.environ,
            'PYTHONIOENCODING': 'ascii',
            'PYTHONPATH': str(ROOT),
        },
    )
    assert done.returncode == 3, done.stderr
    assert b'58.5 ? 0.2' in done.stdout


def test_as_many_rows_as_fit():
    dice = random.Random(3)
    console = Console(file=io.StringIO(), width=80)
    for _ in range(200):
        heights = [
            dice.choice([1, 1, 1, 2, 5]) for _ in range(dice.randrange(41))
        ]
        lines = dice.randint(1, 30)

        def make(rows, heights=heights):
            return Text('\n'.join('x' * (sum(heights[:rows]) + 2)))

        expected = max(
            n
            for n in range(min(len(heights), lines) + 1)
            if n == 0 or sum(heights[:n]) + 2 <= lines
        )
        assert largest(make, len(heights), lines, console) == expected


def test_the_table_has_tasks_that_were_only_printed():
    board = build(
        stored(*suite(METHODS[:2], ['mini_knn'])),
        wanted=['mini_knn', 'coco_mrcnn_c4_1x'],
        published='all',
    )
    found = matrices(board)
    assert found[0].tasks == ['mini_knn']  # what was measured is first
    rows = [
        line.rows['coco_mrcnn_c4_1x']
        for matrix in found
        for line in matrix.lines
        if 'coco_mrcnn_c4_1x' in line.rows
    ]
    metric = short_table(board, 'coco_mrcnn_c4_1x').metric
    assert {row.metric for row in rows} == {metric} == {'bbox_AP'}
    assert not any(row.values for row in rows)
