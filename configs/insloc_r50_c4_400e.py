# InsLoc R50-C4, 400 epochs. Published: COCO 1x 39.8, 34.7; 2x 41.8, 36.3.
_base_ = 'insloc_r50_c4.py'
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=400, by_epoch=True, begin=0, end=400)
]
train_cfg = dict(max_epochs=400)
