# MoCo v2's views, which SimSiam and DenseCL use too: one recipe for both.
# For configs over mmpretrain's recipes.
_base_ = 'mocov2_photometric.py'

edit_views = {
    'train_dataloader.dataset.pipeline': [
        dict(
            type='MakeViews',
            views=[
                dict(
                    size=224,
                    scale=(0.2, 1.0),
                    interpolation='bilinear',
                    flip=0.5,
                    repeat=2,
                    photometric=_base_.mocov2_colours,
                )
            ],
        ),
        dict(type='PackViews'),
    ]
}
