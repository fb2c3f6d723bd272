# LEWEL_B's optimisation (released code): LARS with the rate inside the
# velocity, warm-up at every iteration, then a cosine that moves by epochs.
optim_wrapper = dict(
    type='BFloat16OptimWrapper',  # released: float16 with a loss scale
    optimizer=dict(
        type='PaperLARS',
        lr=3.6,
        momentum=0.9,
        weight_decay=1e-6,  # as in the released log; the script has 1.5e-6
        trust=0.001,
        eps=0.0,
        lr_in_velocity=True,
        split_norm=True,
    ),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=10,
        end=100,
        offset=1,
        hold='epoch',
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
auto_scale_lr = dict(base_batch_size=1024)
