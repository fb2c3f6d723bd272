# PixContrast on the embedded images: the mini PixPro recipe with 96 pixel
# views (3x3 positions). For CPUs and minutes, not for numbers.
_base_ = './pixpro_r18.py'
method = dict(name='PixContrast')
# paper: the last norm of each block starts at 0, which costs a short run too
# much of its time
backbone = _base_.model.backbone
backbone.update(zero_init_residual=False)
model = dict(
    _delete_=True,
    type='PixContrast',
    backbone=backbone,
    neck=_base_.model.neck,
    threshold=0.7,
    temperature=0.3,
    momentum=0.99,
)

# paper: crops from 8 % of the area, which here is less than an object
views = _base_.views
views[0].update(size=96, scale=(0.2, 1.0))
views[1].update(size=96, scale=(0.2, 1.0))
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    )
)
