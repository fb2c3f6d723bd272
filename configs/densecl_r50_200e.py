# DenseCL (arXiv:2011.09157), R-50, batch 256, 200 epochs: 58.7 AP on
# VOC07+12 with R50-C4.
_base_ = [
    'mmpretrain::densecl/densecl_resnet50_8xb32-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/imagenet_mocov2.py',
]
method = dict(name='DenseCL')
# released: normal of variance 2 / fan in; the dense head's 1 x 1 convolutions
# keep torch's initialisation
he = dict(type='Kaiming', mode='fan_in', nonlinearity='relu')
model = dict(
    type='PaperDenseCL',
    backbone=dict(
        init_cfg=[
            dict(**he, layer='Conv2d'),
            dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
        ]
    ),
    neck=dict(init_cfg=dict(**he, layer='Linear', bias=0)),
)
