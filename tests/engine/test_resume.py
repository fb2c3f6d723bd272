"""Where a run goes on: mid-epoch, a longer schedule, other batches."""

import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError


def read(path):
    return torch.load(path, weights_only=False)


def assert_same_weights(wanted, got):
    wanted, got = read(wanted)['state_dict'], read(got)['state_dict']
    assert wanted.keys() == got.keys()
    for name in wanted:
        assert torch.equal(wanted[name], got[name]), name


def rates(folder, epochs):
    """Rate after each epoch, from the checkpoints."""
    return [
        read(folder / f'epoch_{epoch}.pth')['optimizer']['param_groups'][0][
            'lr'
        ]
        for epoch in epochs
    ]


@HOOKS.register_module()
class SeeRates(Hook):
    """Keep the rate of each step of the optimizer."""

    seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        wrapper = runner.optim_wrapper
        if wrapper.should_sync():
            SeeRates.seen.append(wrapper.param_groups[0]['lr'])


def seen_rates(config, folder):
    """Rates of the steps of a run."""
    SeeRates.seen = []
    config.custom_hooks = [dict(type='SeeRates')]
    pretrain(config, folder)
    return SeeRates.seen


@pytest.mark.slow
@pytest.mark.parametrize('kept', [2, 3, 4])
def test_an_epoch_goes_on_where_the_checkpoint_was(config, tmp_path, kept):
    """Three iterations an epoch; 3 is between two epochs."""
    config.default_hooks.checkpoint = dict(
        type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=9
    )
    straight = pretrain(copy.deepcopy(config), tmp_path / 'straight')
    resumed = pretrain(
        config,
        tmp_path / 'on',
        resume=str(tmp_path / f'straight/iter_{kept}.pth'),
    )
    assert (straight.name, resumed.name) == ('iter_6.pth', 'iter_6.pth')
    assert_same_weights(straight, resumed)
    for key in ('optimizer', 'param_schedulers'):
        assert str(read(straight)[key]) == str(read(resumed)[key])
    first = tmp_path / f'on/iter_{kept + 1}.pth'
    assert read(first)['meta']['iter'] == kept + 1


@pytest.mark.parametrize('per_step', [False, True])
def test_a_longer_run_has_the_rates_of_the_longer_schedule(
    config, tmp_path, per_step
):
    config.param_scheduler = [
        dict(
            type='CosineAnnealingLR',
            T_max=2,
            end=2,
            convert_to_iter_based=per_step,
        )
    ]
    short = pretrain(copy.deepcopy(config), tmp_path / 'short')
    config.train_cfg.max_epochs = 4
    config.param_scheduler[0].update(T_max=4, end=4)
    pretrain(copy.deepcopy(config), tmp_path / 'long')
    pretrain(config, tmp_path / 'on', resume=str(short))
    wanted = rates(tmp_path / 'long', [3, 4])
    assert rates(tmp_path / 'on', [3, 4]) == wanted
    assert wanted[0] == pytest.approx(0.1 * (1 - 0.5**0.5) / 2)
    log = next((tmp_path / 'on').glob('*/*.log')).read_text()
    assert 'goes on with its own, at the rates' in log
    log = next((tmp_path / 'long').glob('*/*.log')).read_text()
    assert 'goes on with its own' not in log


def test_settings_of_the_optimizer_are_those_of_the_run(config, tmp_path):
    first = pretrain(copy.deepcopy(config), tmp_path / 'a')
    config.train_cfg.max_epochs = 3
    config.optim_wrapper.optimizer.weight_decay = 0.5
    last = read(pretrain(config, tmp_path / 'b', resume=str(first)))
    assert last['optimizer']['param_groups'][0]['weight_decay'] == 0.5


def test_another_seed_is_refused(config, tmp_path):
    first = pretrain(copy.deepcopy(config), tmp_path / 'a', seed=1)
    with pytest.raises(UserError, match='seed 1, this one has 0. Name seed 1'):
        pretrain(config, tmp_path / 'b', resume=str(first))


@pytest.fixture
def half(config, tmp_path):
    """A run of two epochs that ends after the first; its config."""
    pretrain(copy.deepcopy(config), tmp_path / 'a')
    return config, tmp_path / 'a/epoch_1.pth'


