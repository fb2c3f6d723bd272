# InsLoc-FPN on the embedded images: a ResNet-18 of a quarter of the width, 64
# pixel views, a queue of 256. For CPUs and minutes, not for numbers.
_base_ = ['../insloc_r50_fpn.py', '../_base_/datasets/mini_imagenet.py']

epochs = 60

model = dict(
    queue_length=256,  # a multiple of the global batch
    momentum=0.99,  # the queue is 8 steps long
    backbone=dict(depth=18, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    roi_head=dict(
        bbox_head=dict(
            in_channels=32,
            # paper: 4 convolutions and 2 hidden layers; here: the projection
            # alone, because after their ReLUs all boxes start out similar
            # (cosine 0.65), and some hundred steps of SGD only move them
            # along their common direction: the loss stays at ln(K + 1)
            num_convs=0,
            num_fcs=0,
            out_channels=64,
        )
    ),
)

# a quarter of the paper's canvas, and patches, anchors and blur in proportion
edit = {
    'train_dataloader.dataset.pipeline.InsLocViews': dict(
        canvas=(64, 64),
        size_range=(32, 64),
        anchor_stride=4,
        photometric=dict(RandomGaussianBlur=dict(sigma=(0.1, 0.5))),
    )
}

# paper: 0.03 without warm-up; here: less, and very little until the queue is
# full of keys. Before, it is noise, which the net would learn to recognise
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=16),
    dict(
        type='CosineAnnealingLR',
        T_max=epochs,
        by_epoch=True,
        begin=0,
        end=epochs,
    ),
]
train_cfg = dict(max_epochs=epochs)
auto_scale_lr = dict(base_batch_size=32)
