# PixPro's views: BYOL's in bilinear crops. The crop rectangles and mirrors go
# with them: the loss matches positions.
# released: PIL's blur of boxes; here: the Gaussian, within a grey level
_base_ = './imagenet_byol.py'

views = _base_.views
views[0].update(interpolation='bilinear')
views[1].update(interpolation='bilinear')
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    )
)
