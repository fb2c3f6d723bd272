# BYOL's two views, which Barlow Twins uses too (its released code).
_base_ = 'byol_views.py'

data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
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
        pipeline=[
            dict(type='MakeViews', views=_base_.views),
            dict(type='PackViews'),
        ],
    ),
)