def with_sizes(path, **sizes):
    """A copy of a checkpoint that tells other sizes."""
    checkpoint = read(path)
    checkpoint['meta']['sizes'].update(sizes)
    other = path.with_name('other.pth')
    torch.save(checkpoint, other)
    return str(other)


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        (
            dict(processes=2),
            'a run with 4 images on each of 2 processes; this one has 4 '
            'images on 1 process, so.*Set '
            r'train_dataloader.batch_size=8, or start over \(without',
        ),
        (
            dict(accumulated=2),
            'gradients of 2 steps accumulated; .*batch_size=4 and '
            'optim_wrapper.accumulative_counts=2',
        ),
        (dict(images=11), 'a run on 11 images, this one has 12'),
    ],
)
def test_other_sizes_are_refused(half, tmp_path, sizes, message):
    config, path = half
    with pytest.raises(UserError, match=message):
        pretrain(config, tmp_path / 'b', resume=with_sizes(path, **sizes))


def test_as_many_images_on_other_processes_go_on(half, tmp_path):
    config, path = half
    other = with_sizes(path, processes=2, batch=2)
    last = pretrain(config, tmp_path / 'b', resume=other)
    assert read(last)['meta']['iter'] == 6
    log = next((tmp_path / 'b').glob('*/*.log')).read_text()
    assert (
        'each of 2 processes, this one has 4 images on 1 process: steps' in log
    )


def test_a_checkpoint_without_sizes_must_fit_the_epoch(half, tmp_path):
    config, path = half
    checkpoint = read(path)
    checkpoint['meta'].pop('sizes')
    torch.save(checkpoint, tmp_path / 'old.pth')
    config.train_dataloader.batch_size = 2  # six iterations an epoch
    config.train_dataloader.sampler.drop_last = True
    with pytest.raises(UserError, match='iteration 3 and epoch 1.* has 6 it'):
        pretrain(config, tmp_path / 'b', resume=str(tmp_path / 'old.pth'))


@pytest.mark.parametrize(
    'schedule',
    [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=5),
        dict(type='CosineAnnealingLR', by_epoch=False),
        dict(type='CosineAnnealingLR', T_max=2, convert_to_iter_based=True),
        dict(
            type='WarmupCosineLR', warmup=1, end=2, convert_to_iter_based=True
        ),
    ],
)
def test_accumulated_batches_leave_the_rates(config, tmp_path, schedule):
    """Two batches of two have the rates of one of four."""
    config.param_scheduler = [schedule]
    whole = seen_rates(copy.deepcopy(config), tmp_path / 'whole')
    config.train_dataloader.batch_size = 2
    config.optim_wrapper.accumulative_counts = 2
    parts = seen_rates(config, tmp_path / 'parts')
    assert len(whole) == 6 and len(set(whole)) > 2
    assert parts == pytest.approx(whole, rel=1e-12)


def test_scaling_counts_accumulated_batches(config, tmp_path):
    config.auto_scale_lr = dict(enable=True, base_batch_size=16)
    config.train_dataloader.batch_size = 4
    config.optim_wrapper.accumulative_counts = 3
    config.param_scheduler = [dict(type='CosineAnnealingLR', T_max=4, end=4)]
    pretrain(config, tmp_path)
    assert rates(tmp_path, [1, 2]) == pytest.approx(
        [0.75 * 0.1 * (1 + 0.5**0.5) / 2, 0.75 * 0.1 / 2]
    )


@pytest.mark.parametrize(('parts', 'wanted'), [(1, [0, 2]), (2, [2, 4])])
def test_partial_gradients_go_to_the_processes(parts, wanted):
    """The own part, or the mean of those of two processes."""
    from types import SimpleNamespace

    from ssl_bench.engine.accumulation import PartialGradientsHook

    model = torch.nn.Linear(1, 2)
    model.bias.requires_grad_(False)
    flat = [torch.tensor([0.0, 2.0]), torch.tensor([4.0, 6.0])]
    PartialGradientsHook().after_load_checkpoint(
        SimpleNamespace(model=model, _resume=True),
        dict(partial_gradients=flat[:parts]),
    )
    assert model.weight.grad.flatten().tolist() == wanted
    assert model.bias.grad is None


def test_each_process_mixes_its_own_way(registered, monkeypatch):
    """Mixed-up batches of fine-tuning: by step and process, repeatable."""
    from types import SimpleNamespace

    from mmpretrain.models.utils.batch_augments import RandomBatchAugment

    from ssl_bench.config import load_config
    from ssl_bench.engine import hooks

    preprocessor = load_config('transfer/in1k_finetune').model.train_cfg
    mix = RandomBatchAugment(**preprocessor)
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8)

    def mixed(step, rank):
        monkeypatch.setattr(hooks, 'get_rank', lambda: rank)
        hooks.StepSeedHook().before_train_iter(
            SimpleNamespace(seed=0, iter=step), 0
        )
        return mix(images.clone(), torch.eye(4))[1]

    assert torch.equal(mixed(0, 0), mixed(0, 0))
    assert not torch.equal(mixed(0, 0), mixed(0, 1))
    assert not torch.equal(mixed(0, 0), mixed(1, 0))
