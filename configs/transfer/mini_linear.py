# in1k_linear on the embedded image folder: the same frozen network and rules.
TASK = dict(
    id='mini_linear',
    title='Mini linear',
    group='classification',
    order=300,
    toolbox='mmpretrain',
    dataset='mini_imagenet',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='in1k_linear, scaled down',
)
_base_ = [
    './in1k_linear.py',
    '_base_/mini_images.py',
    '_base_/mini_imagenet.py',
]

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    head=dict(num_classes=8, in_channels=128),
)
train_dataloader = dict(batch_size=40)
edit = {'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80}

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=5.0))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=20))
