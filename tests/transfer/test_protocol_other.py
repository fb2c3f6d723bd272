"""Flags of segmentation, classification and probes."""
import pytest
import torch
from torch import nn

from ssl_bench.data.mini import CLASSES, PALETTE
from ssl_bench.transfer.build import make_plan

SEG = ('voc12aug_fcn', 'cityscapes_fcn', 'mini_seg_fcn')


@pytest.mark.parametrize('task', SEG)
def test_fcn_keeps_the_pretrained_stem(registered, task):
    from mmseg.registry import MODELS
    config = make_plan(task, accelerator=True).config
    assert config.model.backbone.type == 'ResNet'  # stock ResNetV1c
    assert config.model.pretrained is None
    net = MODELS.build(config.model).train()
    assert net.backbone.conv1.kernel_size == (7, 7)
    norms = [m for m in net.modules()
             if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(m, nn.SyncBatchNorm) and m.training
               for m in norms)
    assert all(p.requires_grad for p in net.parameters())
    assert net.backbone.strides == (1, 2, 1, 1)
    assert net.backbone.dilations == (1, 1, 2, 4)
    with torch.no_grad():
        maps = net.backbone(torch.zeros(2, 3, 64, 64))
    assert maps[3].shape[2:] == (8, 8)
    assert net.auxiliary_head.loss_decode.loss_weight == 0.4


def test_fcn_schedules():
    voc, cityscapes = (make_plan(task).config for task in SEG[:2])
    assert (voc.auto_scale_lr.base_batch_size, voc.crop_size) == \
        (16, (512, 512))
    assert cityscapes.auto_scale_lr.base_batch_size == 8
    assert cityscapes.model.decode_head.align_corners
    assert cityscapes.model.test_cfg.mode == 'slide'
    assert cityscapes.model.test_cfg.stride == (513, 513)
    # one process of four: gradients of four batches are accumulated
    assert voc.optim_wrapper.accumulative_counts == 4
    assert make_plan(SEG[0], processes=4).config.train_cfg.max_iters == 20000
    for config in (voc, cityscapes):
        assert config.optim_wrapper.optimizer == dict(
            type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005)
        assert config.param_scheduler[0].power == 0.9


@pytest.mark.parametrize('task', ['in1k_linear', 'mini_linear'])
def test_linear_probe_is_frozen(registered, task):
    from mmpretrain.registry import MODELS
    config = make_plan(task, processes=8).config
    net = MODELS.build(config.model).train()
    assert {name for name, p in net.named_parameters()
            if p.requires_grad} == {'head.fc.weight', 'head.fc.bias'}
    assert not any(m.training for m in net.backbone.modules()
                   if isinstance(m, nn.modules.batchnorm._BatchNorm))
    if task == 'in1k_linear':
        assert config.optim_wrapper.optimizer.lr == 30.
        assert config.optim_wrapper.optimizer.weight_decay == 0.
        assert config.auto_scale_lr.base_batch_size == 256
        assert config.train_cfg.max_epochs == 100
        assert config.param_scheduler[0].milestones == [60, 80]


def test_probes():
    knn = make_plan('in1k_knn').config
    assert knn.probe == dict(type='knn', neighbours=[10, 20, 100, 200],
                             headline=20, temperature=0.07)
    assert [step.type for step in knn.train_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'ResizeEdge', 'CenterCrop', 'PackInputs']
    svm = make_plan('voc07_svm').config
    assert (svm.probe.folds, svm.probe.max_iter) == (3, 2000)
    assert len(svm.probe.costs) == 19 and svm.probe.costs[:3] == [1, 10, 100]
    assert svm.probe.costs[-1] == 0.5**19
    assert svm.train_dataloader.dataset.split == 'trainval'


def test_mini_configs_name_the_embedded_classes():
    from ssl_bench.engine.config import config_dir, load_config
    base = load_config(config_dir() / 'transfer/_base_/mini.py')
    assert tuple(base.mini_classes) == CLASSES
    assert tuple(map(tuple, base.mini_palette)) == PALETTE
