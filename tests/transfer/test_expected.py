"""The published numbers that configs aim at are those of the table."""

import pytest

from ssl_bench.config import config_dir, load_config
from ssl_bench.results.names import method_key
from ssl_bench.results.published import published
from ssl_bench.tasks.table import TASKS

REAL = [
    name
    for name, task in TASKS.items()
    if not task.dataset.startswith('mini_')
]


def aims(task):
    """Every (method, metric, value, tolerance) of a config's recipes."""
    config = load_config(config_dir() / 'transfer' / f'{task}.py')
    yield from config.expected
    for recipe in config.get('recipes', {}).values():
        yield from recipe.get('expected', [])


def spellings(row):
    """How a config may name the method of a published row."""
    full = f'{row.method} {row.variant}'.strip()
    names = {row.method, full}
    if row.pretrain_epochs:
        names |= {f'{name} {row.pretrain_epochs:g}' for name in set(names)}
    return {method_key(name) for name in names}


@pytest.mark.parametrize('task', REAL)
def test_expected_numbers_were_published(task):
    printed = [row for row in published() if row.task == task]
    for method, metric, value, tolerance in aims(task):
        assert 0 < tolerance <= 1, (method, metric)
        assert any(
            method_key(method) in spellings(row)
            and (row.metric, row.value) == (metric, value)
            for row in printed
        ), (task, method, metric, value)
