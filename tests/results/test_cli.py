"""The command: formats, files, exit codes."""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from ssl_bench.cli import leaderboard
from ssl_bench.errors import UserError
from ssl_bench.results import load, read_records, write_record
from tests.results.factory import METHODS, make_record, suite

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    top = tmp_path_factory.mktemp('runs')
    for record in suite(METHODS, ['voc0712_det_c4', 'mini_knn']):
        write_record(top / record['run_id'], record)
    return top


def command(*words):
    parser = argparse.ArgumentParser()
    leaderboard.add_arguments(parser)
    return leaderboard.run(parser.parse_args([str(w) for w in words]))


def test_csv_and_the_table(runs, tmp_path, capsys):
    path = tmp_path / 'out' / 'leaderboard.csv'
    assert command(runs, '-o', path) == 0
    shown = capsys.readouterr()
    assert 'InsLoc (FPN)' in shown.out and '58.5*' in shown.out
    assert '± ' not in shown.out  # the tasks are in the file
    assert shown.err == f'written: {path}\n'
    frame = pandas.read_csv(path)
    assert list(frame.columns)[7:10] == [
        'measured_mean',
        'measured_std',
        'seeds',
    ]
    first = path.read_bytes()
    command(runs, '-o', path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    'ending, start',
    [
        ('.csv', 'method,variant'),
        ('.md', '<!-- ssl-bench leaderboard -->\n## Methods and tasks'),
        ('.tex', '% needs'),
        ('.json', '{\n "schema": 2'),
        ('.html', '<!doctype html>'),
    ],
)
def test_format_follows_the_ending(runs, tmp_path, ending, start):
    path = tmp_path / f'x{ending}'
    assert command(runs, '-o', path, '--published', 'own') == 0
    assert path.read_text().startswith(start)


@pytest.mark.parametrize('ending', ['.csv', '.md', '.tex', '.json', '.html'])
def test_only_an_earlier_leaderboard_is_replaced(runs, tmp_path, ending):
    path = tmp_path / f'x{ending}'
    for _ in range(2):
        assert command(runs, '-o', path, '--published', 'own') == 0
    path.write_text('a,b\n## Notes of mine\n')
    with pytest.raises(UserError, match='is there already.*--force'):
        command(runs, '-o', path)
    assert path.read_text() == 'a,b\n## Notes of mine\n'
    assert command(runs, '-o', path, '--published', 'own', '--force') == 0


def test_page_goes_into_a_folder(runs, tmp_path):
    assert command(runs, '-o', f'{tmp_path}/report/', '--format', 'html') == 0
    assert (tmp_path / 'report' / 'index.html').stat().st_size > 500_000


def test_format_without_a_file_is_printed(runs, capsys):
    assert command(runs, '--format', 'csv') == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row['task'] for row in rows} == {'voc0712_det_c4', 'mini_knn'}


def test_paper_tables(runs, capsys):
    assert command(runs, '--paper', 'pixpro', '--format', 'md') == 0
    out = capsys.readouterr().out
    assert '## PixPro: PASCAL VOC, R50-C4' in out and '<br>ours ' in out


def test_warnings_give_3_and_name_the_file(runs, tmp_path, capsys):
    bad = tmp_path / 'bad'
    bad.mkdir()
    (bad / 'result.json').write_text('{"schema": 1')
    assert command(runs, bad, '--tasks', 'mini_knn') == 3
    shown = capsys.readouterr()
    assert 'InsLoc (FPN)' in shown.out  # the rest still renders
    assert f'({bad}/result.json)' in shown.err
    assert shown.err.startswith('warning: unusable record: not readable')


@pytest.mark.parametrize(
    'words, message',
    [
        ([], 'no usable result.json: empty'),
        (['-o', 'x.docx'], 'no format for'),
        (['--format', 'html'], 'a page is a file'),
        (['--paper', 'pixpro', '-o', 'x.csv'], 'every number'),
    ],
)
def test_unusable(runs, tmp_path, words, message):
    source = runs if words else tmp_path
    with pytest.raises(UserError, match=message):
        command(source, *words)


@pytest.mark.parametrize(
    'words, message',
    [
        (['--tasks', 'mini_kmn'], 'Did you mean mini_knn'),
        (['--methods', 'PixPor'], 'Did you mean PixPro'),
        (['--baseline', 'MoCo v3'], 'Did you mean MoCo v2'),
        (['--paper', 'inslok'], 'Did you mean insloc'),
    ],
)
def test_misspelt_names(runs, words, message):
    with pytest.raises(UserError, match=message):
        command(runs, *words)


