# InsLoc-FPN on the embedded images: a ResNet-18 of a quarter of the width,
# 96 pixel views, a queue of 1024. For CPUs and minutes, not for numbers.
_base_ = '../insloc_r50_fpn.py'

epochs = 20

model = dict(
    queue_length=1024,  # a multiple of the global batch
    momentum=0.99,  # the queue is 32 steps long
    backbone=dict(depth=18, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    roi_head=dict(
        bbox_head=dict(
            in_channels=32,
            conv_channels=32,
            fc_channels=128,
            out_channels=64)))

# 3/8 of the paper's canvas, so patches and anchors shrink alike
train_pipeline = [
    dict(
        type='InsLocViews',
        canvas=(96, 96),
        size_range=(48, 96),
        anchor_stride=6,
        photometric=_base_.photometric),
    dict(
        type='PackViews',
        fields=('crops', 'flips', 'source_size', 'boxes', 'augmented_box'))
]
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(data_root='data/mini/imagenet/train',
                 pipeline=train_pipeline))

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
auto_scale_lr = dict(base_batch_size=32)
