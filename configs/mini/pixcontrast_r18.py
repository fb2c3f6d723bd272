# PixContrast on the embedded images: the mini PixPro recipe.
_base_ = './pixpro_r18.py'
method = dict(name='PixContrast')
model = dict(
    _delete_=True,
    type='PixContrast',
    backbone=_base_.model.backbone,
    neck=_base_.model.neck,
    threshold=0.7,
    temperature=0.3,
    momentum=0.99)
