"""Scores on ImageNet-A, -R and -C, and the tasks that compute them."""

import pytest
import torch

from ssl_bench.tasks.datasets import CORRUPTIONS
from ssl_bench.toolbox.robustness import (
    ALEXNET,
    CorruptionError,
    SubsetAccuracy,
    mean_corruption_error,
)
from ssl_bench.transfer.plan import make_plan


def sample(scores, label, **more):
    return dict(
        pred_score=torch.tensor(scores), gt_label=torch.tensor([label]), **more
    )


def test_other_classes_do_not_compete():
    metric = SubsetAccuracy(topk=(1, 2))
    metric.dataset_meta = dict(subset=(1, 3))
    metric.process(
        None,
        [
            sample([0.6, 0.3, 0.05, 0.05], 1),  # 0 would win
            sample([0.1, 0.5, 0.2, 0.2], 3),
        ],
    )
    assert metric.evaluate(2) == {
        'accuracy/top1': 50.0,
        'accuracy/top2': 100.0,
    }


def test_alexnet_itself_has_an_mce_of_100():
    """Each corruption's errors average to AlexNet's."""
    errors = {
        (name, severity): error + 2 * (severity - 3)
        for name, error in ALEXNET.items()
        for severity in range(1, 6)
    }
    assert mean_corruption_error(errors) == pytest.approx(100.0)
    half = {cell: error / 2 for cell, error in errors.items()}
    assert mean_corruption_error(half) == pytest.approx(50.0)
    assert set(ALEXNET) == set(CORRUPTIONS) and len(CORRUPTIONS) == 15


def test_errors_of_every_cell():
    metric = CorruptionError()
    metric.process(
        None,
        [
            sample([0.9, 0.1], 0, corruption='fog', severity=1),
            sample([0.9, 0.1], 1, corruption='fog', severity=1),
            sample([0.9, 0.1], 1, corruption='fog', severity=2),
            sample([0.9, 0.1], 0, corruption='snow', severity=1),
        ],
    )
    found = metric.evaluate(4)
    assert found['error/fog/1'] == 50 and found['error/fog/2'] == 100
    assert found['error/snow/1'] == 0 and found['top1'] == 50
    assert found['mCE'] == pytest.approx(100 * (75 / 81.9324 + 0) / 2)
    assert found['1-mCE'] == pytest.approx(100 - found['mCE'])


@pytest.mark.parametrize(
    'task, classes',
    [('in_a', 200), ('in_r', 200), ('in_sketch', 1000), ('in_c', 1000)],
)
def test_protocol(task, classes):
    plan = make_plan(task)
    config = plan.config
    assert 'train_cfg' not in config and 'train_dataloader' not in config
    assert config.test_dataloader.dataset.count == classes
    steps = config.test_dataloader.dataset.pipeline
    if task == 'in_c':  # stored at 224 pixels
        assert [step.type for step in steps[1:-1]] == ['CenterCrop']
        assert list(config.test_dataloader.dataset.corruptions) == list(
            CORRUPTIONS
        )
        assert config.test_dataloader.dataset.severities == [1, 2, 3, 4, 5]
    else:
        assert (steps[1].scale, steps[1].interpolation) == (256, 'bicubic')
    assert steps[-2].crop_size == 224
    tuned = make_plan('in1k_finetune').config
    assert config.model == tuned.model
    # training options of the command line leave no trace
    other = make_plan(task, overrides={'train_cfg.max_epochs': 1})
    assert other.config_sha256 == plan.config_sha256
