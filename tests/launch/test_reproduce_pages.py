"""The pages of the papers say what suites, tasks and published.csv say."""

from pathlib import Path

import pytest

from ssl_bench.launch.reproduce_pages import (
    index_page,
    other_suites,
    paper_page,
    reproduced,
    suite_costs,
)
from ssl_bench.launch.suite import read_suite, suites_dir
from ssl_bench.markdown_sections import replace_section

PAGES = Path(__file__).parents[2] / 'docs/reproduce'
UPDATE = 'run `python tools/reproduce_pages.py`'


@pytest.mark.parametrize('name', reproduced())
def test_a_page_is_up_to_date(name):
    text = (PAGES / f'{name}.md').read_text()
    body = paper_page(name)
    assert replace_section(text, 'reproduce', body) == text, UPDATE
    assert f'ssl-bench run {name}' in body
    assert 'GPU hours' in body or 'no source states' in body


def test_the_other_suites_are_in_the_index():
    text = (PAGES / 'index.md').read_text()
    assert replace_section(text, 'reproduce', index_page()) == text, UPDATE
    assert 'dinov2' in other_suites() and 'mini' not in other_suites()
    for name in reproduced():
        assert f'({name}.md)' in text


def test_costs_are_those_of_a_dry_run():
    """Counted without a look at what is there: of an empty folder."""
    lines = suite_costs(read_suite(suites_dir() / 'barlow_twins.yaml'))
    assert ' for 54 of 109;' in lines[0]
    assert 'about 9926 GPU hours for 6 of 8;' in lines[1]
