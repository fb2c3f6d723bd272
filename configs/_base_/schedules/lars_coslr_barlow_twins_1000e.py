# Barlow Twins' optimisation (released code): LARS with the rate outside the
# velocity, weights 0.2 and biases 0.0048 times batch / 256, 10 epochs of
# warm-up from 0, cosine to a thousandth of each rate.
# released: the gradient is divided by the number of processes, 16. Here it is
# the true gradient, with which the same steps need 16 times the decay (LARS
# scales the sum of both) and a 16th of the rate of biases and norms.
released_processes = 16
bias = dict(lr_mult=0.024 / released_processes)
optim_wrapper = dict(
    type='BFloat16OptimWrapper',  # released: float16 with a loss scale
    optimizer=dict(
        type='PaperLARS',
        lr=1.6,
        momentum=0.9,
        weight_decay=1e-6 * released_processes,
        trust=0.001,
        eps=0.0,
    ),
    paramwise_cfg=dict(
        custom_keys={'bn': bias, 'bias': bias, 'downsample.1': bias}
    ),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=10,
        end=1000,
        final_factor=0.001,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1000)
auto_scale_lr = dict(base_batch_size=2048)
