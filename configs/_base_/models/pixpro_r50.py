# PixPro on ResNet-50 (released code): one-layer transform, exponent 2,
# threshold 0.7, batch norm over all processes.
norm = dict(type='GlobalBN')
model = dict(
    type='PixPro',
    backbone=dict(
        type='ResNet', depth=50, norm_cfg=norm, zero_init_residual=True
    ),
    neck=dict(
        in_channels=2048, hid_channels=4096, out_channels=256, norm_cfg=norm
    ),
    # released: the norm of a two-layer transform is each process's own
    propagation=dict(num_layers=1, exponent=2.0, clamp=0.0),
    threshold=0.7,
    momentum=0.99,
)
