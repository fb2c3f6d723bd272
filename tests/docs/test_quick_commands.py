"""Commands on the pages that are quick are run, on embedded data."""

import pytest

from ssl_bench.cli import main
from tests.docs.checking import PLACEHOLDERS, TOOLS
from tests.docs.exceptions import COMMANDS
from tests.docs.pages import PAGES, commands

FAST_TASKS = {'mini_knn', 'mini_linear_cached'}
WARNED = 3  # the exit code of a leaderboard with warnings


def quick(words):
    """The words behind ``ssl-bench`` of a command that takes little time."""
    program, *rest = words
    if program == 'python' and rest and rest[0].startswith('tools/'):
        tool = rest[0].removeprefix('tools/').removesuffix('.py')
        rest = [TOOLS.get(tool, ''), *rest[1:]]
    elif program != 'ssl-bench':
        return None
    name, *options = rest or ['']
    is_quick = {
        'tasks': '--update' not in options,
        'methods': '--update' not in options and options != ['show'],
        'run': '--coverage' in options,
        'data': options[:1] == ['check-images'] and len(options) > 1,
        'leaderboard': options[:1] == ['work_dirs']
        and '--watch' not in options,
        'transfer': options[:1] == ['random'] and fast(options),
    }
    found = name.startswith('--') or is_quick.get(name)
    if not found:
        return None
    if name == 'data':
        return ['data', 'check-images', 'DIR']
    names = {**PLACEHOLDERS, 'NAME': 'pixpro'}
    return [names.get(word, word) for word in rest]


def fast(options):
    """Whether a transfer is of probes on embedded data alone."""
    if '--tasks' not in options:
        return False
    tasks = options[options.index('--tasks') + 1 :]
    ends = [i for i, word in enumerate(tasks) if word.startswith('--')]
    return {*tasks[: min(ends, default=len(tasks))]} <= FAST_TASKS


FOUND = {
    tuple(words): item.place
    for page in PAGES
    for item in commands(page)
    if (words := quick(item.words))
    and not f'{item} '.startswith(tuple(COMMANDS))
}


def test_quick_commands_are_found():
    assert len(FOUND) > 15


@pytest.mark.slow
@pytest.mark.parametrize('words', FOUND, ids=' '.join)
def test_a_command_runs(words, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    try:
        code = main([*words])
    except SystemExit as error:  # argparse ends --help and --version so
        code = error.code
    said = capsys.readouterr()
    done = {0, WARNED} if words[0] == 'leaderboard' else {0}
    assert code in done, f'{FOUND[words]}: {said.err}'
    assert said.out or said.err
