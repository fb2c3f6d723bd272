# LEWEL_B on ResNet-50 (released code): four heads, so 256 maps make 64
# aligned embeddings.
norm = dict(type='GlobalBN')
model = dict(
    type='LEWEL',
    base='byol',
    backbone=dict(
        type='ResNet', depth=50, norm_cfg=norm, zero_init_residual=False
    ),
    neck=dict(
        in_channels=2048,
        hid_channels=4096,
        out_channels=256,
        num_heads=4,
        norm_cfg=norm,
    ),
    predictor_hid_channels=4096,
    loss_weight=0.5,
    momentum=0.996,
)
