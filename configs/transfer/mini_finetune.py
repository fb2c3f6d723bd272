# in1k_finetune on the embedded image folder with a very small ViT.
TASK = dict(
    id='mini_finetune',
    title='Mini fine-tuning',
    group='classification',
    order=420,
    toolbox='mmpretrain',
    dataset='mini_imagenet',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='in1k_finetune, scaled down',
)
_base_ = ['./in1k_finetune.py', '_base_/mini.py']

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=4,
            num_heads=3,
            feedforward_channels=384,
        ),
        img_size=80,
        patch_size=8,
    ),
    head=dict(num_classes=8, in_channels=96),
)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=80)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=96)
test_pipeline[2].update(crop_size=80)
train_dataloader = dict(
    batch_size=40,
    num_workers=0,
    persistent_workers=False,
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
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/mini/imagenet/val',
        pipeline=test_pipeline,
    ),
)

train_cfg = dict(max_epochs=20)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=2,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=18,
        by_epoch=True,
        begin=2,
        end=20,
        eta_min=1e-6,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=20))
recipes = dict()
