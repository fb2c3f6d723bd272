# BYOL (arXiv:2006.07733), R-50, batch 4096, 300 epochs: 72.5 linear top-1.
_base_ = [
    'mmpretrain::byol/byol_resnet50_16xb256-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/byol_views.py',
]
method = dict(name='BYOL')
# released: haiku's initialisation, and a scale of 0 that ends each block
conv = dict(type='LeCunTruncatedNormal', layer='Conv2d')
linear = dict(type='LeCunTruncatedNormal', layer='Linear')
norm = dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
model = dict(
    type='PaperBYOL',
    backbone=dict(zero_init_residual=True, init_cfg=[conv, norm]),
    neck=dict(init_cfg=[linear, norm]),
    head=dict(predictor=dict(init_cfg=[linear, norm])),
)
# released: joint norm, rate outside the velocity
optim_wrapper = dict(optimizer=dict(type='PaperLARS', trust=0.001, eps=0.0))
# released: the rate moves at every step
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=300, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=300)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MakeViews', views=_base_.views),
            dict(type='PackViews'),
        ]
    )
)
