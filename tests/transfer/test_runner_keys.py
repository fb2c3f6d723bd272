"""Configs set what the runner reads on purpose only."""

import inspect
import re

import pytest
from mmengine.runner import Runner

from ssl_bench.config import config_dir, load_config

# what a config says to the runner
MEANT = {
    'activation_checkpointing',
    'auto_scale_lr',
    'custom_hooks',
    'data_preprocessor',
    'default_hooks',
    'default_scope',
    'env_cfg',
    'load_from',
    'log_level',
    'log_processor',
    'launcher',
    'model',
    'model_wrapper_cfg',
    'find_unused_parameters',
    'optim_wrapper',
    'param_scheduler',
    'randomness',
    'resume',
    'test_cfg',
    'test_dataloader',
    'test_evaluator',
    'train_cfg',
    'train_dataloader',
    'val_cfg',
    'val_dataloader',
    'val_evaluator',
    'visualizer',
    'work_dir',
    'experiment_name',
}


def runner_keys():
    """Names of the top-level settings that mmengine's runner looks up."""
    text = inspect.getsource(Runner)
    return set(re.findall(r'cfg\.get\(\s*\'(\w+)\'', text)) | set(
        re.findall(r'cfg\[\'(\w+)\'\]', text)
    )


def shipped():
    root = config_dir()
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob('*.py')
        if '_base_' not in path.parts
    )


def test_the_runner_reads_what_broke_detection_on_two_processes():
    assert {
        'sync_bn',
        'compile',
        'efficient_conv_bn_eval',
    } <= runner_keys() - MEANT


@pytest.mark.parametrize('path', shipped())
def test_no_config_sets_a_key_of_the_runner_by_accident(registered, path):
    config = load_config(path)
    assert set(config) & (runner_keys() - MEANT) == set()
    for name in ('find_unused_parameters',):
        assert isinstance(config.get(name, False), bool)
    assert not [name for name in config if name.startswith('edit')]
