# MAE's only view. For configs over mmpretrain's recipes.
edit_views = {
    'train_dataloader.dataset.pipeline': [
        dict(
            type='MakeViews',
            views=[
                dict(
                    size=224,
                    scale=(0.2, 1.0),
                    interpolation='bicubic',
                    flip=0.5,
                )
            ],
        ),
        dict(type='PackViews'),
    ]
}
