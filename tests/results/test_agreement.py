"""Six outputs give one answer: better or not, and is it real?

Each case is worked out here from scipy alone, then read back from the text of
every output.
"""

import csv
import html
import io
import itertools
import json
import re

import pytest
import scipy.stats
from rich.console import Console

from ssl_bench.results.board import build
from ssl_bench.results.grid import grids
from ssl_bench.results.page_data import page_data
from ssl_bench.results.record import Stored
from ssl_bench.results.render import render
from ssl_bench.results.terminal import to_rich
from tests.results.factory import make_record

# name: task, metric, and of each method its seeds and values
CASES = {
    'shared seeds': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 51.0, 2: 50.4},
            'near': {0: 49.9, 1: 51.2, 2: 49.9},
            'base': {0: 40.0, 1: 41.1, 2: 40.5},
        },
    ),
    # their intervals overlap, their pairs differ by 1.2 each time
    'overlap but pairs': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 55.0, 2: 60.0},
            'base': {0: 48.81, 1: 53.8, 2: 58.79},
        },
    ),
    # their intervals are apart by chance: one pair of many is not enough
    'apart but not after Holm': (
        'mini_knn',
        'top1',
        {
            'good': {0: 51.0, 1: 51.2, 2: 51.3},
            'near': {0: 50.9, 1: 50.6, 2: 50.2},
            'far': {0: 50.3, 1: 50.2, 2: 50.7},
            'base': {0: 50.2, 1: 50.4, 2: 50.0},
        },
    ),
    'disjoint seeds': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 51.0, 2: 50.4},
            'base': {3: 40.0, 4: 41.1, 5: 40.5},
        },
    ),
    'partly shared seeds': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 51.0, 2: 50.4, 3: 90.0},
            'near': {2: 50.0, 5: 50.7},
            'base': {1: 40.0, 2: 39.45, 3: 79.3, 4: 40.5},
        },
    ),
    'one seed': (
        'mini_knn',
        'top1',
        {'lucky': {0: 99.0}, 'good': {0: 50.0, 1: 50.4}, 'base': {0: 40.0}},
    ),
    'zero variance': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 50.0, 2: 50.0},
            'near': {0: 45.0, 1: 45.3, 2: 45.2},
            'base': {0: 40.0, 1: 40.0, 2: 40.0},
        },
    ),
    'unequal n': (
        'mini_knn',
        'top1',
        {
            'good': {0: 50.0, 1: 50.4, 2: 50.3, 3: 50.7, 4: 50.5},
            'base': {7: 40.0, 8: 40.7},
        },
    ),
    'lower is better': (
        'in_c',
        'mCE',
        {
            'good': {0: 60.0, 1: 61.0, 2: 60.4},
            'near': {0: 60.1, 1: 60.9, 2: 61.5},
            'base': {0: 70.0, 1: 71.1, 2: 70.5},
        },
    ),
}


def records(case):
    task, metric, methods = CASES[case]
    return [
        Stored(
            make_record(method, '', task, seed, {metric: value}),
            f'{method}{seed}/result.json',
        )
        for method, values in methods.items()
        for seed, value in values.items()
    ]


def judged(pair):
    """p value of two methods by scipy; None where nothing can decide."""
    a, b = pair
    common = sorted(a.keys() & b.keys())
    if len(common) > 1:
        own, other = [a[s] for s in common], [b[s] for s in common]
        gaps = {round(x - y, 9) for x, y in zip(own, other)}
        return (
            scipy.stats.ttest_rel(own, other).pvalue if len(gaps) > 1 else None
        )
    if min(len(a), len(b)) < 2:
        return None
    return scipy.stats.ttest_ind(
        list(a.values()), list(b.values()), equal_var=False
    ).pvalue


