# SwAV (arXiv:2006.09882), R-50, 2 x 224 + 6 x 96 crops, batch 256 with a
# queue, 200 epochs: 72.7 linear top-1.
_base_ = [
    'mmpretrain::swav/swav_resnet50_8xb32-mcrop-coslr-200e_in1k-224px-96px.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/simclr_colours.py',
]
method = dict(name='SwAV', variant='multi-crop')
model = dict(
    backbone=dict(zero_init_residual=False),  # released; mmpretrain: True
    # mmpretrain's assigns within each process
    head=dict(loss=dict(type='GlobalSwAVLoss', queue_length=3840)),
)
views = [
    dict(
        size=224,
        scale=(0.14, 1.0),
        flip=0.5,
        repeat=2,
        photometric=_base_.simclr_colours,
    ),
    dict(
        size=96,
        scale=(0.05, 0.14),
        flip=0.5,
        repeat=6,
        photometric=_base_.simclr_colours,
    ),
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    )
)
# paper: momentum 0.9 and decay 1e-6; mmpretrain's file has neither
optim_wrapper = dict(
    optimizer=dict(
        type='PaperLARS',  # with these settings it is mmpretrain's
        lr_in_velocity=True,
        split_norm=True,
        plain_at_zero=True,
        exclude_1d=False,
        momentum=0.9,
        weight_decay=1e-6,
    )
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=200,
        eta_min_ratio=0.001,  # 6e-4
        by_epoch=True,
        begin=0,
        end=200,
        convert_to_iter_based=True,
    )
]
custom_hooks = [
    dict(type='SwAVScheduleHook', frozen_steps=5005, queue_from_epoch=15)
]
auto_scale_lr = dict(base_batch_size=256)
