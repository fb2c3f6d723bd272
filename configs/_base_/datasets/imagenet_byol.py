# BYOL's two views, which Barlow Twins uses too (its released code): bicubic
# crops; view 1 is always blurred, view 2 rarely, and sometimes solarised.
data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
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
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='StreamSampler', shuffle=True, drop_last=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PretrainDataset',
        data_root='data/imagenet/train',
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')],
    ),
)
