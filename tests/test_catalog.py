"""Lists of methods are made from docstrings and configs, and up to date."""

import subprocess
import sys
from pathlib import Path

import pytest

from ssl_bench.catalog import (
    _read_catalog,
    describe,
    find_method,
    method_table,
    methods,
    read_catalog,
    with_table,
)
from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.config_summary import settings_line
from ssl_bench.errors import UserError

ROOT = Path(__file__).parents[1]


def test_the_readme_has_the_present_table(registered):
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert method_table() in readme, (
        'run `ssl-bench methods table --update README.md`'
    )


def test_every_config_belongs_to_a_method(registered):
    root = config_dir()
    files = {
        path.relative_to(root.parent).as_posix()
        for path in [*root.glob('*.py'), *root.glob('mini/*.py')]
    }
    listed = [path for method in methods().values() for path in method.configs]
    assert sorted(listed) == sorted(files)


def test_every_method_says_what_it_learns_and_was_compared_with(registered):
    for name, method in methods().items():
        assert (
            method.summary.endswith('.') and 20 < len(method.summary) < 90
        ), name
        assert len(method.parity) > 10, name
        assert method.paper or name == 'Random init', name
        assert method.description.count('\n') > 3, name
        assert 'Args:' not in method.description


def test_a_table_replaces_what_is_between_the_marks(registered):
    text = 'a\n<!-- methods -->\nstale row\n<!-- /methods -->\nb\n'
    new = with_table(text)
    assert new.startswith('a\n<!-- methods -->\n| Method')
    assert new.endswith(' |\n<!-- /methods -->\nb\n')
    assert 'stale row' not in new
    assert with_table(new) == new
    with pytest.raises(UserError, match='<!-- methods -->'):
        with_table('no marks')


def test_update_writes_the_table_into_a_file(registered, tmp_path, capsys):
    path = tmp_path / 'page.md'
    path.write_text('<!-- methods --><!-- /methods -->')
    assert main(['methods', 'table', '--update', str(path)]) == 0
    assert method_table() in path.read_text()
    assert main(['methods', 'table']) == 0
    assert capsys.readouterr().out.strip() == method_table()
    assert main(['methods', 'table', '--update', str(tmp_path / 'no')]) == 2


@pytest.mark.parametrize(
    'config, line',
    [
        (
            'pixpro_r50_100e',
            'batch 1024; 100 epochs; LARS, lr 4, weight decay '
            '1e-05; cosine after 5 epochs of warm-up; 2 views of 224 px (area 0.08 '
            'to 1)',
        ),
        (
            'insloc_r50_fpn',
            'batch 256; 200 epochs; SGD, lr 0.03, weight decay '
            '0.0001; cosine; 2 views of 256 px (area 0.2 to 1)',
        ),
        (
            'swav_r50_200e',
            'batch 256; 200 epochs; LARS, lr 0.6, weight decay '
            '1e-06; cosine; 2 views of 224 px (area 0.14 to 1) + 6 views of 96 px '
            '(area 0.05 to 0.14)',
        ),
        (
            'mae_vitb16_800e',
            'batch 4096; 800 epochs; AdamW, lr 0.0024, weight '
            'decay 0.05; cosine after 40 epochs of warm-up; 1 view of 224 px (area '
            '0.2 to 1)',
        ),
    ],
)
def test_settings_are_read_from_the_config(registered, config, line):
    assert settings_line(load_config(config)) == line


@pytest.mark.parametrize(
    'words', ['show mocov2', 'mocov2', 'MoCo v2', 'moco_v2']
)
def test_show_names_paper_configs_and_settings(registered, capsys, words):
    assert main(['methods', *words.split()]) == 0
    shown = capsys.readouterr().out
    for text in (
        'MoCo v2 (class PaperMoCo)',
        'abs/2003.04297',
        'Parity: ',
        'configs/mocov2_r50_800e.py',
        '800 epochs',
        'moving average',
        'queue_len=65536',
        'momentum=0.001',
        'head.temperature=0.2',
    ):
        assert text in shown, text
    assert '_scope_' not in shown


