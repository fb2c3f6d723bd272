import pytest

from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError


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
