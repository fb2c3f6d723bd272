# SimSiam (arXiv:2011.10566), R-50, batch 256, 200 epochs: 70.0 linear top-1.
_base_ = [
    'mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/imagenet_mocov2.py',
]
method = dict(name='SimSiam')
# the predictor keeps the first rate, also after scaling; mmpretrain's hook
# would keep 0.05
custom_hooks = [dict(type='FixedRateHook')]
auto_scale_lr = dict(base_batch_size=256)
