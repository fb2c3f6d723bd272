import os

import pytest
from mmengine.config import Config

from ssl_bench.config import (
    config_dir,
    config_dirs,
    load_config,
    parse_config,
    read_literals,
)
from ssl_bench.errors import UserError, one_line


def test_config_is_found_by_name_and_overridden():
    config = load_config('_base_/default_runtime', {'randomness.seed': 5})
    assert config.randomness.seed == 5
    assert (config_dir() / '_base_/default_runtime.py').is_file()


def test_missing_config_names_near_ones():
    with pytest.raises(UserError, match='configs/mocov2_r50_200e.py'):
        load_config('configs/mocov2_r50_20e.py')


def test_a_dumped_config_is_read_and_not_run(tmp_path):
    config = Config(
        dict(
            model=dict(type='MoCo', backbone=dict(depth=18, arch='b')),
            values=[1, -2.5, (3, None)],
            table={'a b': True, 1: 'x'},
        )
    )
    found = parse_config(config.pretty_text)
    assert found['model'] == dict(
        type='MoCo', backbone=dict(depth=18, arch='b')
    )
    assert found['values'] == [1, -2.5, [3, None]]
    assert found['table'] == {'a b': True, 1: 'x'}
    marker = tmp_path / 'run'
    found = parse_config(f'a = open({str(marker)!r}, "w")\nb = 2')
    assert found == dict(a=None, b=2) and not marker.exists()
    assert parse_config('not python at all') == {}


def test_bases_are_merged_as_mmengine_does(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/one.py').write_text(
        "model = dict(type='A', head=dict(n=1, m=2), neck=dict(k=1))\n"
        'other = 1\n'
    )
    (tmp_path / 'a/two.py').write_text("method = dict(name='M', variant='V')")
    (tmp_path / 'top.py').write_text(
        "_base_ = ['a/one.py', 'a/two.py']\n"
        'model = dict(head=dict(n=3), neck=dict(_delete_=True, j=2))\n'
        "method = dict(variant='W')\n"
        'other = 2\n'
    )
    found = read_literals(tmp_path / 'top.py')
    assert found == dict(
        model=dict(type='A', head=dict(n=3, m=2), neck=dict(j=2)),
        method=dict(name='M', variant='W'),
        other=2,
    )
    assert found == Config.fromfile(tmp_path / 'top.py').to_dict()


def test_bases_of_toolkits_are_found():
    found = read_literals(config_dir() / 'swav_r50_200e.py')
    assert found['model']['type'] == 'SwAV'
    assert found['model']['head']['type'] == 'SwAVHead'


BROKEN = {
    'syntax': ('model = dict(', "SyntaxError: '(' was never closed (line 1)"),
    'name': ('a = 1\nb = c', "NameError: name 'c' is not defined (line 2)"),
    'base': ("_base_ = 'none.py'", 'its base none.py does not exist'),
    'import': (
        "custom_imports = dict(imports=['no_such_module'])",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    'in a base': (
        "_base_ = 'inner.py'",
        'ZeroDivisionError: division by zero ({}/inner.py, line 3)',
    ),
    'syntax in a base': (
        "_base_ = 'syntax.py'",
        'syntax.py does not load: SyntaxError: invalid syntax (line 1)',
    ),
    'a message with all settings': (
        "_base_ = 'inner2.py'\nmodel = dict(a=[dict(b=i) for i in range(99)])",
        'in base config',
    ),
}


@pytest.mark.parametrize('case', BROKEN)
def test_broken_config_is_told_in_a_line(tmp_path, case):
    (tmp_path / 'inner.py').write_text('\n\na = 1 / 0\n')
    (tmp_path / 'inner2.py').write_text('model = [1]\n')
    (tmp_path / 'syntax.py').write_text('a = b c\n')
    path = tmp_path / 'broken.py'
    text, message = BROKEN[case]
    path.write_text(text)
    with pytest.raises(UserError, match='does not load: ') as error:
        load_config(path)
    line = str(error.value)
    assert message.format(tmp_path) in line
    assert '\n' not in line and len(line) <= 300 + len(str(tmp_path))


def test_long_messages_lose_their_middle():
    assert one_line('a\n  b\tc') == 'a b c'
    line = one_line('start ' + 'x ' * 300 + 'end', 100)
    assert len(line) == 100
    assert line.startswith('start x') and line.endswith('x end')
    assert ' ... ' in line


def test_an_override_that_does_not_fit_is_told_in_a_line():
    with pytest.raises(UserError) as error:
        load_config('mini/pixpro_r18', {'param_scheduler.7.end': 3})
    line = str(error.value)
    assert '\n' not in line and len(line) < 400


def test_folders_of_the_user_have_configs_too(tmp_path, monkeypatch):
    folders = [tmp_path / 'a', tmp_path / 'b']
    for folder in folders:
        folder.mkdir()
    (folders[1] / 'mine_r50_1e.py').write_text('x = 3')
    monkeypatch.setenv('SSL_BENCH_CONFIGS', os.pathsep.join(map(str, folders)))
    assert config_dirs() == [config_dir(), *folders]
    assert load_config('mine_r50_1e').x == 3
    assert load_config('mini/pixpro_r18').model.type == 'PixPro'
    with pytest.raises(UserError, match=f'mean {folders[1]}/mine_r50_1e.py'):
        load_config('mine_r50_2e')
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path / 'none'))
    with pytest.raises(UserError, match='none is not a folder'):
        config_dirs()
    monkeypatch.delenv('SSL_BENCH_CONFIGS')
    assert config_dirs() == [config_dir()]


def test_bases_of_toolkits_are_found_without_their_indexes(monkeypatch):
    """Parsing the indexes took most of the time of loading a config."""
    from mmengine.config import utils

    def load(path):
        raise AssertionError(f'{path} was parsed')

    monkeypatch.setattr(utils, 'load', load)
    config = load_config('transfer/in1k_linear')
    assert config.model.type == 'ImageClassifier'


def test_only_the_notes_of_the_toolkits_are_dropped(tmp_path, capsys):
    (tmp_path / 'c.py').write_text(
        "print('Could not import OneDL. Skipping.')\nprint('hello')\na = 1\n"
    )
    assert load_config(tmp_path / 'c.py').a == 1
    assert capsys.readouterr().out == 'hello\n'


def test_a_config_among_its_own_bases(tmp_path):
    (tmp_path / 'a.py').write_text("_base_ = './b.py'\n")
    (tmp_path / 'b.py').write_text("_base_ = './a.py'\n")
    for read in (read_literals, load_config):
        with pytest.raises(UserError, match='it is among its own bases'):
            read(tmp_path / 'a.py')


def test_options_that_nothing_reads_are_refused():
    with pytest.raises(UserError, match="'train_dataloder'. Did you mean tr"):
        load_config('mini/mocov2_r18', {'train_dataloder.batch_size': 1})
    found = load_config(
        'mini/mocov2_r18', {'find_unused_parameters': True, 'resume': True}
    )
    assert found.find_unused_parameters and found.resume


def test_names_that_methods_prints_are_found_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config('configs/mini/mocov2_r18.py').model.type == 'PaperMoCo'
