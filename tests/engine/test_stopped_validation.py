"""A validation within training that a signal cuts off is done again."""

import os
import signal

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS

from ssl_bench.engine.runner import AtomicRunner
from ssl_bench.engine.stopping import stoppable
from ssl_bench.errors import Interrupted


@DATASETS.register_module()
class EightNumbers(torch.utils.data.Dataset):
    """0 to 7, as vectors of one number."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(numbers=torch.tensor([index / 8]))


@MODELS.register_module()
class OneWeight(BaseModel):
    """Learns to double a number; its validation gives the weight."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, numbers, mode='tensor'):
        if mode == 'loss':
            return dict(loss=(self.layer(numbers) - 2 * numbers).abs().mean())
        return [dict(weight=float(self.layer.weight)) for _ in numbers]


@METRICS.register_module()
class MeanWeight(BaseMetric):
    """The mean of the weights that a validation saw."""

    def process(self, data_batch, data_samples):
        self.results += [sample['weight'] for sample in data_samples]

    def compute_metrics(self, results):
        return dict(acc=sum(results) / len(results))


@HOOKS.register_module()
class Validations(Hook):
    """Keep what validations found; send a signal in the one after ``cut``."""

    found: list = []

    def __init__(self, cut=None):
        self.cut = cut

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.cut and batch_idx:
            os.kill(os.getpid(), signal.SIGUSR1)

    def after_val_epoch(self, runner, metrics=None):
        Validations.found.append((runner.iter, metrics['acc']))


def go(folder, loop, checkpoint, cut=None, resume=None):
    loader = dict(
        dataset=dict(type='EightNumbers'),
        batch_size=2,
        num_workers=0,
        collate_fn=dict(type='default_collate'),
    )
    config = Config(
        dict(
            model=dict(type='OneWeight'),
            work_dir=str(folder),
            train_dataloader=dict(
                loader, sampler=dict(type='DefaultSampler', shuffle=True)
            ),
            val_dataloader=dict(
                loader, sampler=dict(type='DefaultSampler', shuffle=False)
            ),
            val_evaluator=dict(type='MeanWeight'),
            val_cfg=dict(),
            train_cfg=loop,
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            param_scheduler=[dict(type='MultiStepLR', milestones=[1])],
            default_hooks=dict(
                checkpoint=dict(
                    type='CheckpointHook', save_best='acc', **checkpoint
                )
            ),
            custom_hooks=[dict(type='Validations', cut=cut)],
            randomness=dict(seed=0),
            log_level='ERROR',
            # what has the same name in a process shares its best score
            experiment_name=f'{folder}{cut}{resume}',
            resume=resume is not None,
            load_from=resume and str(resume),
        )
    )
    Validations.found = []
    with stoppable('It'):
        AtomicRunner.from_cfg(config).train()
    return Validations.found


EPOCHS = dict(by_epoch=True, max_epochs=3, val_interval=1)
STEPS = dict(type='IterBasedTrainLoop', max_iters=6, val_interval=2)


@pytest.mark.parametrize(
    ('loop', 'checkpoint', 'cut', 'saved'),
    [
        (EPOCHS, dict(interval=1), 8, 'epoch_2.pth'),
        (EPOCHS, dict(interval=3), 8, 'iter_8.pth'),
        (EPOCHS, dict(interval=3), 12, 'epoch_3.pth'),  # the last one
        (STEPS, dict(interval=3, by_epoch=False), 4, 'iter_4.pth'),
    ],
)
def test_it_is_done_again(tmp_path, loop, checkpoint, cut, saved):
    wanted = go(tmp_path / 'straight', loop, checkpoint)
    folder = tmp_path / 'cut'
    with pytest.raises(Interrupted, match='SIGUSR1 outside of training'):
        go(folder, loop, checkpoint, cut=cut)
    before = Validations.found
    after = go(folder, loop, checkpoint, resume=folder / saved)
    assert [before, after] == [
        [entry for entry in wanted if entry[0] < cut],
        [entry for entry in wanted if entry[0] >= cut],
    ]
    names = [
        sorted(path.name for path in home.glob('best*'))
        for home in (tmp_path / 'straight', folder)
    ]
    assert names[0] == names[1]
    last = 'iter_6.pth' if loop is STEPS else 'epoch_3.pth'
    weights = [
        torch.load(home / last, weights_only=False)['state_dict']
        for home in (tmp_path / 'straight', folder)
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])