def test_unwritable_output_leaves_nothing(runs, tmp_path):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(UserError, match='cannot write'):
        command(runs, '-o', tmp_path / 'file' / 'x.csv')
    assert (tmp_path / 'file').read_text() == 'mine'


def test_export_and_import(runs, tmp_path, capsys):
    bundle, into = tmp_path / 'b.zip', tmp_path / 'in'
    assert command('export', runs, '-o', bundle) == 0
    assert command('import', bundle, '-o', into) == 0
    assert '30 records' in capsys.readouterr().err
    assert command(into, '-o', tmp_path / 'a.csv') == 0
    assert command(runs, '-o', tmp_path / 'b.csv') == 0
    assert (tmp_path / 'a.csv').read_bytes() == (
        tmp_path / 'b.csv'
    ).read_bytes()
    with pytest.raises(UserError, match='name the bundle'):
        command('export', runs)
    with pytest.raises(UserError, match='name the bundle'):
        command('import')


def test_load_gives_a_line_per_number(runs, tmp_path):
    frame = load(runs)
    assert len(frame) == 15 * 3 + 15
    means = frame.groupby(['task', 'metric', 'method']).value.mean()
    assert means['mini_knn', 'top1'].idxmax() == 'InsLoc'
    assert set(frame.columns) >= {
        'pretrain_epochs',
        'pretrain_cost_gpu_hours',
        'cost_gpu_hours',
        'data_fingerprint',
        'path',
    }
    assert 'pretrain_cost' not in frame.columns  # of plain values
    hours = frame.groupby('method').pretrain_cost_gpu_hours.mean()
    assert hours.isna()['Random init'] and hours['InsLoc'] > 0
    (tmp_path / 'result.json').write_text('')
    with pytest.warns(UserWarning, match='unusable record'):
        assert len(load(tmp_path)) == 0


def test_each_record_counts_once_after_export_and_import(
    runs, tmp_path, capsys
):
    """A folder with its own import in it gave every line twice."""
    for record in suite(METHODS, ['mini_knn']):
        write_record(tmp_path / 'work' / record['run_id'], record)
    before = load(tmp_path / 'work')
    bundle = tmp_path / 'b.zip'
    assert command('export', tmp_path / 'work', '-o', bundle) == 0
    command('import', bundle, '-o', tmp_path / 'work' / 'imported')
    assert sum(1 for _ in tmp_path.rglob('result.json')) == 30
    with pytest.warns(UserWarning, match='duplicate: 15 runs'):
        after = load(tmp_path / 'work')
    assert len(before) == len(after) == 15
    assert after.value.tolist() == before.value.tolist()
    problems = []
    records = read_records(tmp_path / 'work', problems)
    assert len(records) == len(read_records(tmp_path / 'work')) == 15
    assert [problem.kind for problem in problems] == ['duplicate']


def test_of_two_results_of_a_run_the_last_counts(tmp_path):
    write_record(tmp_path / 'a', make_record(metrics={'top1': 30.0}))
    late = dict(metrics={'top1': 40.0}, finished='2025-05-02T00:00:00+00:00')
    write_record(tmp_path / 'b', make_record(**late))
    with pytest.warns(UserWarning, match=r'conflict: .*\(top1 30.0, 40.0\)'):
        assert load(tmp_path).value.tolist() == [40.0]
    with pytest.raises(UserError, match='conflict'):
        read_records(tmp_path)


def test_load_says_how_to_get_pandas(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(UserError, match=r'pip install "ssl-bench\[pandas\]"'):
        load(runs)


def test_needs_no_torch_and_no_pandas(runs, tmp_path):
    program = (
        'import sys, argparse\n'
        'from ssl_bench.cli import leaderboard\n'
        'p = argparse.ArgumentParser()\n'
        'leaderboard.add_arguments(p)\n'
        f'leaderboard.run(p.parse_args([{str(runs)!r}, "--format", "csv"]))\n'
        'heavy = {"torch", "pandas", "altair", "rich", "mmengine"}\n'
        'print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == '[]\n'


def test_the_command_in_tools(tmp_path):
    write_record(tmp_path / 'run', make_record())
    done = subprocess.run(
        [
            sys.executable,
            'tools/leaderboard.py',
            str(tmp_path),
            '-o',
            str(tmp_path / 'leaderboard.csv'),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={'PYTHONPATH': str(ROOT), 'PATH': '/usr/bin'},
    )
    assert done.returncode == 3, done.stderr  # no controls
    assert 'MoCo v2' in done.stdout and 'missing control' in done.stderr
    assert (tmp_path / 'leaderboard.csv').read_text().count('\n') == 2
