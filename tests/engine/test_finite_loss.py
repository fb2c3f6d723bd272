"""Losses and weights that are not finite stop a run in time."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS

from ssl_bench.engine.hooks import FiniteLossHook, not_finite
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from tests.processes import run_in_processes


@pytest.mark.slow
def test_nan_stops_the_run_and_names_the_last_checkpoint(config, tmp_path):
    config.optim_wrapper.optimizer.lr = 1e30
    with pytest.raises(UserError, match=r'loss became (nan|inf) at iter'):
        pretrain(config, tmp_path)
    assert not list(tmp_path.glob('*.pth'))


def bare_runner(folder, iteration, scaler=None):
    return SimpleNamespace(
        work_dir=str(folder),
        cfg={},
        iter=iteration,
        optim_wrapper=SimpleNamespace(loss_scaler=scaler),
        model=torch.nn.Linear(1, 1),
    )


def after(hook, runner, *losses):
    """Iterations with these losses, from the runner's on."""
    for loss in losses:
        hook.after_train_iter(runner, 0, outputs=dict(loss=loss))
        runner.iter += 1


def test_finite_loss_hook_names_the_iteration_and_checkpoint(tmp_path):
    torch.save(dict(meta=dict(iter=1)), tmp_path / 'epoch_1.pth')
    hook, runner = FiniteLossHook(), bare_runner(tmp_path, 3)
    after(hook, runner, torch.tensor(1.0), torch.tensor(float('nan')))
    with pytest.raises(
        UserError,
        match='nan at iteration 5. .*epoch_1.pth. .* continue with --resume',
    ):
        after(hook, runner, torch.tensor(1.0))
    (tmp_path / 'epoch_1.pth').unlink()
    for loss in ('inf', '-inf'):
        hook, runner = FiniteLossHook(), bare_runner(tmp_path, 4)
        after(hook, runner, float(loss))
        with pytest.raises(
            UserError, match=f'became {loss} at iteration 5. .* none'
        ) as stop:
            after(hook, runner, 0.0)
        assert '--resume' not in str(stop.value)


def test_the_last_losses_are_looked_at_before_anything_is_kept(tmp_path):
    for event in ('checkpoint', 'val', 'test'):
        hook, runner = FiniteLossHook(), bare_runner(tmp_path, 6)
        after(hook, runner, 1.0)
        getattr(hook, f'before_{event}')(runner)
        after(hook, runner, math.nan)
        with pytest.raises(UserError, match='nan at iteration 8'):
            getattr(hook, f'before_{event}')(runner)
    hook, runner = FiniteLossHook(), bare_runner(tmp_path, 0)
    after(hook, runner, math.inf)
    with pytest.raises(UserError, match='inf at iteration 1'):
        hook.after_train(runner)


def test_a_loss_explains_the_error_that_comes_of_it(tmp_path):
    hook, runner = FiniteLossHook(), bare_runner(tmp_path, 0)
    hook.explain(runner, ValueError())
    after(hook, runner, math.nan)
    hook.explain(runner, UserError('of the user'))
    with pytest.raises(UserError, match='nan at iteration 1'):
        hook.explain(runner, ValueError('cost matrix is infeasible'))
    # it was another process's, which spoilt the weights of this one
    hook, runner = FiniteLossHook(), bare_runner(tmp_path, 0)
    after(hook, runner, 1.0)
    hook.explain(runner, ValueError('of something else'))
    runner.model.weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match='weight was no longer .* iteration 1'):
        hook.explain(runner, ValueError('cost matrix is infeasible'))


def test_steps_that_a_loss_scaler_skips_do_not_stop_a_run(tmp_path):
    """Ten in a row do: the scale does not come down to anything."""
    scaler = SimpleNamespace(is_enabled=lambda: True)
    hook, runner = FiniteLossHook(), bare_runner(tmp_path, 0, scaler)
    after(hook, runner, *[math.inf] * 9, 1.0, *[math.nan] * 9)
    hook.before_checkpoint(runner)
    after(hook, runner, math.nan)
    with pytest.raises(UserError, match='nan at iteration 20'):
        after(hook, runner, 1.0)


