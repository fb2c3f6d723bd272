# InsLoc's optimisation (reference: official config; paper Sec. 4.1): SGD with
# Nesterov momentum, cosine per epoch from 0.03 at batch 256 to 0, no warm-up.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4, nesterov=True
    ),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=200, by_epoch=True, begin=0, end=200)
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200)
auto_scale_lr = dict(base_batch_size=256)
