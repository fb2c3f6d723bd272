# LEWEL_M's views: MoCo v2's.
_base_ = ['imagenet_byol.py', 'mocov2_views.py']

views = _base_.mocov2_views
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    ),
)
