"""A misspelt option stops the command; a new key is marked as such."""

import pytest

from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan

PRETRAIN = 'pixpro_r50_100e.py'


@pytest.mark.parametrize(
    'key, message',
    [
        (
            'train_dataloder.batch_size',
            "unknown setting 'train_dataloder'. Did you mean train_dataloader",
        ),
        (
            'train_dataloader.bach_size',
            "unknown key of train_dataloader 'bach_size'. Did you mean "
            'batch_size',
        ),
        (
            'model.backbone.dept',
            "unknown key of model.backbone 'dept'. Did you mean depth",
        ),
        ('optim_wrapper.optimizer.learning_rate', "'learning_rate'"),
        ('optim_wrapper.optimiser.lr', 'Did you mean optimizer'),
        ('optim_wrapper.paramwise_cfg.bias_lr_mul', 'bias_lr_mult'),
        ('train_cfg.max_epoch', 'Did you mean max_epochs'),
        ('train_dataloader.dataset.pipline', 'Did you mean pipeline'),
        ('train_dataloader.dataset.pipeline.MakeViews.veiws', 'views'),
        ('train_dataloader.dataset.pipeline.0.veiws', 'views'),
        ('default_hooks.logger.intervall', 'Did you mean interval'),
        ('randomness.sed', 'Did you mean seed'),
    ],
)
def test_pretraining(key, message):
    with pytest.raises(UserError) as error:
        load_config(PRETRAIN, {key: 1})
    assert message in str(error.value)
    assert f'write +{key}=VALUE' in str(error.value)
    assert load_config(PRETRAIN, {}) is not None


@pytest.mark.parametrize(
    'key',
    [
        'train_dataloader.batch_size',  # the config has it
        'train_dataloader.prefetch_factor',  # torch's loader takes it
        'train_dataloader.dataset.indices',  # a base of the class takes it
        'model.backbone.frozen_stages',
        'model.backbone.norm_cfg.requires_grad',
        'optim_wrapper.accumulative_counts',
        'optim_wrapper.clip_grad.max_norm',
        'optim_wrapper.optimizer.weight_decay',
        'default_hooks.checkpoint.max_keep_ckpts',
        'train_cfg.val_begin',
        'randomness.seed',
        'env_cfg.resource_limit',
        'speed.tf32',
        'resume',
        '+method.note',
        '+model.backbone.dept',
        '+anything',
    ],
)
def test_what_is_read_is_taken(key):
    config = load_config(PRETRAIN, {key: 7})
    node = config
    for step in key.removeprefix('+').split('.'):
        node = node[step]
    assert node == 7


@pytest.mark.parametrize(
    'task, key, near',
    [
        (
            'voc0712_det_c4',
            'model.rpn_head.loss_cls.loss_wieght',
            'loss_weight',
        ),
        ('voc0712_det_c4', 'train_cfg.max_iter', 'max_iters'),
        (
            'voc0712_det_c4',
            'model.roi_head.bbox_head.num_clases',
            'num_classes',
        ),
        ('voc12aug_fcn', 'model.decode_head.dropout_rato', 'dropout_ratio'),
        ('in1k_knn', 'probe.headlin', 'headline'),
        ('in1k_linear', 'model.head.num_class', 'num_classes'),
    ],
)
def test_transfer(task, key, near):
    with pytest.raises(UserError, match=f'Did you mean .*{near}'):
        make_plan(task, overrides={key: 1})
    plan = make_plan(task, overrides={f'+{key}': 1})
    assert plan.departures == [f'{key}=1']


@pytest.mark.parametrize(
    'key, value, message',
    [
        ('train_cfg.max_epochs', 'ten', 'is 100: write a number'),
        ('model.backbone.zero_init_residual', 'x', 'write true or false'),
        ('auto_scale_lr.enable', 'no', 'auto_scale_lr.enable=no: write true'),
        ('+', 3, "'\\+' is not a key"),
        ('++seed', 3, 'is not a key'),
        ('+a-b', 3, 'is not a key'),
        ('+model.', 3, 'is not a key'),
        ('+class', 3, 'is not a key'),
    ],
)
def test_what_no_config_takes(key, value, message):
    """These ended in a traceback, or `no` counted as true."""
    with pytest.raises(UserError, match=message):
        load_config(PRETRAIN, {key: value})


@pytest.mark.parametrize(
    'task, key, value, message',
    [
        ('mini_seg_fcn', 'train_cfg.max_iters', [2, 3], 'a whole number, not'),
        ('mini_seg_fcn', 'train_dataloader.batch_size', 1.5, 'whole number'),
        ('mini_seg_fcn', 'train_cfg.max_iters', 'x', 'write a number'),
    ],
)
def test_counts_are_whole_numbers(task, key, value, message):
    with pytest.raises(UserError, match=message):
        make_plan(task, overrides={key: value})


def test_options_in_several_places_are_all_taken(capsys):
    words = ['--cfg-options', 'train_cfg.max_iter=2', '--cfg-options', 'x=1']
    task = ['transfer', 'random', '--tasks', 'mini_knn', '--dry-run']
    assert main([*task, *words]) == 2
    assert "'train_cfg.max_iter', 'x'" in capsys.readouterr().err


@pytest.mark.parametrize('seed', ['-1', '4294967296', '1.5', 'x'])
def test_seeds_are_checked_before_a_run(capsys, seed):
    """-1 used to train, and then to have no record."""
    with pytest.raises(SystemExit):
        main(['transfer', 'random', '--tasks', 'mini_knn', '--seeds', seed])
    assert 'not a whole number from 0 to' in capsys.readouterr().err


def test_a_dict_is_looked_into():
    with pytest.raises(UserError, match='Did you mean depth'):
        load_config(PRETRAIN, {'model': {'backbone': {'dept': 18}}})
    config = load_config(PRETRAIN, {'model': {'backbone': {'depth': 18}}})
    assert config.model.backbone.depth == 18


def test_the_command_says_it(capsys):
    words = ['--cfg-options', 'train_dataloder.batch_size=2']
    assert main(['pretrain', str(config_dir() / PRETRAIN), *words]) == 2
    assert 'Did you mean train_dataloader' in capsys.readouterr().err
    words[1] = 'train_cfg.max_epoch=2'
    assert (
        main(
            ['transfer', 'random', '--tasks', 'mini_knn', '--dry-run', *words]
        )
        == 2
    )
