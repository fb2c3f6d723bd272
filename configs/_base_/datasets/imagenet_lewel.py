# LEWEL_B's views: PixPro's, from crops of at least a fifth of the area.
_base_ = './imagenet_pixpro.py'

views = _base_.views
views[0].update(scale=(0.2, 1.0))
views[1].update(scale=(0.2, 1.0))
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    )
)
