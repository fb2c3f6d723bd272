"""Pretraining: the runner, hooks, schedules and optimizers."""

import importlib

# modules whose classes go into mmengine's registries, or that replace parts of
# mmengine
for name in (
    'accumulation',
    'collapse',
    'hooks',
    'lars',
    'loops',
    'optim',
    'progress',
    'runner',
    'safe_loading',
    'saving',
    'schedules',
    'view_hook',
):
    importlib.import_module(f'{__name__}.{name}')
