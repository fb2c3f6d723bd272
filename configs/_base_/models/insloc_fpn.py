# InsLoc on R50-FPN (reference: official config): batch norm everywhere and
# trained, no activation in the pyramid, box head of 4 conv + 2 fc, the exact
# box on P2..P4 and the augmented one on P5.
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='InsLoc',
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        zero_init_residual=False,
    ),
    neck=dict(
        type='mmdet.FPN',
        in_channels=[256, 512, 1024, 2048],
        out_channels=256,
        num_outs=4,
        norm_cfg=norm_cfg,
    ),
    roi_head=dict(
        type='InsLocRoIHead',
        strides=(4, 8, 16, 32),
        roi_size=7,
        bbox_head=dict(
            type='InsLocConvFCHead',
            in_channels=256,
            roi_size=7,
            num_convs=4,
            conv_channels=256,
            num_fcs=2,
            fc_channels=1024,
            out_channels=128,
            norm_cfg=norm_cfg,
        ),
    ),
    augmented_levels=(3,),
    queue_length=65536,
    momentum=0.999,
    temperature=0.2,
)
