"""What a newcomer reads first: help, lists and errors of the command line."""

import re
import shlex

import pytest

from ssl_bench.cli import SUBCOMMANDS, build_parser, main
from ssl_bench.errors import LISTED, near_names, unknown_name
from ssl_bench.tasks.table import tasks


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')


def stopped(words, capsys):
    """Exit code, standard output and error of words that end early."""
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(shlex.split(words))
    return (stop.value.code, *capsys.readouterr())


def parsers():
    found = {'': (top := build_parser())}
    for name, parser in top.commands.items():
        found[name] = parser
        for word, below in parser.commands.items():
            found[f'{name} {word}'] = below
    return found


def test_without_a_command_the_help_is_printed(capsys):
    assert main([]) == 0
    alone = capsys.readouterr()
    assert alone.err == ''
    assert stopped('--help', capsys) == (0, alone.out, '')
    lines = alone.out.splitlines()
    for name in SUBCOMMANDS:  # a line each
        assert sum(line.startswith(f'  {name} ') for line in lines) == 1
    assert 'first steps:' in lines and len(lines) < 30


@pytest.mark.parametrize('name', parsers())
def test_help_fits_80_columns(name, capsys):
    code, out, _ = stopped(f'{name} --help', capsys)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize('words', ['tasks', 'methods'])
def test_lists_fit_80_columns(words, capsys, monkeypatch):
    monkeypatch.delenv('SSL_BENCH_CONFIGS', raising=False)
    assert main(words.split()) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_a_task_fits_80_columns(capsys):
    assert main(['tasks', *tasks()]) == 0
    out = capsys.readouterr().out.splitlines()
    long = [line.strip() for line in out if len(line) > 80]
    # a path of this installation, to be copied
    assert [line for line in long if '.mim/tools' not in line] == []


@pytest.mark.parametrize(
    'words, end',
    [
        ('nosuch', 'ssl-bench: unknown command'),
        ('task', 'ssl-bench: unknown command .* Did you mean tasks'),
        ('transfer', 'required: CHECKPOINT, --tasks'),
        ('transfer x --tasks y --visualise 3', 'mean --visualize'),
        ('data check-image x', 'mean check-images or check'),
        ('convert a b --to timmm', "unknown --to 'timmm'. Did you mean timm"),
        ('tasks --data-rot x', 'mean --data-root'),
        ('data pack a b --forse', 'mean --force'),
    ],
)
def test_a_mistake_in_the_words_is_one_line(words, end, capsys):
    code, out, err = stopped(words, capsys)
    assert (code, out) == (2, '')
    (line,) = err.splitlines()
    assert len(line) < 300
    assert re.search(end, line), line
    assert line.endswith('--help` shows usage.')


def test_of_many_names_the_nearest_are_listed():
    many = [f'name{number}' for number in range(50)]
    text = str(unknown_name('task', 'Name4', many))
    assert text.startswith("unknown task 'Name4'. Did you mean name4, name")
    assert text.endswith('There are 47 others: `ssl-bench tasks` lists them.')
    text = str(unknown_name('thing', 'qqq', many))
    assert text.endswith(
        f'Known: {", ".join(sorted(many)[:LISTED])} and 44 more.'
    )
    text = str(unknown_name('thing', 'qqq', many[:LISTED]))
    assert text.endswith(f'Known: {", ".join(many[:LISTED])}.')
    assert near_names('PIXPRO', ['PixPro', 'MoCo v2']) == ['PixPro']


@pytest.mark.parametrize(
    'words',
    [
        'tasks voc',
        'methods nosuch',
        'methods show mocov5',
        'transfer random --tasks mini_kn',
        'data check voc0712',
        'leaderboard . --paper nothing',
    ],
)
def test_an_unknown_name_is_a_short_line(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < 300
