# MoCo v2 (arXiv:2003.04297), 200 epochs: 67.5 linear top-1, and 57.0 AP,
# 82.4 AP50, 63.6 AP75 on VOC07+12 with R50-C4. mmpretrain's recipe is
# the official one: batch 256, lr 0.03, cosine, queue 65536, temperature 0.2.
_base_ = [
    'mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/imagenet_mocov2.py',
]
method = dict(name='MoCo v2')
model = dict(type='PaperMoCo')
