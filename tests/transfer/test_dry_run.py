"""A dry run refuses what a run refuses, in the same words, without data."""

import time

import pytest
import torch

from ssl_bench.checkpoints import SUFFIX, write_backbone
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.transfer import checks
from ssl_bench.transfer.frozen import SCOPE
from ssl_bench.transfer.run import Request, ready, run_task
from ssl_bench.transfer.source import Source, open_source
from tests.backbones import thin_backbone, tiny_vit

pytestmark = pytest.mark.slow


def said(words, work_dir, capsys):
    """Exit code and the line on the error output of `ssl-bench transfer`."""
    code = main(['transfer', *words, '--work-dir', str(work_dir)])
    return code, capsys.readouterr().err


def same_refusal(words, tmp_path, capsys):
    """The line that both give; the dry run has no data at all."""
    code, line = said(
        [*words, '--data-root', 'nowhere', '--dry-run'], tmp_path, capsys
    )
    assert code == 2 and line.count('\n') == 1, line
    root = tmp_path / 'mini'
    assert said([*words, '--data-root', str(root)], tmp_path, capsys) == (
        2,
        line,
    )
    runs = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert runs == [root]  # no run has begun
    return line


@pytest.fixture
def data(mini_root, tmp_path):
    """The embedded data in the test's own folder."""
    (tmp_path / 'mini').symlink_to(mini_root)


@pytest.fixture
def file(tmp_path):
    """Write a backbone; return its path."""

    def write(backbone):
        path = tmp_path / f'weights{SUFFIX}'
        write_backbone(path, backbone)
        return str(path)

    return write


@pytest.mark.parametrize(
    'task, option, text',
    [
        ('mini_knn', 'probe.precision=half', "probe.precision 'half'"),
        (
            'mini_knn',
            'train_dataloader.batch_size=0',
            'train_dataloader: batc',
        ),
        ('mini_knn', 'test_dataloader.num_workers=-1', 'test_dataloader: num'),
        (
            'mini_knnseg',
            'probe.neighbours=[2.5]',
            'neighbours must be a list of whole numbers, 1 or more',
        ),
        (
            'mini_logregseg',
            'probe.max_iter=0',
            'probe.max_iter must be a whole number, 1 or more, not 0',
        ),
        ('mini_logregseg', 'probe.tol=-1', 'probe.tol must be a number above'),
        (
            'mini_logregseg',
            'probe.split_seed=-1',
            'probe.split_seed must be a whole number, 0 or more, not -1',
        ),
        (
            'mini_spair',
            'test_dataloader.dataset.indices=10',
            'indices .* parts its pairs; .* set pairs_per_category',
        ),
        (
            'mini_spair',
            'test_dataloader.dataset.pairs_per_category=0',
            'pairs_per_category must be a whole number, 1 or more, or None',
        ),
        (
            'mini_seg_fcn',
            'test_evaluator.iou_metrics=[mDice]',
            "mini_seg_fcn: the metric mIoU is 'mIoU' of IoUMetric",
        ),
        (
            'mini_seg_fcn',
            'model.decode_head.channels=-1',
            'the network cannot be built: .* negative',
        ),
        (
            'mini_seg_fcn',
            'model.decode_head.in_index=2',
            'the parts of mini_seg_fcn do not fit each other, for images of',
        ),
        ('mini_seg_fcn', 'optim_wrapper.optimizer.type=SGB', "'SGB'.* SGD"),
        (
            'mini_seg_fcn',
            'param_scheduler.0.type=Foo',
            'cannot be built: .Foo',
        ),
        (
            'mini_seg_fcn',
            'train_dataloader.dataset.pipeline.RandomCrop.crop_size=[0,8]',
            'cannot be built: ',
        ),
    ],
)
def test_settings_are_refused_by_both(
    task, option, text, tmp_path, data, capsys
):
    import re

    words = ['random', '--arch', 'resnet18-w16', '--tasks', task]
    line = same_refusal([*words, '--cfg-options', option], tmp_path, capsys)
    assert re.search(text, line), line


