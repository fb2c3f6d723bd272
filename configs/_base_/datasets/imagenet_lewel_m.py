# LEWEL_M's views: MoCo v2's recipe, the same for both.
_base_ = ['imagenet_byol.py', 'mocov2_photometric.py']

views = [
    dict(
        size=224,
        scale=(0.2, 1.0),
        interpolation='bilinear',
        flip=0.5,
        repeat=2,
        photometric=_base_.mocov2_colours,
    )
]
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    ),
)