def decided(pairs, methods, sign):
    """Winner of each pair, or None, after Holm's steps, written out."""
    p = {pair: judged([methods[name] for name in pair]) for pair in pairs}
    tested = sorted((v, k) for k, v in p.items() if v is not None)
    found, stopped = dict.fromkeys(pairs), False
    for i, (value, (first, second)) in enumerate(tested):
        stopped = stopped or value * (len(tested) - i) >= 0.05
        if not stopped:
            a, b = methods[first], methods[second]
            common = a.keys() & b.keys()
            if len(common) > 1:
                a, b = ({s: m[s] for s in common} for m in (a, b))
            gap = sum(a.values()) / len(a) - sum(b.values()) / len(b)
            found[first, second] = first if gap * sign > 0 else second
    return found


def expected(case, baseline):
    """Standing of each method, and its answer against the baseline."""
    _, metric, methods = CASES[case]
    sign = -1 if metric == 'mCE' else 1
    pairs = list(itertools.combinations(methods, 2))
    first = [pair for pair in pairs if baseline in pair]
    rest = [pair for pair in pairs if baseline not in pair]
    winners = {**decided(first, methods, sign), **decided(rest, methods, sign)}
    able = [name for name, values in methods.items() if len(values) > 1]
    losers = {
        (a if winner == b else b): winner
        for (a, b), winner in winners.items()
        if winner
    }
    standings, answers = {}, {}
    for name, values in methods.items():
        if len(values) == 1:
            standings[name] = 'undecided: one seed'
        elif len(able) == 1:
            standings[name] = ''
        elif not losers:
            standings[name] = 'undecided'
        else:
            standings[name] = 'beaten' if name in losers else 'unbeaten'
    for pair in first:
        [name] = set(pair) - {baseline}
        few = min(len(methods[n]) for n in pair) < 2
        if winners[pair]:
            answers[name] = 'better' if winners[pair] == name else 'worse'
        elif few:
            answers[name] = 'undecided: one seed'
        else:
            answers[name] = 'undecided'
            if judged([methods[n] for n in pair]) is None:
                answers[name] += ': the seeds changed nothing'
    return standings, answers


def short(answer):
    """``better``, ``undecided: one seed``: the start of a text."""
    known = (
        'better',
        'worse',
        'undecided: one seed',
        'undecided: the seeds changed nothing',
        'undecided',
    )
    return next(word for word in known if answer.startswith(word))


def from_csv(board):
    rows = list(csv.DictReader(io.StringIO(render(board, 'csv'))))
    return (
        {row['method']: row['standing'] for row in rows},
        {
            row['method']: row['baseline_answer']
            for row in rows
            if row['baseline_answer']
        },
    )


def from_json(board):
    rows = json.loads(render(board, 'json'))['rows']
    return (
        {row['method']: row['standing'] or '' for row in rows},
        {
            row['method']: row['baseline_difference']['answer']
            for row in rows
            if row['baseline_difference']
        },
    )


def from_page(board):
    text = render(board, 'html')
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.S
    )
    rows = json.loads(found[1])['rows']
    for row in rows:  # shading and words say the same
        assert row['best'] == (row['standing'] == 'unbeaten')
        shown = row['text']['standing']
        if row['standing'] == 'unbeaten':
            assert shown == '1: no other method is shown to be better'
        elif row['standing'] == 'beaten':
            assert shown.endswith('another method is shown to be better')
    plain = html.unescape(
        re.search(r'<noscript>.*?</noscript>', text, re.S)[0]
    )
    for row in rows:
        assert row['text']['difference'] in plain
        assert row['text']['interval'] in plain
    return (
        {row['name']: row['standing'] or '' for row in rows},
        {
            row['name']: short(row['text']['difference'])
            for row in rows
            if row['text']['difference']
        },
    )


def from_markdown(board):
    # after the table of methods and tasks
    lines = render(board, 'md').split('## ')[2].splitlines()
    cells = [line.split(' | ') for line in lines if line.startswith('| ')]
    return _cells(
        {cell[0].strip('| '): cell[-1].rstrip('| ') for cell in cells[2:]},
        lambda text: '**' in text,
    )


