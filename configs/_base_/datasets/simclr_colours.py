# SimCLR's changes of colour, which SwAV uses too.
simclr_colours = [
    dict(
        type='RandomApply',
        p=0.8,
        transforms=[
            dict(
                type='ColorJitter',
                brightness=0.8,
                contrast=0.8,
                saturation=0.8,
                hue=0.2,
            )
        ],
    ),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='RandomGaussianBlur', sigma=(0.1, 2.0), p=0.5),
]