@pytest.mark.parametrize(
    'word, name',
    [
        ('random', 'Random init'),
        ('Supervised', 'Supervised'),
        ('random init', 'Random init'),
        ('moco V3', 'MoCo v3'),
        ('siamese-im', 'SiameseIM'),
        ('LEWEL_M', 'LEWEL'),
        ('LEWEL_B', 'LEWEL'),
        ('InsLoc C4', 'InsLoc'),
    ],
)
def test_names_are_found_in_any_spelling(registered, word, name):
    assert find_method(word).name == name
    assert name in describe(word)


def test_show_lists_numbers_that_a_config_leaves_to_the_class(registered):
    shown = describe('PixPro')
    for text in ('threshold=0.7', 'momentum=0.99', 'instance_weight=1.0'):
        assert text in shown, text


def test_the_docs_mark_methods_that_exist(registered):
    """docs/pretrain.md, the table of what a contact sheet marks."""
    text = (ROOT / 'docs/pretrain.md').read_text()
    table = text.split('| Method | Marks |')[1].split('\n\n')[0]
    names = [
        name
        for row in table.splitlines()[2:]
        for name in row.split('|')[1].strip().split(', ')
    ]
    assert len(names) > 4 and names.pop() == 'the others'
    for name in names:
        assert find_method(name).name == name


def test_an_unknown_variant_is_answered_with_the_known_ones(registered):
    with pytest.raises(UserError, match=r'LEWEL, LEWEL M or LEWEL B'):
        find_method('LEWEL_C')


def test_an_unknown_method_is_answered_with_the_known_ones(registered):
    with pytest.raises(UserError, match='PixPo.*Did you mean PixPro or '):
        find_method('PixPo')


MINE = """
from mmpretrain.registry import MODELS

raise SystemExit('the file was run')


@MODELS.register_module()
class Mine:
    '''Say in a line what is predicted from what.

    Reference: A. Uthor, arXiv:1234.56789.
    Parity: golden vectors of nothing
        at all.

    Args:
        none: At all.
    '''
"""
CONFIG = """
method = dict(name='My Method')
model = dict(type='Mine')
custom_imports = dict(imports=['my_methods.mine'])
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder of configs and a package, both outside of the checkout."""
    folder = tmp_path / 'mine'
    (folder / 'mini').mkdir(parents=True)
    (folder / 'mine_r50_1e.py').write_text(CONFIG)
    (tmp_path / 'my_methods').mkdir()
    (tmp_path / 'my_methods/mine.py').write_text(MINE)
    (tmp_path / 'my_methods/__init__.py').write_text('raise SystemExit')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(folder))
    _read_catalog.cache_clear()
    yield folder
    _read_catalog.cache_clear()


def test_a_class_and_a_config_make_a_method(outside):
    """Nothing else lists methods; nothing of theirs is run."""
    found = methods()
    assert {'My Method', 'PixPro', 'Random init'} < set(found)
    assert not read_catalog().broken
    mine = found['My Method']
    assert mine.summary == 'Say in a line what is predicted from what.'
    assert mine.parity == 'golden vectors of nothing at all.'
    assert (mine.paper, mine.paper_configs) == ('1234.56789', ['mine_r50_1e'])
    assert mine.configs == [str(outside / 'mine_r50_1e.py')]
    assert (
        '| My Method | [1234.56789](https://arxiv.org/abs/1234.56789) | '
        'Say in a line what is predicted from what | `mine_r50_1e` | '
        'golden vectors of nothing at all |' in method_table()
    )
    mine.doc = 'A line.'
    with pytest.raises(UserError, match='Mine has no line `Parity:`'):
        mine.parity


