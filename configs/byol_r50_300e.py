# BYOL (arXiv:2006.07733), R-50, 300 epochs: 72.5 linear top-1.
_base_ = 'byol_r50_200e.py'

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-4,
        by_epoch=True,
        begin=0,
        end=10,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR', T_max=290, by_epoch=True, begin=10, end=300
    ),
]
train_cfg = dict(max_epochs=300)
