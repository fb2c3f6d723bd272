# SiameseIM ViT-L/16, 1600 epochs.
# paper: no recipe for ViT-L is released; here: the ViT-B recipe, because the
# released code has the architecture and nothing else.
_base_ = 'siamese_im_vitb16_1600e.py'

model = dict(backbone=dict(arch='large'))
