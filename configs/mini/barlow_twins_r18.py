# Barlow Twins on the embedded images: a ResNet-18 of a quarter of the width,
# 64 pixel views, 64 features. For CPUs and minutes, not for numbers.
_base_ = [
    '../barlow_twins_r50_1000e.py',
    '../_base_/datasets/mini_imagenet.py',
]

epochs = 20

model = dict(
    # paper: the last norm of each block starts at 0, which is too slow for a
    # short run
    backbone=dict(
        depth=18, stem_channels=16, base_channels=16, zero_init_residual=False
    ),
    # paper: 8192 features, lambda 0.0051; here: fewer features than images in
    # a batch, whose correlations are noise otherwise, and a lambda for them
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
    head=dict(in_channels=64, lambd=0.02),
)

train_dataloader = dict(batch_size=64)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        size=64,
        # paper: from 8 % of the area, which here is less than an object
        scale=(0.2, 1.0),
        # blur in proportion to the view's 64 of 224 pixels
        photometric=dict(RandomGaussianBlur=dict(sigma=(0.1, 0.6))),
    )
}

# paper: LARS; here: AdamW. In so few steps SGD, at 0.03, hardly moved the loss
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=2,
        end=epochs,
        final_factor=0.001,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=epochs)
auto_scale_lr = dict(base_batch_size=64)
