# SimSiam (arXiv:2011.10566), R-50, batch 256, 800 epochs: 71.3 linear top-1.
_base_ = 'simsiam_r50_200e.py'

param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=800, by_epoch=True, begin=0, end=800)
]
train_cfg = dict(max_epochs=800)
