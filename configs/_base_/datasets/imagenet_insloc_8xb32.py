# InsLoc's views of ImageNet: two crops of an image pasted onto two others.
_base_ = 'mocov2_views.py'

data_preprocessor = dict(
    type='SelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='StreamSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='PretrainDataset',
        data_root='data/imagenet/train',
        backgrounds=2,
        pipeline=[
            dict(type='InsLocViews', photometric=_base_.mocov2_colours),
            dict(
                type='PackViews',
                fields=(
                    'crops',
                    'flips',
                    'source_size',
                    'boxes',
                    'augmented_box',
                ),
            ),
        ],
    ),
)
