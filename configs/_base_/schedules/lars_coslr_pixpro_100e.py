# PixPro's optimisation (released code): LARS with the rate outside the
# velocity, 4.0 = 1.0 * 1024 / 256, 5 epochs of warm-up from a hundredth.
# For smaller batches its authors scale the rate by the square root.
optim_wrapper = dict(
    type='BFloat16OptimWrapper',  # released: float16 with a loss scale
    optimizer=dict(
        type='PaperLARS',
        lr=4.0,
        momentum=0.9,
        weight_decay=1e-5,
        trust=0.001,
        eps=1e-8,
    ),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=5,
        end=100,
        start_factor=0.01,
        final_factor=2.5e-7,  # 1e-6
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100)
auto_scale_lr = dict(base_batch_size=1024)
