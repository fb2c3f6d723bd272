# mmpretrain's Barlow Twins model with the official initialisation of the
# projector (torch's own) and batch norm over all processes.
model = dict(
    type='PaperBarlowTwins',
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='GlobalBN'),
        zero_init_residual=True,
    ),
    neck=dict(
        type='NonLinearNeck',
        in_channels=2048,
        hid_channels=8192,
        out_channels=8192,
        num_layers=3,
        norm_cfg=dict(type='GlobalBN'),
        with_last_bn=False,
        with_avg_pool=True,
    ),
    head=dict(type='CrossCorrelationHead', in_channels=8192, lambd=0.0051),
)
