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
        size=224,
        scale=(0.2, 1.0),
        flip=0.5,
        repeat=2,
        photometric=[
            dict(type='RandomGrayscale', p=0.2),
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.4,
                hue=0.4,
            ),
        ],
    )
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
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
