# SiameseIM ViT-B/16 in 400 epochs, which the authors say already matches
# 1600 epochs of MAE on some tasks.
_base_ = 'siamese_im_vitb16_1600e.py'

param_scheduler = [
    dict(type='WarmupCosineLR', warmup=40, end=400, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=400)
