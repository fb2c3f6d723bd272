# in1k_semi10 on the embedded image folder: the same rules on a list of a
# tenth of its labels, which `ssl-bench data subset` writes.
TASK = dict(
    id='mini_semi10',
    title='Mini 10% of the labels',
    group='classification',
    order=340,
    toolbox='mmpretrain',
    dataset='mini_semi10',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='in1k_semi10, scaled down',
)
_base_ = [
    './in1k_semi10.py',
    '_base_/mini_images.py',
    '_base_/mini_imagenet.py',
]

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    head=dict(num_classes=8, in_channels=128),
)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        data_root='data/mini/imagenet',
        data_prefix='train',
        ann_file='meta/semi10.txt',
        metainfo=dict(classes=_base_.mini_classes),
    ),
)
edit = {'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80}
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=50))
recipes = dict(_delete_=True)  # their rates are for ImageNet
