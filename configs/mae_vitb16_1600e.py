# MAE (arXiv:2111.06377), ViT-B/16, batch 4096, 1600 epochs: 83.6 fine-tuned
# and 68.0 linear top-1.
_base_ = [
    'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-1600e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/imagenet_mae.py',
]
method = dict(name='MAE')
