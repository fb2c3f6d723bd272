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
_base_ = ['./in1k_linear.py', '_base_/mini.py']

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    head=dict(num_classes=8, in_channels=128),
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=80)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=96)
test_pipeline[2].update(crop_size=80)
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/mini/imagenet/train',
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/mini/imagenet/val',
        pipeline=test_pipeline,
    ),
)

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=5.0))
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[12, 16], gamma=0.1)
]
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=20))
