"""Decimals and units of metrics on every output; odd names of metrics."""

import csv
import io
import json
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from ssl_bench.cli import main
from ssl_bench.cli.transfer import difference, summary
from ssl_bench.errors import UserError
from ssl_bench.results import headings
from ssl_bench.results.board import build
from ssl_bench.results.grid import grids
from ssl_bench.results.record import Stored, validate
from ssl_bench.results.render import render
from ssl_bench.results.terminal import to_rich
from ssl_bench.tasks.table import _table, find_task
from tests.results.factory import make_record, sha

LITERAL = """
TASK = dict(
    id='walls', title='Walls', group='depth', toolbox='probe',
    dataset='mini_imagenet',
    metrics={
        'RMSE': dict(
            unit='metres', places=3, highest=100.0, higher_is_better=False,
            tolerance=0.02),
        'recall@0.1': dict(tolerance=1.0)},
    shown=['RMSE', 'recall@0.1'], source='nobody')
"""


@pytest.fixture(scope='module', autouse=True)
def walls(tmp_path_factory):
    """A further folder of configs, with a task in metres."""
    folder = tmp_path_factory.mktemp('more')
    (folder / 'transfer').mkdir()
    (folder / 'transfer/walls.py').write_text(LITERAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SSL_BENCH_CONFIGS', str(folder))
        _table.cache_clear()
        yield
    _table.cache_clear()


def walls_record(method, seed, rmse):
    metrics = {'RMSE': rmse, 'recall@0.1': 51.24, 'recall@0.1_seen': 50.26}
    return make_record(method, '', 'walls', seed, metrics)


@pytest.fixture(scope='module')
def board(walls):
    records = [
        walls_record(method, seed, rmse)
        for method, values in {
            'MoCo v2': (0.4014, 0.4036, 0.4025),
            'BYOL': (0.3504, 0.3496, 0.35),
        }.items()
        for seed, rmse in enumerate(values)
    ]
    for record in records:
        validate(record)
    stored = [Stored(r, sha(r['run_id'])) for r in records]
    return build(stored, baseline='MoCo v2', published='own')


SPREAD = '0.350 ± 0.000'  # 0.0004
INTERVAL = '[0.349, 0.351], n=3'
BETTER = 'better by 0.053 [0.049, 0.056], n=3'
HEAD = 'RMSE in metres (lower is better)'


def plain(text):
    return ' '.join(text.replace('\\', '').split())


def test_tables_have_the_decimals_of_the_metric(board):
    console = Console(width=200, file=io.StringIO())
    for grid in grids(board):
        console.print(to_rich(grid, 200))
    latex = render(board, 'latex').replace('{[}', '[').replace(r'$\pm$', '±')
    # a long remark has several lines
    latex = latex.replace(r'} \\ {\footnotesize', '')
    for text in (console.file.getvalue(), render(board, 'md'), latex):
        for part in (SPREAD, INTERVAL, BETTER, HEAD, '51.2', 'recall@0.1'):
            assert part in plain(text)
    assert '50.3' not in console.file.getvalue()  # not among `shown`


def test_files_keep_every_digit(board):
    rows = list(csv.DictReader(io.StringIO(render(board, 'csv'))))
    (mean,) = (
        row['measured_mean']
        for row in rows
        if (row['method'], row['metric']) == ('MoCo v2', 'RMSE')
    )
    assert mean == '0.4025'
    assert {row['metric'] for row in rows} == {
        'RMSE',
        'recall@0.1',
        'recall@0.1_seen',
    }
    first = json.loads(render(board, 'json'))['rows'][0]
    assert first['mean'] == pytest.approx(0.35, rel=1e-12)


def test_the_page_has_the_decimals_of_the_metric(board):
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>',
        render(board, 'html'),
        re.DOTALL,
    )
    data = json.loads(found[1])
    texts = {
        (row['method'], row['metric']): (row['text'], row['values'])
        for row in data['rows']
    }
    text, values = texts['BYOL', 'RMSE']
    assert (text['mean'], text['std']) == ('0.350', '0.000')
    assert text['interval'] == INTERVAL and text['difference'] == BETTER
    assert [value['text'] for value in values] == ['0.350'] * 3
    text, values = texts['MoCo v2', 'RMSE']
    assert text['leader'].startswith('worse than BYOL by 0.053 [')
    assert [value['text'] for value in values] == ['0.401', '0.404', '0.403']
    assert texts['BYOL', 'recall@0.1'][0]['mean'] == '51.2'
    (task,) = data['tasks']
    titles = {m['id']: (m['title'], m['higher']) for m in task['metrics']}
    assert titles['RMSE'] == ('RMSE in metres', False)
    assert titles['recall@0.1_seen'] == ('recall@0.1 seen', True)


def test_the_line_after_a_run():
    record = walls_record('BYOL', 0, 0.35042)
    again = dict(record['metrics'], RMSE=0.3513)
    outcome = SimpleNamespace(
        record=record, fresh=True, retested=again, folder='work'
    )
    line = summary(outcome)
    assert 'RMSE 0.350  recall@0.1 51.2' in line
    assert '(tested again: RMSE 0.3513)' in line

    def places(name):
        return headings.places('walls', name)

    near = dict(record['metrics'], RMSE=0.35045)
    assert difference(record['metrics'], near, places) == 'the same numbers'


def test_a_value_out_of_range_names_the_unit():
    with pytest.raises(UserError, match=r'0\.\.100 \(metres\), got 400\.0'):
        validate(walls_record('BYOL', 0, 400.0))


def test_rules():
    assert headings.places('walls', 'RMSE') == 3
    assert headings.places('mini_knn', 'top1_k20') == 1
    assert headings.places('their_task', 'RMSE') == 1  # not known
    assert find_task('walls').metric('recall@0.1_seen').tolerance == 1.0
    assert find_task('walls').metric('recall') is None


def test_lists_of_tasks_name_the_unit(capsys):
    assert main(['tasks', 'walls']) == 0
    assert 'metrics    RMSE in metres, recall@0.1\n' in capsys.readouterr().out


def test_places_that_no_table_has(tmp_path, monkeypatch):
    (tmp_path / 'transfer').mkdir()
    path = tmp_path / 'transfer/walls.py'
    path.write_text(LITERAL.replace('places=3', 'places=-1'))
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path))
    _table.cache_clear()
    with pytest.raises(UserError, match=r'RMSE needs places of 0 to 6'):
        find_task('walls')
    _table.cache_clear()
