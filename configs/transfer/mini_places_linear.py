# places205_linear on the embedded images, listed as Places205 lists its own.
TASK = dict(
    id='mini_places_linear',
    title='Mini Places linear',
    group='classification',
    order=360,
    toolbox='mmpretrain',
    dataset='mini_places',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='places205_linear, scaled down',
)
_base_ = ['./places205_linear.py', '_base_/mini_images.py']

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    neck=dict(channels=128, window=2),  # layer4 is 3x3
    head=dict(num_classes=8, in_channels=512),
)
mini_set = dict(
    data_root='data/mini/places205', metainfo=dict(classes=_base_.mini_classes)
)
train_dataloader = dict(
    batch_size=40, dataset=dict(data_prefix='../imagenet/train', **mini_set)
)
test_dataloader = dict(dataset=dict(data_prefix='../imagenet/val', **mini_set))
edit = {'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80}

optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=14))
recipes = dict(_delete_=True)  # their rates are for Places205
