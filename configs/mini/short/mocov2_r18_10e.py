# MoCo v2 as in ../mocov2_r18.py, for 10 of its 25 epochs.
_base_ = ['../mocov2_r18.py']

epochs = 10

param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=epochs,
        by_epoch=True,
        begin=0,
        end=epochs,
    )
]
train_cfg = dict(max_epochs=epochs)
