"""`ssl-bench doctor`: lines, JSON, exit codes, and the self-test."""

import json
import os
import tempfile

import pytest

from ssl_bench.cli import doctor, main, selftest
from ssl_bench.errors import UserError
from ssl_bench.health import FAIL, OK, WARN, Check


@pytest.fixture
def checks(monkeypatch):
    """What the doctor finds."""
    found = [Check('a', OK, '1'), Check('b', WARN, '2', 'repair b')]
    monkeypatch.setattr(doctor, 'all_checks', lambda args: iter(found))
    return found


def test_lines_and_a_count(checks, capsys):
    assert main(['doctor']) == 0
    assert capsys.readouterr().out.splitlines() == [
        'ok    a: 1',
        'warn  b: 2',
        '      -> repair b',
        '1 ok, 1 warn, 0 fail',
    ]


def test_json_has_the_same(checks, capsys):
    checks.append(Check('c', FAIL, '3', 'repair c'))
    assert main(['doctor', '--json']) == 1
    found = json.loads(capsys.readouterr().out)
    assert found['schema'] == 1 and found['state'] == 'fail'
    assert {*found} == {'schema', 'version', 'state', 'checks'}
    assert found['checks'] == [
        dict(name='a', state='ok', found='1', cure=''),
        dict(name='b', state='warn', found='2', cure='repair b'),
        dict(name='c', state='fail', found='3', cure='repair c'),
    ]


def test_this_installation_works(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['doctor', '--json']) == 0
    found = {
        c['name']: c for c in json.loads(capsys.readouterr().out)['checks']
    }
    for name in ('torch', 'import of torch', 'devices', 'disk', 'configs'):
        assert found[name]['state'] == 'ok', found[name]
    assert os.listdir(tmp_path) == []


def test_every_method_and_mini_task_is_in_the_self_test():
    from ssl_bench.catalog import methods
    from ssl_bench.tasks.table import tasks

    found = selftest.items()
    names = {item.name for item in found}
    assert {name for name in tasks() if name.startswith('mini_')} <= names
    for method in methods().values():
        assert not method.files or names & {*method.short_names}, method.name
    after = {item.name: item.after for item in found if item.after}
    assert after['mini_in_c'] == 'mini_finetune'
    alone = selftest.items(['mini_in_a'])
    assert {item.name for item in alone} == {'mini_finetune', 'mini_in_a'}


def test_a_method_is_named_as_elsewhere():
    assert {i.name for i in selftest.items(['PixPro', 'mini_knn'])} == {
        'mini/pixpro_r18',
        'mini_knn',
    }
    both = {i.name for i in selftest.items(['instanceloc'])}
    assert both == {'mini/insloc_r18_fpn', 'mini/insloc_r18_c4'}
    with pytest.raises(UserError, match='self-test .random init.'):
        selftest.items(['random init'])  # nothing is pretrained


def test_a_wrong_name_stops_before_the_checks(capsys):
    assert main(['doctor', '--selftest', 'mini_kn']) == 2
    found = capsys.readouterr()
    assert found.out == '' and 'Did you mean mini_knn' in found.err


@pytest.mark.slow
def test_one_step_of_some_and_nothing_is_left(checks, capsys, monkeypatch):
    names = ['mini/pixpro_r18', 'mini_knn', 'mini_seg_upernet']
    before = set(os.listdir(tempfile.gettempdir()))
    assert main(['doctor', '--selftest', *names]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in names:
        (line,) = (line for line in lines if f' {name}: ' in line)
        assert line.startswith('ok ') and line.endswith(' s')
    assert lines[-1] == '4 ok, 1 warn, 0 fail'
    left = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in left if name.startswith('ssl_bench_')]


@pytest.mark.slow
def test_a_failure_is_a_line_with_method_and_error(
    checks, capsys, monkeypatch
):
    monkeypatch.setattr(selftest, 'make_data', lambda root: root.mkdir())
    assert main(['doctor', '--selftest', 'mini/pixpro_r18', 'mini_knn']) == 1
    out = capsys.readouterr().out
    assert 'fail  method mini/pixpro_r18: no folder ' in out
    assert 'fail  task mini_knn: mini_knn needs mini ImageNet train' in out
    assert '-> repeat it: ssl-bench pretrain mini/pixpro_r18' in out
    assert out.endswith('1 ok, 1 warn, 2 fail\n')
