"""Hooks, schedules and optimizers that the toolkits lack; the runner."""

import importlib

# the modules whose classes belong in mmengine's registries
for name in (
    'collapse',
    'hooks',
    'lars',
    'optim',
    'progress',
    'runner',
    'schedules',
):
    importlib.import_module(f'{__name__}.{name}')
