# MoCo v2's changes of colour, which InsLoc uses too, and its two views of one
# recipe, which SimSiam, DenseCL and LEWEL_M use too.
mocov2_colours = [
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
]
mocov2_views = [
    dict(
        size=224,
        scale=(0.2, 1.0),
        interpolation='bilinear',
        flip=0.5,
        repeat=2,
        photometric=mocov2_colours,
    )
]
