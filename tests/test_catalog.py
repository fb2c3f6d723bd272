"""Lists of methods are made from docstrings and configs, and up to date."""

from pathlib import Path

import pytest

from ssl_bench.catalog import (
    describe,
    find_method,
    method_table,
    methods,
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


def test_every_method_says_what_it_learns_and_what_it_was_held_to(registered):
    for name, method in methods().items():
        assert (
            method.summary.endswith('.') and 20 < len(method.summary) < 90
        ), name
        assert len(method.parity) > 10, name
        assert method.paper or name == 'Random init', name
        assert method.description.count('\n') > 3, name
        assert 'Args:' not in method.description


def test_a_table_replaces_what_stands_between_the_marks(registered):
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


def test_show_names_paper_configs_and_settings(registered, capsys):
    assert main(['methods', 'show', 'mocov2']) == 0
    shown = capsys.readouterr().out
    for text in (
        'MoCo v2 (class MoCo)',
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
    """docs/methods.md, the table of what a contact sheet marks."""
    text = (ROOT / 'docs/methods.md').read_text()
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
    with pytest.raises(UserError, match=r'LEWEL B \(EMAN\).*LEWEL M'):
        find_method('LEWEL_C')


def test_an_unknown_method_is_answered_with_the_known_ones(registered):
    with pytest.raises(UserError, match='PixPo.*Did you mean PixPro.*MoCo v2'):
        find_method('PixPo')


def test_a_class_and_a_config_make_a_method(registered, tmp_path, monkeypatch):
    """Nothing else lists methods: no fifth place to edit."""
    from mmpretrain.models import BaseSelfSupervisor
    from mmpretrain.registry import MODELS

    class Mine(BaseSelfSupervisor):
        """Say in a line what is predicted from what.

        Reference: A. Uthor, arXiv:1234.56789.
        Parity: golden vectors of nothing
            at all.

        Args:
            none: At all.
        """

    monkeypatch.setitem(MODELS.module_dict, 'Mine', Mine)
    folder = tmp_path / 'configs'
    (folder / 'mini').mkdir(parents=True)
    (folder / 'mine_r50_1e.py').write_text(
        "method = dict(name='My Method')\nmodel = dict(type='Mine')\n"
    )
    monkeypatch.setattr('ssl_bench.catalog.config_dir', lambda: folder)
    found = methods.__wrapped__()
    assert list(found) == ['My Method', 'Random init', 'Supervised']
    mine = found['My Method']
    assert mine.summary == 'Say in a line what is predicted from what.'
    assert mine.parity == 'golden vectors of nothing at all.'
    assert (mine.paper, mine.paper_configs) == ('1234.56789', ['mine_r50_1e'])
    monkeypatch.setattr('ssl_bench.catalog.methods', lambda: found)
    assert (
        '| My Method | [1234.56789](https://arxiv.org/abs/1234.56789) | '
        'Say in a line what is predicted from what | `mine_r50_1e` | '
        'golden vectors of nothing at all |' in method_table()
    )
    mine.doc = 'A line.'
    with pytest.raises(UserError, match='Mine has no line `Parity:`'):
        mine.parity
