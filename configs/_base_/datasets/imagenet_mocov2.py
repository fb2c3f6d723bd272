# MoCo v2's views. For configs over mmpretrain's recipes.
_base_ = 'mocov2_views.py'

edit_views = {
    'train_dataloader.dataset.pipeline': [
        dict(type='MakeViews', views=_base_.mocov2_views),
        dict(type='PackViews'),
    ]
}
