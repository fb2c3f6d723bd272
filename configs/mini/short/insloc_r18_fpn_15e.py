# InsLoc-FPN as in ../insloc_r18_fpn.py, for 15 of its 60 epochs.
_base_ = ['../insloc_r18_fpn.py']

epochs = 15

param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=16),
    dict(
        type='CosineAnnealingLR',
        T_max=epochs,
        by_epoch=True,
        begin=0,
        end=epochs,
    ),
]
train_cfg = dict(max_epochs=epochs)
