"""The last checkpoint's numbers, and the best one's under their own names."""

import pytest
import torch
from mmengine.config import Config

from ssl_bench.errors import UserError
from ssl_bench.results import read_records
from ssl_bench.tasks.facts import Metric
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.hooks import CostHook
from ssl_bench.transfer.checkpoint_choice import (
    FOLDER,
    best_of,
    candidates,
    check_choice,
)
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.toolkit_run import TransferRunner
from tests.backbones import thin_backbone
from tests.processes import run_in_processes, under_torchrun

BEST = {
    'train_cfg.max_iters': 4,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
    'default_hooks.checkpoint.interval': 1,
    'checkpoint_choice.best': True,
    'checkpoint_choice.every': 1,
}


def source():
    backbone = thin_backbone()
    return Source(backbone, backbone.meta['arch'], backbone.meta['arch_args'])


def head_of(path):
    state = torch.load(path, weights_only=False)['state_dict']
    return {k: v for k, v in state.items() if not k.startswith('backbone.')}


@pytest.fixture(scope='module')
def done(registered, mini_root, tmp_path_factory):
    """A finished run, and the weight of the head at each of its tests."""
    seen, test = [], TransferRunner.test

    def look(self):
        found = test(self)
        weight = self.model.decode_head.linear.conv.weight
        seen.append((weight.detach().clone(), found['mIoU']))
        return found

    folder = tmp_path_factory.mktemp('choice')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransferRunner, 'test', look)
        outcome = run_task(
            source(), 'mini_linseg', 0, folder, str(mini_root), dict(BEST)
        )
    return outcome, seen


def test_every_checkpoint_is_tested_and_the_best_has_its_name(done):
    outcome, seen = done
    record, numbers = outcome.record, [number for _, number in seen]
    assert len(seen) == 4
    for step, (weight, _) in enumerate(seen, 1):
        name = f'iter_{step}.pth'
        kept = head_of(outcome.folder / (FOLDER if step < 4 else '') / name)
        assert torch.equal(weight, kept['decode_head.linear.conv.weight'])
        if (outcome.folder / name).exists():  # old ones are removed
            whole = head_of(outcome.folder / name)
            assert kept.keys() == whole.keys()
            assert all(torch.equal(kept[key], whole[key]) for key in kept)
    assert (outcome.folder / 'iter_3.pth').exists()
    assert not (outcome.folder / FOLDER / 'iter_4.pth').exists()
    assert record['metrics']['mIoU'] == pytest.approx(numbers[-1])
    assert record['metrics']['mIoU_best'] == pytest.approx(max(numbers))
    assert set(record['metrics']) == {
        name + ending
        for name in ('mIoU', 'mAcc', 'aAcc')
        for ending in ('', '_best')
    }
    assert len({*numbers}) > 1
    best = 1 + numbers.index(max(numbers))
    name = 'the last' if best == 4 else f'iter_{best}'
    assert any(
        f'of {name}, the best of 4 checkpoints by mIoU' in change
        for change in record['changes']
    )


def again(outcome, mini_root, **more):
    return run_task(
        source(),
        'mini_linseg',
        0,
        outcome.folder.parent,
        str(mini_root),
        dict(BEST),
        **more,
    )


def test_eval_only_tests_all_of_them_again(done, mini_root):
    outcome, _ = done
    found = again(outcome, mini_root, eval_only=True)
    assert found.retested == outcome.record['metrics'] and not found.fresh
    assert read_records([outcome.folder / 'result.json'])[0] == outcome.record


def test_one_that_is_not_there_is_named(done, mini_root):
    outcome, _ = done
    path = outcome.folder / FOLDER / 'iter_2.pth'
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(UserError, match='iter_2.pth is not there.*--no-r'):
            again(outcome, mini_root, eval_only=True)
    finally:
        path.write_bytes(content)


def test_an_interrupted_run_finds_the_same_best(
    done, mini_root, tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    count = CostHook.after_train_iter

    def kill(self, runner, *args, **kwargs):
        count(self, runner, *args, **kwargs)
        if runner.iter == 2:
            raise Killed

    def go():
        return run_task(
            source(), 'mini_linseg', 0, tmp_path, str(mini_root), dict(BEST)
        )

    monkeypatch.setattr(CostHook, 'after_train_iter', kill)
    with pytest.raises(Killed):
        go()
    monkeypatch.setattr(CostHook, 'after_train_iter', count)
    assert go().record['metrics'] == done[0].record['metrics']


def test_the_last_alone_is_the_default(registered, mini_root, tmp_path):
    options = {**BEST, 'checkpoint_choice.best': False}
    outcome = run_task(
        source(), 'mini_linseg', 0, tmp_path, str(mini_root), options
    )
    assert set(outcome.record['metrics']) == {'mIoU', 'mAcc', 'aAcc'}
    assert not (outcome.folder / FOLDER).exists()


def in_one_of_two(rank, folder, root):
    under_torchrun(rank, 2)
    options = {**BEST, 'train_dataloader.batch_size': 1}
    outcome = run_task(source(), 'mini_linseg', 0, folder, root, options)
    return outcome.record['metrics']


@pytest.mark.slow
def test_two_processes_agree(registered, mini_root, tmp_path):
    first, second = run_in_processes(
        in_one_of_two, 2, str(tmp_path), str(mini_root)
    )
    assert first == second and 'mIoU_best' in first


def test_the_first_of_the_best_is_chosen():
    up = Metric(tolerance=1.0)
    down = Metric(tolerance=1.0, higher_is_better=False)
    found = {
        'a': dict(x=1.0),
        'b': dict(x=3.0),
        'c': dict(x=3.0),
        'd': dict(x=1.0),
    }
    assert best_of(found, 'x', up) == 'b'
    assert best_of(found, 'x', down) == 'a'


def test_candidates_are_those_before_the_last():
    plan = make_plan('ade20k_linseg_dinov3', recipe='best')
    assert plan.config.checkpoint_choice.best is True
    assert candidates(plan.config) == [
        f'iter_{step}.pth' for step in range(5000, 40000, 5000)
    ]
    plan = make_plan('voc12_linseg_franca', recipe='best')
    assert candidates(plan.config) == [
        f'epoch_{step}.pth' for step in range(1, 25)
    ]
    # half a batch, accumulated: twice the iterations
    plan = make_plan(
        'ade20k_linseg_dinov3',
        recipe='best',
        overrides={'train_dataloader.batch_size': 8},
    )
    assert candidates(plan.config)[0] == 'iter_10000.pth'
    assert len(candidates(plan.config)) == 7


@pytest.mark.parametrize(
    'options, message',
    [
        ({'checkpoint_choice.by': 'mIuO'}, 'by .mIuO.*mIoU'),
        ({'checkpoint_choice.every': 0}, 'every must be 1 or more'),
        ({'+checkpoint_choice.first': 1}, "key of checkpoint_choice 'first'"),
    ],
)
def test_faulty_choices(options, message):
    with pytest.raises(UserError, match=message):
        make_plan('mini_linseg', overrides=options)


@pytest.mark.parametrize(
    'choice, message',
    [
        (dict(best=1, by='mIoU', every=1), 'best must be True or False'),
        (dict(best=True, by='mIoU'), 'must say every'),
    ],
)
def test_faulty_choices_of_a_config(choice, message):
    with pytest.raises(UserError, match=message):
        check_choice(Config(dict(checkpoint_choice=choice)), 'mini_linseg')


def test_the_names_are_of_the_tasks_metrics():
    row = find_task('ade20k_linseg_dinov3')
    assert row.metric('mIoU_best') == row.metrics['mIoU']
