import os
import signal
import subprocess
import sys

import pytest

from ssl_bench.cli import SUBCOMMANDS, build_parser, main
from ssl_bench.errors import UserError, printable, unknown_name


def test_help_imports_no_torch():
    code = (
        'import sys\n'
        'from ssl_bench.cli import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: pass\n'
        'heavy = {"torch", "mmengine", "numpy", "pandas"}\n'
        'sys.exit(str(heavy & set(sys.modules)) if heavy & '
        'set(sys.modules) else 0)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    for name in SUBCOMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize('name', SUBCOMMANDS)
def test_every_subcommand_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args([name, '--help'])
    assert stop.value.code == 0
    assert f'ssl-bench {name}' in capsys.readouterr().out


def run_raising(monkeypatch, error):
    def run(args):
        raise error

    monkeypatch.setattr('ssl_bench.cli.doctor.run', run)
    return main(['doctor'])


def test_user_errors_are_one_line_and_exit_2(monkeypatch, capsys):
    assert run_raising(monkeypatch, UserError('no folder x.')) == 2
    assert capsys.readouterr().err == 'ssl-bench doctor: no folder x.\n'


def test_interrupt_exits_130_without_a_traceback(monkeypatch, capsys):
    assert run_raising(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == 'ssl-bench doctor: interrupted\n'


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_a_run_stopped_at_its_start_is_started_again(monkeypatch, number):
    def run(args):
        os.kill(os.getpid(), number)
        raise SystemExit('it went on')

    monkeypatch.setattr('ssl_bench.cli.pretrain.run', run)
    child = os.fork()
    if not child:
        try:
            main(['pretrain', 'x'])
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
    assert signal.getsignal(number) is signal.SIG_DFL


def test_unknown_name_lists_near_ones():
    message = str(unknown_name('task', 'mini_kn', ['mini_knn', 'coco']))
    assert message == (
        "unknown task 'mini_kn'. Did you mean mini_knn? Known: coco, mini_knn."
    )


def test_control_characters_are_not_printed():
    """Names come from records and files of others."""
    assert printable('a\x1b[31mb\u202e\nc é') == 'a\\x1b[31mb\\u202e\nc é'


@pytest.mark.parametrize('rank, lines', [('0', 2), ('1', 0)])
def test_one_of_several_processes_says_where_the_weights_are(
    monkeypatch, capsys, rank, lines
):
    from ssl_bench.engine import pretrain

    monkeypatch.setattr(pretrain, 'pretrain', lambda *_: 'epoch_4.pth')
    monkeypatch.setenv('RANK', rank)
    assert main(['pretrain', 'configs/mini/pixpro_r18.py', '--quiet']) == 0
    out = capsys.readouterr().out.splitlines()
    assert sum('epoch_4.pth' in line for line in out) == lines
