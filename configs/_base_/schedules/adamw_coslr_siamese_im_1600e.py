# SiameseIM's optimisation: AdamW, decay only of tensors with more than one
# axis (cls and mask token included), clipping at 1, 40 epochs of warm-up.
optim_wrapper = dict(
    type='BFloat16OptimWrapper',  # paper: float16 with a loss scale
    clip_grad=dict(max_norm=1.0),
    optimizer=dict(
        type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05
    ),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR', warmup=40, end=1600, convert_to_iter_based=True
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1600)
auto_scale_lr = dict(base_batch_size=4096)
