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
_base_ = ['./inat18_linear.py', '_base_/mini.py']

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    neck=dict(channels=128, window=2),  # layer4 is 3x3
    head=dict(num_classes=8, in_channels=512),
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=80)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=96)
test_pipeline[2].update(crop_size=80)
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    dataset=dict(data_root='data/mini/inat18', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(data_root='data/mini/inat18', pipeline=test_pipeline),
)

train_cfg = dict(max_epochs=14)
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[4, 8, 12], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=14))
recipes = dict(_delete_=True)