def from_latex(board):
    text = render(board, 'latex').replace(r'$\Delta$', 'Δ')
    # the lines of a remark
    text = re.sub(r'\} \\\\ \{\\footnotesize ', ' ', text)
    # after the table of methods and tasks
    lines = text.split(r'\begin{table}')[2].splitlines()
    rows = [line for line in lines if ' & ' in line][1:]
    return _cells(
        {row.split(' & ')[0]: row.split(' & ')[-1] for row in rows},
        lambda text: r'\textbf' in text,
    )


def from_terminal(board):
    """One table per method, so that its lines are known; bold green."""
    found, bold = {}, {}
    for row in grids(board)[0].body:
        grid = grids(board)[0]
        grid.body, grid.notes = [row], []
        console = Console(
            file=io.StringIO(),
            width=200,
            force_terminal=True,
            color_system='standard',
        )
        console.print(to_rich(grid, 200))
        text = console.file.getvalue()
        found[row[0][0].text] = text
        bold[text] = '\x1b[1;32m' in text
    return _cells(found, bold.__getitem__)


def _cells(cells, is_marked):
    """What tables show: the mark, a reason, and the difference."""
    standings, answers = {}, {}
    for name, text in cells.items():
        own, _, difference = text.partition('Δ')
        if is_marked(text):
            standings[name] = 'unbeaten'
        elif 'undecided: one seed' in own:
            standings[name] = 'undecided: one seed'
        else:
            standings[name] = 'not marked'
        if 'Δ' in text:
            answers[name] = short(difference.strip())
    return standings, answers


def seen(standings):
    """What a table without words for it can show of the standings."""
    shown = ('unbeaten', 'undecided: one seed')
    return {
        name: value if value in shown else 'not marked'
        for name, value in standings.items()
    }


@pytest.fixture
def page_without_charts(monkeypatch):
    """The library of charts takes a second to embed and shows no words."""
    monkeypatch.setattr('vl_convert.javascript_bundle', lambda text: '')
    monkeypatch.setattr('ssl_bench.results.charts.specifications', dict)


@pytest.mark.usefixtures('page_without_charts')
@pytest.mark.parametrize('case', CASES)
def test_six_outputs_give_one_answer(case):
    board = build(records(case), published='none', baseline='base')
    standings, answers = expected(case, 'base')
    assert from_csv(board) == (standings, answers)
    assert from_json(board) == (standings, answers)
    assert from_page(board) == (standings, answers)
    for read in (from_markdown, from_latex, from_terminal):
        assert read(board) == (seen(standings), answers), read


def test_the_cases_have_every_answer():
    """Otherwise the test above could pass on tables without answers."""
    found = {case: expected(case, 'base') for case in CASES}
    said = {answer for _, own in found.values() for answer in own.values()}
    assert said == {
        'better',
        'undecided',
        'undecided: one seed',
        'undecided: the seeds changed nothing',
    }
    assert found['lower is better'][1]['good'] == 'better'
    assert found['overlap but pairs'] == (
        {'good': 'unbeaten', 'base': 'beaten'},
        {'good': 'better'},
    )
    assert set(found['apart but not after Holm'][1].values()) == {'undecided'}
    assert found['one seed'][0]['lucky'] == 'undecided: one seed'


@pytest.mark.parametrize('case', CASES)
def test_a_number_is_never_without_its_n(case):
    board = build(records(case), published='none', baseline='base')
    for row in page_data(board)['rows']:
        for text in (row['text']['interval'], row['text']['difference']):
            assert not text or 'n=' in text or 'one seed' in text
    text = render(board, 'md').partition('\n\n')[2]
    table = text.replace('\\[', '[').replace('\\]', ']')
    table = '\n'.join(x for x in table.splitlines() if x.startswith('|'))
    assert table.count('[') == len(re.findall(r'\], n=\d', table))
