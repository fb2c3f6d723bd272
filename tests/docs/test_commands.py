"""Every command on the pages is right: it is run, or read as it would be.

A command of a program that `checking` does not know fails, so that somebody
decides what to do with it: teach `checking`, or give the reason why not in
`exceptions`.
"""

import pytest

from ssl_bench.errors import UserError
from tests.docs.checking import OWN_FILES, Unknown, Wrong, check
from tests.docs.exceptions import COMMANDS
from tests.docs.pages import PAGES, Command, commands

FOUND = [command for page in PAGES for command in commands(page)]
# each once, at the first place that it stands
ALL = {(str(item), item.mention, item.after): item for item in FOUND[::-1]}


def exception(command: Command) -> str | None:
    """The beginning that excuses it, if there is one."""
    text = f'{command} '
    return next((start for start in COMMANDS if text.startswith(start)), None)


def test_commands_are_found():
    scripts = [item for item in FOUND if not item.mention]
    assert len(scripts) > 80 and len(FOUND) - len(scripts) > 60


def test_every_exception_is_needed():
    used = {exception(item) for item in FOUND}
    assert set(COMMANDS) - used == set()
    assert all(COMMANDS.values())


@pytest.mark.parametrize(
    'command',
    sorted(ALL.values(), key=lambda item: (item.place, str(item))),
    ids=lambda item: f'{item.place} {item}'[:90],
)
def test_a_command_is_right(command, tmp_path, monkeypatch):
    if exception(command):
        return
    monkeypatch.chdir(tmp_path)  # as for somebody who has the package only
    for name, text in OWN_FILES.items():
        (tmp_path / name).write_text(text)
    refused = command.after.startswith(f'{" ".join(command.words[:2])}: ')
    try:
        check(command.words, command.mention)
    except Unknown as error:
        pytest.fail(f'{command.place}: nothing checks {error}: {command}')
    except UserError as error:
        assert refused, f'{command.place}: {error}'
        assert str(error)[:60] in command.after
    except Wrong as error:
        pytest.fail(f'{command.place}: {error}')
    else:
        assert not refused, f'{command.place}: the page says it is refused'


@pytest.mark.parametrize(
    'words, what',
    [
        ('ssl-bench transfr x', 'no ssl-bench transfr'),
        ('ssl-bench transfer random --task mini_kn', 'mini_knn'),
        ('ssl-bench transfer random --tasks mini_knn --sed 1', '--seeds'),
        ('ssl-bench pretrain insloc_r50_fpm', 'insloc_r50_fpn'),
        (
            'ssl-bench transfer work_dirs/insloc_r18_fpn/epoch_61.pth '
            '--tasks mini_knn',
            'ends at epoch 60',
        ),
        ('ssl-bench convert in out --to tim', 'timm'),
        ('ssl-bench data mini --rot x', '--root'),
        ('ssl-bench run inslok', 'insloc'),
        ('ssl-bench leaderboard --paper inslok', 'inslok'),
        ('python tools/trane.py configs/insloc_r50_fpn.py', 'not a file'),
        ('python benchmarks/step.py --papers', '--papers'),
        ('bash tools/dist_train.sh configs/no.py 8', 'configs/no.py'),
        ('make demos', 'demos'),
        ('pip install ssl-bench[wandbb]', 'wandbb'),
        ('git clon x', 'git'),
    ],
)
def test_a_wrong_command_is_found(words, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((Wrong, UserError, Unknown), match=what):
        check(tuple(words.split()))
