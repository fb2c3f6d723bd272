# InsLoc on R50-C4: RoIs of the stride 16 map, res5 in the head, one level.
# Its code was not released; the sizes are those of the C4 detector and of
# MoCo v2's projection (see the class InsLoc, Deviations).
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='InsLoc',
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        frozen_stages=-1,
        norm_cfg=norm_cfg,
        norm_eval=False,
        zero_init_residual=False,
    ),
    roi_head=dict(
        type='InsLocRoIHead',
        strides=(16,),
        roi_size=14,
        shared_head=dict(
            type='InsLocRes5',
            depth=50,
            base_channels=64,
            stride=2,
            norm_cfg=norm_cfg,
        ),
        bbox_head=dict(
            type='InsLocConvFCHead',
            in_channels=2048,
            pool=True,
            num_convs=0,
            num_fcs=1,
            fc_channels=2048,
            out_channels=128,
        ),
    ),
    augmented_levels=(0,),
    queue_length=65536,
    momentum=0.999,
    temperature=0.2,
)
