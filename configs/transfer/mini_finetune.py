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
_base_ = [
    './in1k_finetune.py',
    '_base_/mini_images.py',
    '_base_/mini_imagenet.py',
]

data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, **_base_.mini_vit), img_size=80, patch_size=8
    ),
    head=dict(num_classes=8, in_channels=96),
)
train_dataloader = dict(batch_size=40, persistent_workers=False)
test_dataloader = dict(persistent_workers=False)
edit = {
    'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80,
    'param_scheduler.LinearLR.end': 2,
    'param_scheduler.LayerCosineLR': dict(T_max=18, begin=2, end=20),
}

train_cfg = dict(max_epochs=20)
auto_scale_lr = dict(base_batch_size=40)
default_hooks = dict(checkpoint=dict(interval=20))
recipes = dict(_delete_=True)  # their rates are for ImageNet