@OPTIM_WRAPPERS.register_module()
class ScaledOnCPU(AmpOptimWrapper):
    """mmengine's, with torch's scaler for a CPU."""

    def __init__(self, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param, self.cast_dtype = None, None
        self.loss_scaler = torch.amp.GradScaler('cpu')

    def optim_context(self, model):
        return OptimWrapper.optim_context(self, model)


@HOOKS.register_module()
class SpoilLosses(Hook):
    """Losses of some iterations, counted from 1, are NaN."""

    def __init__(self, iterations):
        self.iterations = iterations

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        bad = runner.iter + 1 in self.iterations
        runner.model.head.temperature = torch.nan if bad else 0.2


@pytest.mark.parametrize(
    'nan, stops', [([2, 5], 0), ([*range(4, 14)], 13), ([*range(4, 13)], 0)]
)
def test_a_real_scaler_skips_steps_and_a_row_stops(
    config, tmp_path, nan, stops
):
    config.train_cfg.max_epochs = 5  # of three iterations
    config.default_hooks.checkpoint.interval = 5
    config.optim_wrapper.type = 'ScaledOnCPU'
    config.custom_hooks = [dict(type='SpoilLosses', iterations=nan)]
    if stops:
        with pytest.raises(UserError, match=f'nan at iteration {stops}[.]'):
            pretrain(config, tmp_path)
        assert not list(tmp_path.glob('*.pth'))
        return
    saved = torch.load(pretrain(config, tmp_path), weights_only=False)
    assert not_finite(saved['state_dict']) is None
    scaler = saved['optimizer']['loss_scaler']
    assert scaler['scale'] == 2.0 ** (16 - len(nan))


def test_weights_that_are_not_finite_are_not_tested(tmp_path):
    runner = bare_runner(tmp_path, 7)
    runner.model = torch.nn.BatchNorm1d(2)
    hook = FiniteLossHook(resumes=False)
    hook.before_test(runner)
    runner.model.running_var[1] = torch.nan
    for before in (hook.before_val, hook.before_test):
        with pytest.raises(
            UserError, match='running_var .* tested after iteration 7'
        ):
            before(runner)


def lose(rank, folder, saves):
    """The second process's loss of iteration 4 is NaN, the first's inf."""
    hook, runner = FiniteLossHook(), bare_runner(folder, 2)
    losses = [1.0, math.nan if rank else math.inf, 1.0, 1.0, 1.0]
    try:
        for loss in losses:
            after(hook, runner, loss)
            if saves and runner.iter == 4:
                hook.before_checkpoint(runner)
    except UserError as error:
        return str(error), runner.iter
    return '', 0


@pytest.mark.parametrize('saves', [False, True])
def test_all_processes_stop_at_a_loss_that_one_has(tmp_path, saves):
    """Two iterations later, or before a checkpoint."""
    for said, done in run_in_processes(lose, 2, tmp_path, saves):
        assert 'nan at iteration 4' in said
        assert done == (4 if saves else 5)


@HOOKS.register_module()
class Spoil(Hook):
    """As a gradient that overflows in the sixth step, of a finite loss."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        if runner.iter + 1 == 6:
            runner.model.backbone.conv1.weight.data.fill_(torch.inf)


@pytest.mark.slow
def test_weights_that_are_not_finite_are_not_saved(config, tmp_path):
    config.train_cfg.max_epochs = 3
    config.custom_hooks = [dict(type='Spoil')]
    with pytest.raises(
        UserError,
        match=(
            r'backbone.conv1.weight was no longer finite when the checkpoint '
            r'after iteration 6 .*checkpoint: .*epoch_1\.pth'
        ),
    ):
        pretrain(copy.deepcopy(config), tmp_path / 'run')
    (good,) = (tmp_path / 'run').glob('*.pth')
    assert good.name == 'epoch_1.pth'
    with pytest.raises(UserError, match='checkpoint: .*run/epoch_1.pth'):
        pretrain(config, tmp_path / 'other', resume=str(good))
