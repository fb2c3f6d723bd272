# MoCo v2 on the embedded images: a ResNet-18 of a quarter of the width, 64
# pixel views, a queue of 512. For CPUs and minutes, not for numbers.
_base_ = ['../mocov2_r50_200e.py', '../_base_/datasets/mini_imagenet.py']

epochs = 25

model = dict(
    queue_len=512,  # a multiple of the global batch
    feat_dim=64,
    momentum=0.01,  # of the new weights; the queue is 8 steps long
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    # paper: no normalisation; here: batch norm in the projection, because
    # without it all images have equal features after some hundred steps
    neck=dict(
        _delete_=True,
        type='NonLinearNeck',
        in_channels=128,
        hid_channels=128,
        out_channels=64,
        with_avg_pool=True,
        with_last_bn_affine=False,
        norm_cfg=dict(type='BN1d'),
    ),
)

train_dataloader = dict(
    batch_size=64,
    # the few images fill no whole number of batches
    sampler=dict(drop_last=False),
)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        size=64,
        # blur in proportion to the view's 64 of 224 pixels
        photometric=dict(RandomGaussianBlur=dict(sigma=(0.1, 0.6))),
    )
}

optim_wrapper = dict(optimizer=dict(lr=0.03))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=epochs,
        by_epoch=True,
        begin=0,
        end=epochs,
    )
]
train_cfg = dict(max_epochs=epochs)
auto_scale_lr = dict(base_batch_size=64)
