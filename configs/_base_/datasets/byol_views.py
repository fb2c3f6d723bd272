# BYOL's two views: bicubic crops; view 1 is always blurred, view 2 rarely, and
# sometimes solarised.
colour = [
    dict(
        type='RandomApply',
        p=0.8,
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.2,
                hue=0.1,
            )
        ],
    ),
    dict(type='RandomGrayscale', p=0.2),
]
crop = dict(size=224, scale=(0.08, 1.0), interpolation='bicubic', flip=0.5)
views = [
    dict(
        **crop,
        photometric=[
            *colour,
            dict(type='RandomGaussianBlur', sigma=(0.1, 2.0), p=1.0),
        ],
    ),
    dict(
        **crop,
        photometric=[
            *colour,
            dict(type='RandomGaussianBlur', sigma=(0.1, 2.0), p=0.1),
            dict(type='RandomSolarize', threshold=128, p=0.2),
        ],
    ),
]
