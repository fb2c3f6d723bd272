import pytest

from ssl_bench.config import config_dir, load_config, parse_options
from ssl_bench.errors import UserError


def test_options_are_read_as_literals():
    options = parse_options(
        [
            'a.b=1',
            'c=1e-3',
            'd=x,2',
            'e=[1,2]',
            'f=true',
            'g=none',
            'h=text',
            'i=(1,2)',
            'j="q=r"',
        ]
    )
    assert options == {
        'a.b': 1,
        'c': 1e-3,
        'd': ['x', 2],
        'e': [1, 2],
        'f': True,
        'g': None,
        'h': 'text',
        'i': (1, 2),
        'j': 'q=r',
    }


@pytest.mark.parametrize('word', ['novalue', '=3'])
def test_option_without_key_or_value(word):
    with pytest.raises(UserError, match='key=value'):
        parse_options([word])


def test_config_is_found_by_name_and_overridden():
    config = load_config('_base_/default_runtime', {'randomness.seed': 5})
    assert config.randomness.seed == 5
    assert (config_dir() / '_base_/default_runtime.py').is_file()


def test_missing_config_names_near_ones():
    with pytest.raises(UserError, match='configs/mocov2_r50_200e.py'):
        load_config('configs/mocov2_r50_20e.py')


def test_broken_config_is_said_in_a_line(tmp_path):
    path = tmp_path / 'broken.py'
    path.write_text('model = dict(')
    with pytest.raises(UserError, match='does not load: SyntaxError'):
        load_config(path)
