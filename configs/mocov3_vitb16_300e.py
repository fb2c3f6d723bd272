# MoCo v3 (arXiv:2104.02057), ViT-B/16, batch 4096, 300 epochs: 76.7 linear
# and 83.2 fine-tuned top-1.
_base_ = [
    'mmpretrain::mocov3/mocov3_vit-base-p16_16xb256-amp-coslr-300e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
]
method = dict(name='MoCo v3')
model = dict(type='PaperMoCoV3')
