import itertools
from types import SimpleNamespace

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import nn

from ssl_bench.toolbox.hooks import (
    CostHook,
    TrainingPreciseBNHook,
    recompute_statistics,
)


class Toy(BaseModel):
    def __init__(self):
        super().__init__(data_preprocessor=BaseDataPreprocessor())
        self.linear = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.fixed = nn.BatchNorm1d(4)
        self.modes = []

    def train(self, mode=True):
        super().train(mode)
        self.fixed.eval()
        return self

    def forward(self, inputs, mode):
        self.modes.append((mode, torch.is_grad_enabled()))
        return dict(loss=self.fixed(self.norm(self.linear(inputs))).sum())


def test_statistics_are_means_over_batches():
    torch.manual_seed(0)
    model = Toy().train()
    batches = [torch.randn(6, 3) * scale for scale in (1.0, 2.0, 5.0)]
    weights = {name: value.clone() for name, value in model.named_parameters()}
    recompute_statistics(
        model, itertools.cycle(dict(inputs=b) for b in batches), 3
    )
    outputs = [model.linear(batch) for batch in batches]
    mean = torch.stack([out.mean(0) for out in outputs]).mean(0)
    var = torch.stack([out.var(0) for out in outputs]).mean(0)
    torch.testing.assert_close(model.norm.running_mean, mean)
    torch.testing.assert_close(model.norm.running_var, var)
    assert model.norm.momentum == 0.1
    assert (model.fixed.running_mean == 0).all()
    assert model.modes == [('loss', False)] * 3
    for name, value in model.named_parameters():
        assert torch.equal(value, weights[name])


def test_once_before_the_last_checkpoint(monkeypatch):
    from mmengine.hooks import CheckpointHook
    from mmengine.runner import get_priority

    from ssl_bench.toolbox import hooks

    asked = []
    monkeypatch.setattr(
        hooks,
        'recompute_statistics',
        lambda model, batches, count: asked.append(count),
    )
    runner = SimpleNamespace(
        iter=0,
        max_iters=4,
        model=Toy(),
        logger=SimpleNamespace(info=lambda text: None),
        train_loop=SimpleNamespace(dataloader_iterator=iter(())),
    )
    hook = TrainingPreciseBNHook(num_iters=200)
    for runner.iter in range(4):
        assert asked == []
        hook.after_train_iter(runner, runner.iter)
    assert asked == [200]
    assert get_priority(hook.priority) < get_priority(CheckpointHook.priority)


def test_cost_counts_resumptions(tmp_path):
    hub = MessageHub('cost')
    runner = SimpleNamespace(
        iter=0,
        world_size=2,
        work_dir=str(tmp_path),
        message_hub=hub,
        train_dataloader=SimpleNamespace(batch_size=3),
    )
    for start, done in ((0, 0), (4, 1), (4, 2)):
        hook, runner.iter = CostHook(), start
        hook.before_train(runner)
        assert hub.get_info('transfer_cost')['resumptions'] == done
        hook.after_train_iter(runner, start)
    assert hub.get_info('transfer_cost')['images'] == 18
    assert hub.get_info('transfer_cost')['resumptions'] == 2
    # killed before a checkpoint: it says 0, the file in the folder 2
    runner.message_hub = MessageHub('older')
    CostHook().before_train(runner)
    assert runner.message_hub.get_info('transfer_cost')['resumptions'] == 3
    runner.iter, runner.message_hub = 0, MessageHub('new')
    CostHook().before_train(runner)
    assert runner.message_hub.get_info('transfer_cost')['resumptions'] == 0
    assert not list(tmp_path.iterdir())
