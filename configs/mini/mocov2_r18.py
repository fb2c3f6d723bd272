# MoCo v2 on the embedded images: a ResNet-18 of a quarter of the width, 64
# pixel views, a queue of 1024. For CPUs and minutes, not for numbers.
_base_ = '../mocov2_r50_200e.py'

epochs = 20

model = dict(
    queue_len=1024,  # a multiple of the global batch
    feat_dim=64,
    momentum=0.01,  # of the new weights; the queue is 16 steps long
    backbone=dict(
        depth=18,
        stem_channels=16,
        base_channels=16),
    neck=dict(in_channels=128, hid_channels=128, out_channels=64))

view_pipeline = _base_.view_pipeline
view_pipeline[0].update(scale=64)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='MultiView', num_views=2, transforms=[view_pipeline]),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='data/mini/imagenet', pipeline=train_pipeline))

optim_wrapper = dict(optimizer=dict(lr=0.06))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=epochs,
        by_epoch=True,
        begin=0,
        end=epochs)
]
train_cfg = dict(max_epochs=epochs)
default_hooks = dict(logger=dict(interval=10))
auto_scale_lr = dict(base_batch_size=64)