BROKEN = {
    'syntax.py': (
        'model = dict(',
        "SyntaxError: '(' was never closed (line 1)",
    ),
    'base.py': ("_base_ = 'none.py'", 'its base none.py does not exist'),
    'toolkit.py': (
        "_base_ = 'mmpretrain::none/none.py'",
        'its base mmpretrain::none/none.py does not exist',
    ),
    'package.py': (
        "_base_ = 'nowhere::none/none.py'",
        'its base nowhere::none/none.py does not exist',
    ),
    'inner.py': ("_base_ = 'syntax.py'", "'(' was never closed (line 1)"),
    'itself.py': ("_base_ = 'itself.py'", 'it is among its own bases'),
    'unnamed.py': ("model = dict(type='MoCo')", 'literal `method = dict(name'),
    'computed.py': (
        "method = dict(name='A' + 'B')\nmodel = dict(type='MoCo')",
        'literal `method = dict(name',
    ),
    'model.py': ("method = dict(name='A')", 'literal `model = dict(type'),
    'unknown.py': (
        "method = dict(name='A')\nmodel = dict(type='PixPo')",
        "unknown model 'PixPo'. Did you mean PixPro",
    ),
    'bytes.py': ('# \udcff', "can't decode byte 0xff"),
}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_config_is_one_line_at_the_end(outside, capsys, name):
    for file in {name, 'syntax.py'} if name == 'inner.py' else {name}:
        text = BROKEN[file][0]
        (outside / file).write_bytes(text.encode('utf-8', 'surrogateescape'))
    assert main(['methods']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith('My Method ') for line in lines)
    assert any(line.startswith('Supervised ') for line in lines)
    at = next(i for i, line in enumerate(lines) if 'warning: ' in line)
    warnings = [line.removeprefix('warning: ') for line in lines[at:]]
    assert len(warnings) == (2 if name == 'inner.py' else 1)
    assert warnings[0].startswith(str(outside / name))
    assert BROKEN[name][1] in warnings[0]
    assert max(map(len, warnings)) <= 200


def test_a_broken_file_of_a_method_is_one_line(outside, monkeypatch, tmp_path):
    import ssl_bench.methods

    folder = tmp_path / 'package'
    folder.mkdir()
    (folder / 'bad.py').write_text('\nclass Bad(:\n')
    monkeypatch.setattr(
        ssl_bench.methods.__spec__,
        'submodule_search_locations',
        [*ssl_bench.methods.__path__, str(folder)],
    )
    assert read_catalog().broken == [
        f'{folder / "bad.py"}: SyntaxError: invalid syntax (line 2)'
    ]
    assert 'PixPro' in methods()


def test_show_says_why_a_config_does_not_load(outside, registered, capsys):
    (outside / 'pixpro_a.py').write_text(
        "method = dict(name='PixPro')\nmodel = dict(type='PixPro')\nx = y\n"
    )
    (outside / 'pixpro_b.py').write_text(
        "method = dict(name='PixPro')\nmodel = dict(type='PixPro')\n"
    )
    assert main(['methods', 'show', 'PixPro']) == 0
    lines = capsys.readouterr().out.splitlines()
    (bad,) = (line for line in lines if 'pixpro_a.py' in line)
    assert bad.endswith(
        "does not load: NameError: name 'y' is not defined (line 3)"
    )
    (lacking,) = (line for line in lines if 'pixpro_b.py' in line)
    assert 'its settings cannot be read: ' in lacking
    assert any('threshold=0.7' in line for line in lines)


def test_an_unknown_method_may_have_a_broken_config(outside, capsys):
    (outside / 'mine_r50_1e.py').write_text('method = dict(')
    assert main(['methods', 'show', 'My Method']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown method 'My Method'" in line
    assert "mine_r50_1e.py: does not load: SyntaxError: '('" in line


def test_listing_imports_no_toolkit():
    """Names, texts and configs in a fraction of a second."""
    code = (
        'import sys\n'
        'from ssl_bench.cli import main\n'
        'assert main(["methods"]) == 0\n'
        'heavy = {"torch", "mmengine", "mmpretrain", "numpy"}\n'
        'sys.exit(str(heavy & set(sys.modules)) if heavy & '
        'set(sys.modules) else 0)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert 'mini/pixpro_r18' in done.stdout


def test_what_is_read_is_what_is_loaded(registered):
    """Method and model of every config, as mmengine merges them."""
    from ssl_bench.config import read_literals

    for path in [*config_dir().glob('*.py'), *config_dir().glob('mini/*.py')]:
        found, config = read_literals(path), load_config(path)
        assert found['method'] == config.method, path
        assert found['model']['type'] == config.model.type, path


def test_texts_are_the_docstrings_of_the_registered_classes(registered):
    import inspect

    from mmpretrain.registry import MODELS

    from ssl_bench.baselines import BASELINES

    ours = 0
    for method in methods().values():
        kind = MODELS.get(method.model) if method.model else None
        if kind is not None and kind.__module__.startswith('ssl_bench'):
            assert method.doc == BASELINES.get(
                f'{method.model}: {method.name}', inspect.getdoc(kind)
            )
            ours += 1
    assert ours >= 10
