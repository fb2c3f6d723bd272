# MoCo v3 (arXiv:2104.02057), R-50, batch 4096, LARS, 100 epochs: 68.9 linear
# top-1.
_base_ = [
    'mmpretrain::mocov3/mocov3_resnet50_8xb512-amp-coslr-100e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/byol_views.py',
]
method = dict(name='MoCo v3')
model = dict(
    type='PaperMoCoV3',
    backbone=dict(zero_init_residual=True),  # mmpretrain: False
)
# released: joint norm, rate outside the velocity
optim_wrapper = dict(optimizer=dict(type='PaperLARS', trust=0.001, eps=0.0))
# released: from 0, at every step
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=100, convert_to_iter_based=True)
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MakeViews', views=_base_.views),
            dict(type='PackViews'),
        ]
    )
)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        scale=(0.2, 1.0), interpolation='bilinear'
    )
}
