"""Pretraining: the runner, hooks, schedules and optimizers."""

import importlib

# modules whose classes go into mmengine's registries
for name in (
    'accumulation',
    'collapse',
    'hooks',
    'lars',
    'loops',
    'optim',
    'progress',
    'runner',
    'saving',
    'schedules',
):
    importlib.import_module(f'{__name__}.{name}')
