# LEWEL_M's views: MoCo v2's recipe, the same for both.
_base_ = './imagenet_pixpro.py'

views = [
    dict(
        size=224,
        scale=(0.2, 1.0),
        interpolation='bilinear',
        flip=0.5,
        repeat=2,
        photometric=[
            dict(
                type='RandomApply',
                p=0.8,
                transforms=[
                    dict(
                        type='ColorJitter',
                        brightness=0.4,
                        contrast=0.4,
                        saturation=0.4,
                        hue=0.1,
                    )
                ],
            ),
            dict(type='RandomGrayscale', p=0.2),
            dict(type='RandomGaussianBlur', sigma=(0.1, 2.0), p=0.5),
        ],
    )
]
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    ),
)