@pytest.mark.parametrize(
    'task', ['mini_voc_det_c4', 'mini_coco_mrcnn_fpn', 'mini_seg_fcn']
)
def test_a_tensor_without_a_place_is_refused_by_both(
    task, file, tmp_path, data, capsys
):
    """Recognised as a ResNet, and yet not one that the task builds."""
    backbone = thin_backbone()
    backbone.state['layer4.1.extra.weight'] = torch.ones(3)
    line = same_refusal([file(backbone), '--tasks', task], tmp_path, capsys)
    assert 'layer4.1.extra.weight' in line or '1.extra.weight' in line


def test_the_weights_of_every_toolkit_are_loaded(mini_root, tmp_path):
    """What a run would load is loaded by the check; one tensor less stops."""
    for task, backbone in (
        ('mini_knn', thin_backbone()),
        ('mini_voc_det_c4', thin_backbone()),
        ('mini_coco_mrcnn_fpn', thin_backbone()),
        ('mini_seg_fcn', thin_backbone()),
        ('mini_finetune', tiny_vit()[1]),
        ('mini_knn', tiny_vit()[1]),
    ):
        source = Source(
            backbone, backbone.meta['arch'], backbone.meta['arch_args']
        )
        where = (source, task, 0, tmp_path, str(mini_root))
        ready(Request(*where))
        name = (
            next(name for name in backbone.state if 'layer1.0.conv1' in name)
            if 'layer1.0.conv1.weight' in backbone.state
            else 'blocks.1.norm1.bias'
        )
        del backbone.state[name]
        lines = []
        for data in (False, True):
            with pytest.raises(UserError, match='missing') as error:
                ready(Request(*where), data)
            lines.append(str(error.value))
        with pytest.raises(UserError) as error:
            run_task(*where)
        assert lines == [str(error.value)] * 2


def test_a_later_task_is_refused_before_the_first_runs(tmp_path, data, capsys):
    words = ['random', '--arch', 'resnet18-w16', '--tasks', 'mini_knn']
    line = same_refusal([*words, 'mini_finetune'], tmp_path, capsys)
    assert 'takes a vision transformer' in line


def test_a_classifier_is_loaded(tmp_path, data, capsys):
    """A dry run opens the network that a task tests."""
    torch.save(
        {'state_dict': {'head.fc.weight': torch.ones(2, 2)}},
        tmp_path / 'net.pth',
    )
    words = ['random', '--tasks', 'mini_in_r', '--classifier']
    line = same_refusal([*words, str(tmp_path / 'net.pth')], tmp_path, capsys)
    assert 'does not fit this network' in line
    line = same_refusal([*words, str(tmp_path / 'no.pth')], tmp_path, capsys)
    assert 'no classifier' in line


def test_a_missing_package_is_refused_by_both(
    tmp_path, data, capsys, monkeypatch
):
    monkeypatch.setattr('ssl_bench.tasks.table.find_spec', lambda name: None)
    words = ['random', '--tasks', 'mini_lvis_vitdet']
    line = same_refusal(words, tmp_path, capsys)
    assert 'mini_lvis_vitdet needs the package lvis' in line


def test_a_network_is_built_once_for_all_weights(tmp_path, registered):
    checks._without_values.cache_clear()
    for seed in range(3):
        backbone = thin_backbone(seed)
        source = Source(backbone, 'x', backbone.meta['arch_args'])
        ready(Request(source, 'mini_seg_fcn', 0, tmp_path), data=False)
    found = checks._without_values.cache_info()
    assert (found.misses, found.hits) == (1, 2)


def test_large_networks_have_no_values(tmp_path, registered):
    """ViT-L in less than a second of CPU time, and no memory for it."""
    source = open_source('random', tmp_path, 'vit_large_patch16')
    checks._without_values.cache_clear()
    start = time.process_time()
    plan, _ = ready(Request(source, 'in1k_knn', 0, tmp_path), data=False)
    assert time.process_time() - start < 5
    built = checks._Built.of(plan, SCOPE)
    net = checks._without_values(built).backbone
    assert all(value.is_meta for value in net.parameters())
