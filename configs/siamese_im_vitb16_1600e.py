# SiameseIM ViT-B/16, 1600 epochs: 84.1 fine-tuned, 78.0 linear top-1.
# 32 GPUs of 128 images; lr 1e-3 = 6.25e-5 * 4096 / 256.
_base_ = [
    '_base_/models/siamese_im_vitb16.py',
    '_base_/datasets/imagenet_siamese_im.py',
    '_base_/schedules/adamw_coslr_siamese_im_1600e.py',
    '_base_/default_runtime.py',
]

method = dict(name='SiameseIM')
