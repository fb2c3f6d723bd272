# MoCo v1 (arXiv:1911.05722), R-50, batch 256, 200 epochs: 60.6 linear top-1,
# and 55.9 AP, 81.5 AP50, 62.6 AP75 on VOC07+12 with R50-C4. Of MoCo v2 it
# has neither the hidden layer nor blur nor the cosine.
_base_ = 'mocov2_r50_200e.py'

method = dict(name='MoCo v1')
model = dict(
    neck=dict(
        _delete_=True,
        type='LinearNeck',
        in_channels=2048,
        out_channels=128,
        gap_dim=2,
        norm_cfg=None,  # a batch norm by default
    ),
    head=dict(temperature=0.07),
)
views = [
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.2, 1.0),
        backend='pillow',
    ),
    dict(
        type='RandomGrayscale',
        prob=0.2,
        keep_channels=True,
        channel_weights=(0.114, 0.587, 0.2989),
    ),
    dict(
        type='ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.4,
    ),
    dict(type='RandomFlip', prob=0.5),
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MultiView', num_views=2, transforms=[views]),
            dict(type='PackInputs'),
        ]
    )
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[120, 160],
        gamma=0.1,
        begin=0,
        end=200,
    )
]
