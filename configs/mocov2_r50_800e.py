# MoCo v2 (arXiv:2003.04297), 800 epochs: 71.1 linear top-1, and 57.4 AP,
# 82.5 AP50, 64.0 AP75 on VOC07+12 with R50-C4.
_base_ = 'mocov2_r50_200e.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=800, by_epoch=True, begin=0, end=800)
]
train_cfg = dict(max_epochs=800)
