# SiameseIM's views: BYOL's, and the first is masked. Their roles are never
# swapped.
_base_ = 'imagenet_byol.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MakeViews', views=_base_.views),
            dict(type='AddBlockMask', size=224, patch_size=16),
            dict(
                type='PackViews',
                fields=('crops', 'flips', 'source_size', 'mask'),
            ),
        ]
    )
)
