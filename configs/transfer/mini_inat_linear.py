# inat18_linear on the embedded images, with annotation files such as
# iNaturalist's. A sixth of the epochs.
TASK = dict(
    id='mini_inat_linear',
    title='Mini iNat linear',
    group='classification',
    order=370,
    toolbox='mmpretrain',
    dataset='mini_inat',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='inat18_linear, scaled down',
)
_base_ = ['./inat18_linear.py', '_base_/mini_images.py']

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    neck=dict(channels=128, window=2),  # layer4 is 3x3
    head=dict(num_classes=8, in_channels=512),
)
train_dataloader = dict(
    batch_size=40, dataset=dict(data_root='data/mini/inat18')
)
test_dataloader = dict(dataset=dict(data_root='data/mini/inat18'))
edit = {'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80}

train_cfg = dict(max_epochs=14)
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[4, 8, 12], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=14))
recipes = dict(_delete_=True)  # their rates are for iNaturalist
