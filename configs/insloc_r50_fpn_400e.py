# InsLoc R50-FPN, 400 epochs. Published: COCO 1x 42.0, 37.6; 2x 43.3, 38.8.
_base_ = 'insloc_r50_fpn.py'
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=400, by_epoch=True, begin=0, end=400)
]
train_cfg = dict(max_epochs=400)
