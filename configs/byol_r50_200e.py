# BYOL (arXiv:2006.07733), R-50, batch 4096, LARS, 200 epochs.
_base_ = [
    'mmpretrain::byol/byol_resnet50_16xb256-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
]
method = dict(name='BYOL')
